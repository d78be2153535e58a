// The operator's routes: actions, decisions, and the books of the embedded back office. Draws nothing.

import { get, path, send } from "./api.js";

export const STATES = ["proposed", "unknown", "queued", "running", "done", "rejected"];
/** A person has to decide these. */
const NEEDS_PERSON = ["proposed", "unknown"];
export const needsPerson = ({ state }) => NEEDS_PERSON.includes(state);

/** How many rows are asked for at first, and more at a time. The server gives this many of each state in its overview. */
export const PAGE = 50;
const MOST = 200; // rows of one answer
/** The server counts no further, in a state that is an end and in one that waits. */
const MOST_COUNTED = { done: 50, rejected: 50 };
/** The list of a state begins with the newest: to find the oldest it is read as far as the server counts. */
const MOST_WAITING = 1_000;

/**
 * Actions and how many there are of each state: the newest of all, or `many` of one, and in any case the one that is looked at
 * (`id`). Those that need a person come first, and of these the ones that wait longest. `more` has what there may be more of than `counts` says, `since` is when the one that
 * waits longest of all was accepted, or 0, and `unreadable` are the ids and reasons of records that cannot be read.
 */
export async function loadActions(state, many, id, conversation) {
  if (conversation) return loadConversation(conversation, many, id);
  const overview = await get("actions");
  const of = async (one) => {
    const wanted = NEEDS_PERSON.includes(one) ? MOST_WAITING : state === one ? many : PAGE;
    if (wanted <= PAGE || overview.counts[one] < PAGE) return overview.actions.filter((action) => action.state === one);
    return rows(`actions?state=${one}`, "actions", wanted);
  };
  const listed = (await Promise.all(STATES.map(of))).flat();
  if (id && !listed.some((one) => one.id === id)) listed.push(...(await loadAction(id)));
  const actions = listed.map(read);
  const waiting = actions.filter(needsPerson).sort((a, b) => a.at - b.at);
  const others = actions.filter((one) => !needsPerson(one)).sort((a, b) => b.at - a.at);
  const all = Object.values(overview.counts).reduce((sum, count) => sum + count, 0);
  const isMore = (one) => overview.counts[one] >= (MOST_COUNTED[one] ?? MOST_WAITING);
  const longest = Math.max(0, ...NEEDS_PERSON.map((one) => overview.oldest_waiting_ms[one] ?? 0));
  return { waiting, others, counts: { ...overview.counts, all }, more: new Set([...STATES.filter(isMore), ...(STATES.some(isMore) ? ["all"] : [])]), since: longest && Date.now() - longest, unreadable: overview.unreadable ?? [] };
}

/** The same of one conversation alone, the latest `many` of it. */
async function loadConversation(conversation, many, id) {
  const listed = await rows(`actions?conversation=${encodeURIComponent(conversation)}`, "actions", many);
  if (id && !listed.some((one) => one.id === id)) listed.push(...(await loadAction(id)));
  const actions = listed.map(read);
  const counts = Object.fromEntries(STATES.map((state) => [state, actions.filter((one) => one.state === state).length]));
  const more = new Set(listed.length >= many ? ["all"] : []);
  return { waiting: actions.filter(needsPerson), others: actions.filter((one) => !needsPerson(one)), counts: { ...counts, all: actions.length }, more, since: 0, unreadable: [] };
}

/** One action that is on no page that was read; nothing if it is not there. */
async function loadAction(id) {
  try {
    return [await get(path("actions", id))];
  } catch (error) {
    if (error.status === 404) return [];
    throw error;
  }
}

/** The first `many` rows of a list that comes in pages. */
async function rows(route, name, many) {
  const found = [];
  for (let after = ""; found.length < many;) {
    const told = await get(`${route}${route.includes("?") ? "&" : "?"}limit=${Math.min(MOST, many - found.length)}${after}`);
    found.push(...told[name]);
    if (told.next == null) break;
    after = `&after=${encodeURIComponent(told.next)}`;
  }
  return found;
}

const read = ({ id, tool, state, conversation, idempotency_key: key, agent, arguments: given, arguments_hash: hash, fence, result, reason, reason_for_customer: reasonForCustomer, decision, decided_by: decidedBy, decided_at: decidedAt, approvals = [], approvals_needed: approvalsNeeded, attempts, amount_cents: amount, over, confirmation, accepted_at: at, first_try_at: triedAt, expires_at: expiresAt }) =>
  ({ id, name: tool, state, conversation, key, agent, arguments: given, hash, fence, result, reason, reasonForCustomer, decision, decidedBy, decidedAt, approvals, approvalsNeeded, attempts, amount, over, confirmation, at, triedAt, expiresAt });

/** `decision`: approve, reject, or settle with an outcome. It carries the hash of what was shown and the number of its last try: other arguments, or another try since, no decision. */
export const decide = (action, decision, { reason, forCustomer, outcome }) =>
  send("POST", path("actions", action.id, decision), { arguments_hash: action.hash, fence: action.fence, ...(reason ? { reason } : {}), ...(forCustomer ? { reason_for_customer: forCustomer } : {}), ...(outcome ? { outcome } : {}) });

/** Later actions of the same conversation that are done, where this one is unknown. */
export const loadDoneAfter = async ({ id }) => (await get(path("actions", id))).done_after;

/** Rows of a book: `orders` or `refunds`. */
export const loadBook = (name, many) => rows(name, name, many);
