// The history as the server tells it (GET /conversations/{id}) made into turns, and merged with what the page knows.

import { blank, isOver } from "./conversation.js";

const STATUS = { committed: "committed", completed: "committed", failed: "failed", stopped: "stopped", running: "running", accepted: "waiting" };

/** Turns out of history items. Items that we do not know are skipped. */
export function turnsOf(history) {
  const turns = new Map();
  const turn = (number) => {
    if (!turns.has(number)) turns.set(number, blank({ key: `t${number}`, number, status: "committed" }));
    return turns.get(number);
  };
  let last = 0;
  for (const item of history.items ?? []) {
    last = item.turn ?? last;
    const into = turn(last);
    const step = item.step ?? into.parts.length;
    if (item.type === "message" && item.role === "customer") {
      if (into.message == null) into.message = item.text ?? "";
      into.messageId ??= item.message_id ?? null;
    } else PARTS[item.type]?.(into.parts, item, step);
    if (item.type === "turn") describe(into, item);
  }
  for (const one of Array.isArray(history.turns) ? history.turns : []) describe(turn(one.turn ?? one.number), one);
  if (history.running_turn != null) turn(history.running_turn).status = "running";
  return [...turns.values()].sort((a, b) => a.number - b.number);
}

function describe(turn, told) {
  turn.status = STATUS[told.status] ?? turn.status;
  turn.usage = told.usage ?? turn.usage;
  turn.replaced = told.replaced ?? told.replaced_by != null;
  turn.messageId ??= told.message_id ?? null;
  if (turn.status === "failed") turn.error = { code: told.code, message: told.error?.message ?? told.message ?? null, retryable: told.retryable ?? true };
}

const PARTS = {
  message: (parts, { agent, text }, step) => text && parts.push({ kind: "text", step, agent, text }),
  hand_off: (parts, { from, to }, step) => parts.push({ kind: "hand_off", step, from, to }),
  tool_call: (parts, item, step) =>
    parts.push({
      kind: "tool", step, agent: item.agent, call: item.call ?? `${step}-${parts.length}`, name: item.name, arguments: item.arguments,
      outcome: item.outcome ?? (item.result == null ? undefined : "ok"), result: item.result, milliseconds: item.milliseconds, action: item.action,
    }),
  action: (parts, item, step) => {
    const call = parts.findLast((part) => part.kind === "tool" && (item.call != null ? part.call === item.call : part.action === item.action || (part.name === item.name && part.action == null)));
    const told = { action: item.action ?? item.id, state: item.state, ...(item.result == null ? {} : { result: item.result }) };
    if (call) Object.assign(call, told);
    else parts.push({ kind: "tool", step, agent: item.agent, call: told.action, name: item.name ?? item.tool, arguments: item.arguments, ...told });
  },
};

/** The state with the server's turns; what streams here right now and what was not delivered yet stays as it is. */
export function merge(state, history) {
  const told = turnsOf(history);
  const numbers = new Set(told.map((turn) => turn.number));
  const ids = new Set(told.map((turn) => turn.messageId).filter(Boolean));
  const merged = told.map((turn) => {
    const mine = state.turns.find((one) => one.number === turn.number || (one.messageId && one.messageId === turn.messageId));
    if (!mine) return turn;
    if (!isOver(turn) && mine.parts.length) return { ...mine, number: turn.number };
    return { ...turn, key: mine.key, messageId: mine.messageId ?? turn.messageId, usage: turn.usage ?? mine.usage, error: turn.error?.message ? turn.error : (mine.error ?? turn.error), position: mine.position };
  });
  const newest = told.at(-1)?.number ?? 0;
  const older = history.before == null ? [] : state.turns.filter((turn) => turn.number != null && turn.number < told[0]?.number);
  const rest = state.turns.filter((turn) => (turn.number == null ? !ids.has(turn.messageId) : !numbers.has(turn.number) && turn.number > newest));
  return { ...state, agent: history.active_agent ?? history.agent ?? state.agent, before: older.length ? state.before : history.before, turns: [...older, ...merged, ...rest] };
}

/** The state with what was said before its first turn. */
export function prepend(state, history) {
  const first = state.turns.find((turn) => turn.number != null)?.number ?? Infinity;
  return { ...state, before: history.before, turns: [...turnsOf(history).filter((turn) => turn.number < first), ...state.turns] };
}
