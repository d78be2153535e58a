// The operator's routes: actions, decisions, and the books of the embedded back office. Draws nothing.

import { Refused, get, path, send } from "./api.js";

export const STATES = ["proposed", "unknown", "queued", "running", "done", "rejected"];
/** A person has to decide these. */
export const NEEDS_PERSON = ["proposed", "unknown"];

/** How many rows are asked for at first, and more at a time. The server gives this many of each state in its overview. */
export const PAGE = 50;
const MOST = 200; // rows of one answer

/**
 * Actions and how many there are of each state: the newest of all, or `many` of one. Those that need a person come first, and
 * of these the one that waits longest.
 */
export async function loadActions(state, many) {
  const overview = await get("actions");
  const told = state === "all" || many <= PAGE ? listIn(overview, "actions") : await rows(`actions?state=${state}`, "actions", many);
  const rank = (action) => (NEEDS_PERSON.includes(action.state) ? 0 : 1);
  const actions = told.map(read).sort((a, b) => rank(a) - rank(b) || (rank(a) ? b.at - a.at : a.at - b.at));
  return { actions, counts: overview.counts ?? counted(actions) };
}

const counted = (actions) => Object.fromEntries(STATES.map((state) => [state, actions.filter((action) => action.state === state).length]));

/** The first `many` rows of a list that comes in pages. */
async function rows(route, name, many) {
  const found = [];
  for (let after = ""; found.length < many;) {
    const told = await get(`${route}${route.includes("?") ? "&" : "?"}limit=${Math.min(MOST, many - found.length)}${after}`);
    found.push(...listIn(told, name));
    if (told.next == null) break;
    after = `&after=${encodeURIComponent(told.next)}`;
  }
  return found;
}

function read(told) {
  return {
    id: told.action ?? told.id, name: told.name ?? told.tool ?? "", state: told.state, conversation: told.conversation ?? told.conversation_id ?? null, agent: told.agent ?? null,
    arguments: told.arguments, hash: told.arguments_hash ?? told.hash ?? null, result: told.result ?? null, reason: told.reason ?? null, attempts: told.attempts ?? null,
    amount: told.amount_cents ?? null, at: time(told.accepted_at), expiresAt: time(told.expires_at),
  };
}

const time = (told) => (typeof told === "string" ? Date.parse(told) : told == null ? 0 : told < 1e11 ? told * 1000 : told);

/** `decision`: approve, reject, or settle with an outcome. It carries the hash of what was shown: other arguments, no decision. */
export const decide = (action, decision, { reason, outcome }) =>
  send("POST", path("actions", action.id, decision), { arguments_hash: action.hash, reason, ...(outcome ? { outcome } : {}) });

/** Rows of a book (`orders`, `refunds`), or null where this server keeps none. */
export async function loadBook(name, many) {
  try {
    return await rows(name, name, many);
  } catch (error) {
    if (error instanceof Refused && error.isAbsent) return null;
    throw error;
  }
}

const listIn = (told, name) => (Array.isArray(told) ? told : told?.[name] ?? told?.items ?? []);
