// The state of one conversation and how events change it. Pure: no network, no document, no clock.
//
// state  {id, agent, turns}
// turn   {key, number, messageId, message, status, parts, usage, error, position}
//        status: sending | unsent | waiting | running | committed | failed | stopped
// part   {kind: "text", step, agent, text} | {kind: "hand_off", step, from, to}
//        {kind: "tool", step, agent, call, name, arguments, outcome, result, milliseconds, action, state, card}
// card   {title, fields, arguments_hash, answer}: what the customer is asked to confirm

export const empty = (id) => ({ id, agent: null, turns: [] });

export const isOver = (turn) => ["committed", "failed", "stopped", "unsent"].includes(turn.status);
export const isRunning = (turn) => turn.status === "running" || turn.status === "waiting";

const ENDS = { turn_completed: "committed", turn_failed: "failed", turn_stopped: "stopped" };
export const endsStream = (type) => type in ENDS || type === "turn_continues";

/** The state after an event. Unknown events change nothing. */
export function reduce(state, event) {
  const change = CHANGES[event.type];
  return change ? change(state, event) : state;
}

const CHANGES = {
  sent: (state, { key, message }) =>
    find(state, { key }) ? update(state, { key }, () => ({ status: "sending", error: null })) : add(state, blank({ key, messageId: key, message, status: "sending" })),
  unsent: (state, event) => update(state, event, () => ({ status: "unsent", error: event.error })),
  dropped: (state, { key }) => ({ ...state, turns: state.turns.filter((turn) => turn.key !== key) }),
  replayed: (state, event) => update(state, event, () => ({ parts: [], position: null })),
  replaced: (state, event) => update(state, event, () => ({ replaced: true })),

  accepted: (state, event) => adopt(state, event, state.turns.some((turn) => turn.number < event.turn && isRunning(turn)) ? "waiting" : "running"),
  turn_started: (state, event) => adopt(state, event),
  text_delta: (state, event) => live(state, event, (turn) => unlessShown(turn, event, appendText)),
  tool_called: (state, event) => live(state, event, (turn) => ({ parts: mergeTool(turn.parts, event, {}) })),
  tool_finished: (state, event) =>
    live(state, event, (turn) => ({ parts: mergeTool(turn.parts, event, { outcome: event.outcome ?? "ok", result: event.result, milliseconds: event.milliseconds }) })),
  action_queued: action,
  action_finished: action,
  confirmation_asked: (state, { title, fields, arguments_hash, ...event }) => action(state, { ...event, card: { title, fields, arguments_hash, answer: null } }),
  answered: (state, { answer, card, ...event }) => action(state, { ...event, card: { ...card, answer } }),
  handed_off: (state, event) => ({ ...live(state, event, (turn) => ({ parts: handOff(turn.parts, event) })), agent: event.to }),
  usage: (state, event) => live(state, event, () => ({ usage: { ...event } })),
  reset: (state, event) => live(state, event, (turn) => unlessShown(turn, event, (parts) => parts.filter((part) => part.step < event.step))),
  turn_completed: end,
  turn_failed: end,
  turn_stopped: end,
  turn_continues: (state) => state,
};

function end(state, event) {
  const error = event.type === "turn_failed" ? { code: event.code, message: event.message, retryable: event.retryable } : null;
  return live(state, event, (turn) => ({ status: ENDS[event.type], error, usage: event.usage ?? turn.usage, milliseconds: event.milliseconds }));
}

// --- turns

export const blank = (turn) => ({ number: null, messageId: null, message: null, status: "running", parts: [], usage: null, error: null, position: null, ...turn });

export const find = (state, { key, turn }) =>
  state.turns.findLast((one) => (turn != null && one.number === turn) || (key != null && one.key === key));

function add(state, turn) {
  const place = turn.number == null ? -1 : state.turns.findIndex((one) => one.number == null || one.number > turn.number);
  return { ...state, turns: place < 0 ? [...state.turns, turn] : state.turns.toSpliced(place, 0, turn) };
}

