// The history as the server tells it (GET /conversations/{id}) made into turns, and merged with what the page knows.

import { blank, isOver } from "./conversation.js";

/** Turns out of history items. Items that we do not know are skipped. */
export function turnsOf(history) {
  const turns = new Map();
  const turn = (number) => {
    if (!turns.has(number)) turns.set(number, blank({ key: `t${number}`, number, status: "committed" }));
    return turns.get(number);
  };
  for (const item of history.items) READ[item.type]?.(turn(item.turn), item);
  return [...turns.values()].sort((a, b) => a.number - b.number);
}

const READ = {
  message: (turn, { role, agent, text }) => {
    if (role === "customer") turn.message ??= text;
    else if (text) push(turn, { kind: "text", agent, text });
  },
  hand_off: (turn, { from, to }) => push(turn, { kind: "hand_off", from, to }),
  tool_call: (turn, { agent, call, name, arguments: given, outcome, result, milliseconds }) => push(turn, { kind: "tool", agent, call, name, arguments: given, outcome, result, milliseconds }),
  // Its call comes first.
  action: (turn, { action, call: asked, name, arguments: given, state, result, confirmation: card }) => {
    const told = { action, state, ...(result == null ? {} : { result }), ...(card && { card }) };
    const calls = turn.parts.filter((part) => part.kind === "tool" && part.name === name && part.action == null);
    const call = calls.find((part) => part.call === asked) ?? calls[0];
    if (call) Object.assign(call, told);
    else push(turn, { kind: "tool", call: action, name, arguments: given, ...told });
  },
  // One that cannot be read is a failed one, whose message says so.
  turn: (turn, { status: told, usage, milliseconds, replaced, message_id: messageId, code, message, retryable }) => {
    const status = told === "unreadable" ? "failed" : told;
    Object.assign(turn, { status, usage, milliseconds, replaced, messageId: messageId ?? null, error: status === "failed" ? { code, message, retryable } : null });
  },
};

// The history has no steps: parts stand in their order.
const push = (turn, part) => turn.parts.push({ step: turn.parts.length, ...part });

/** The state with the server's turns; what streams here right now and what was not delivered yet stays as it is. */
export function merge(state, history) {
  const told = turnsOf(history);
  const numbers = new Set(told.map((turn) => turn.number));
  const ids = new Set(told.map((turn) => turn.messageId).filter(Boolean));
  const merged = told.map((turn) => {
    const mine = state.turns.find((one) => one.number === turn.number || (one.messageId && one.messageId === turn.messageId));
    if (!mine) return turn;
    if (!isOver(turn) && mine.parts.length) return { ...mine, number: turn.number };
    return { ...turn, key: mine.key, messageId: mine.messageId ?? turn.messageId, position: mine.position };
  });
  const newest = told.at(-1)?.number ?? 0;
  const older = history.before == null ? [] : state.turns.filter((turn) => turn.number != null && turn.number < told[0]?.number);
  const rest = state.turns.filter((turn) => (turn.number == null ? !ids.has(turn.messageId) : !numbers.has(turn.number) && turn.number > newest));
  return { ...state, agent: history.agent, title: history.title, before: older.length ? state.before : history.before, turns: [...older, ...merged, ...rest] };
}

/** The state with what was said before its first turn. */
export function prepend(state, history) {
  const first = state.turns.find((turn) => turn.number != null)?.number ?? Infinity;
  return { ...state, before: history.before, turns: [...turnsOf(history).filter((turn) => turn.number < first), ...state.turns] };
}
