// The operator's routes: actions, decisions, and the books of the embedded back office. Draws nothing.

import { Refused, get, path, send } from "./api.js";

export const STATES = ["proposed", "unknown", "queued", "running", "done", "rejected"];
/** A person has to decide these. */
export const NEEDS_PERSON = ["proposed", "unknown"];

/** Every action, those that need a person first, then by last change. */
export async function loadActions() {
  const told = await get("actions");
  const rank = (action) => (NEEDS_PERSON.includes(action.state) ? 0 : 1);
  return listIn(told, "actions").map(read).sort((a, b) => rank(a) - rank(b) || b.at - a.at);
}

function read(told) {
  return {
    id: told.action ?? told.id, name: told.name ?? told.tool ?? "", state: told.state, conversation: told.conversation ?? told.conversation_id ?? null, agent: told.agent ?? null,
    arguments: told.arguments, hash: told.arguments_hash ?? told.hash ?? null, result: told.result ?? null, reason: told.reason ?? null, attempts: told.attempts ?? null,
    at: time(told.accepted_at),
  };
}

const time = (told) => (typeof told === "string" ? Date.parse(told) : told == null ? 0 : told < 1e11 ? told * 1000 : told);

/** `decision`: approve, reject, or settle with an outcome. It carries the hash of what was shown: other arguments, no decision. */
export const decide = (action, decision, { reason, outcome }) =>
  send("POST", path("actions", action.id, decision), { arguments_hash: action.hash, reason, ...(outcome ? { outcome } : {}) });

/** Rows of a book (`orders`, `refunds`), or null where this server keeps none. */
export async function loadBook(name) {
  try {
    return listIn(await get(name), name);
  } catch (error) {
    if (error instanceof Refused && error.isAbsent) return null;
    throw error;
  }
}

const listIn = (told, name) => (Array.isArray(told) ? told : told?.[name] ?? told?.items ?? []);