function update(state, which, change) {
  const turn = find(state, which);
  if (!turn) return state;
  return { ...state, turns: state.turns.with(state.turns.lastIndexOf(turn), { ...turn, ...change(turn) }) };
}

// The turn that we sent gets its number; the same turn heard of before from elsewhere goes. One that tells a late result has no message.
function adopt(state, event, status = "running") {
  const number = event.turn ?? null;
  const sent = event.key == null ? null : find(state, { key: event.key });
  const mine = sent ?? find(state, { turn: number }) ?? state.turns.findLast((turn) => turn.number == null && turn.messageId != null && turn.messageId === event.message_id);
  if (!mine) return add(state, blank({ key: `t${number}`, number, messageId: event.message_id ?? null, message: event.message || null, status: "running" }));
  const others = state.turns.filter((turn) => turn !== mine && (number == null || turn.number !== number));
  const turn = { ...mine, number: number ?? mine.number, message: mine.message ?? (event.message || null), status: isOver(mine) && mine.status !== "unsent" ? mine.status : status, error: null };
  return add({ ...state, turns: others }, turn);
}

function live(state, event, change) {
  const known = find(state, event) ? state : adopt(state, event);
  if (!find(known, event)) return known;
  return {
    ...update(known, event, (now) => ({ status: now.status === "sending" || now.status === "waiting" ? "running" : now.status, ...change(now) })),
    agent: event.agent ?? known.agent,
  };
}

// Only these two would show text twice, or take away too much; everything else may be told again without harm.
function unlessShown(turn, event, change) {
  return isPast(event.position, turn.position) ? {} : { parts: change(turn.parts, event), position: event.position ?? turn.position };
}

/** Whether a position (TURN.STEP.FENCE.OFFSET) was shown before: a later fence says a step anew. */
export function isPast(position, shown) {
  if (!position || !shown) return false;
  const [, step, fence, offset] = position.split(".").map(Number);
  const [, shownStep, shownFence, shownOffset] = shown.split(".").map(Number);
  if (fence !== shownFence) return fence < shownFence;
  if (step !== shownStep) return step < shownStep;
  return offset <= shownOffset;
}

// --- parts

/** Whether the customer can still confirm or decline the action of this part. */
export const isAsked = ({ card, state }) => card != null && card.answer == null && state === "proposed";

function appendText(parts, { step = 0, agent, text = "" }) {
  const last = parts.at(-1);
  if (last?.kind === "text" && last.step === step) return parts.with(-1, { ...last, text: last.text + text });
  return [...parts, { kind: "text", step, agent, text }];
}

function mergeTool(parts, event, more) {
  const place = parts.findLastIndex((part) => part.kind === "tool" && isSameCall(part, event));
  const before = place < 0 ? { kind: "tool", step: event.step ?? 0, agent: event.agent, call: event.call ?? event.action } : parts[place];
  const part = { ...before, name: event.name ?? before.name, arguments: event.arguments ?? before.arguments, action: event.action ?? before.action, ...more };
  return place < 0 ? [...parts, part] : parts.with(place, part);
}

const isSameCall = (part, event) =>
  (event.action != null && part.action === event.action) || (event.call != null && part.call === event.call && (event.step == null || part.step === event.step));

function handOff(parts, { step = 0, from, to }) {
  if (parts.some((part) => part.kind === "hand_off" && part.step === step)) return parts; // the first of a response wins
  return [...parts, { kind: "hand_off", step, from, to }];
}

// An action may end turns after the one that asked for it.
function action(state, event) {
  const owner = event.action == null ? null : state.turns.findLast((turn) => turn.parts.some((part) => part.action === event.action));
  const known = owner || find(state, event) ? state : adopt(state, event);
  const turn = owner ?? find(known, event);
  const more = { ...(event.state == null ? {} : { state: event.state }), ...(event.result == null ? {} : { result: event.result }), ...(event.card && { card: event.card }) };
  return update(known, { key: turn.key }, (it) => ({ parts: mergeTool(it.parts, event, more) }));
}
