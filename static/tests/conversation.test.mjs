import test from "node:test";
import assert from "node:assert/strict";
import { empty, isAsked, isPast, reduce } from "../app/conversation.js";
import { merge, prepend, turnsOf } from "../app/history.js";

const play = (...events) => events.reduce(reduce, empty("c"));
const sent = { type: "sent", key: "m1", message: "Hi" };
const started = { type: "turn_started", turn: 1, key: "m1", agent: "TriageAgent" };
const says = (text, offset, step = 0, fence = 1) => ({ type: "text_delta", turn: 1, step, agent: "TriageAgent", text, position: `1.${step}.${fence}.${offset}` });
const texts = (state) => state.turns.flatMap((turn) => turn.parts.filter((part) => part.kind === "text").map((part) => part.text));

test("a message is shown before the server has it, and once after", () => {
  const state = play(sent, started, says("Hello", 5), { type: "turn_completed", turn: 1, status: "committed" });
  assert.equal(state.turns.length, 1);
  assert.deepEqual([state.turns[0].status, state.turns[0].number, state.turns[0].message], ["committed", 1, "Hi"]);
});

test("a replay shows nothing twice", () => {
  assert.deepEqual(texts(play(sent, started, says("Hel", 3), says("lo", 5), says("Hel", 3), says("lo", 5), says("!", 6))), ["Hello!"]);
});

test("a replay from the start begins with nothing", () => {
  assert.deepEqual(texts(play(sent, started, says("Hel", 3), { type: "replayed", turn: 1 }, says("Hello", 5))), ["Hello"]);
});

test("after a reset the step is said anew by the next fence", () => {
  const state = play(sent, started, says("Kept.", 5, 0), says("Lost", 4, 1), { type: "reset", turn: 1, step: 1, position: "1.1.2.0" }, says("Anew", 4, 1, 2));
  assert.deepEqual(texts(state), ["Kept.", "Anew"]);
});

test("positions are compared by fence, step and offset as numbers", () => {
  assert.ok(isPast("1.0.1.9", "1.0.1.10"));
  assert.ok(!isPast("1.0.1.10", "1.0.1.9"));
  assert.ok(!isPast("1.0.2.1", "1.3.1.50"));
  assert.ok(isPast("1.3.1.50", "1.0.2.1"));
  assert.ok(!isPast(undefined, "1.0.1.9"));
});

test("a turn heard of elsewhere and the one that we sent are one", () => {
  const state = play(sent, { type: "turn_started", turn: 1, message: "Hi" }, says("He", 2), started);
  assert.equal(state.turns.length, 1);
  assert.equal(state.turns[0].key, "m1");
});

test("turns stand in their order, waiting messages last", () => {
  const state = play(sent, { type: "turn_started", turn: 2 }, { type: "turn_started", turn: 1 });
  assert.deepEqual(state.turns.map((turn) => turn.number), [1, 2, null]);
});

test("a card is asked until it is answered, here or elsewhere, and the history tells the same", () => {
  const told = { title: "Refund of $749.00?", fields: { item_id: "i" }, arguments_hash: "h" };
  const asked = play(sent, started, { type: "tool_called", turn: 1, step: 0, call: "a", name: "execute_refund" }, { type: "action_queued", turn: 1, step: 0, call: "a", action: "x1", name: "execute_refund", state: "proposed" },
    { type: "confirmation_asked", turn: 1, step: 0, action: "x1", name: "execute_refund", expires_at: 9, ...told });
  const part = (state) => state.turns[0].parts[0];
  assert.deepEqual([isAsked(part(asked)), part(asked).card.title, part(asked).state], [true, told.title, "proposed"]);
  const answered = reduce(asked, { type: "answered", action: "x1", card: part(asked).card, answer: "yes" });
  assert.deepEqual([isAsked(part(answered)), part(answered).card.answer, part(answered).state], [false, "yes", "proposed"]);
  assert.equal(isAsked(part(reduce(asked, { type: "action_finished", action: "x1", name: "execute_refund", state: "rejected" }))), false);
  const action = (answer) => ({ turn: 1, type: "action", action: "x1", call: "a", name: "execute_refund", state: "proposed", confirmation: { ...told, answer } });
  const read = (answer) => turnsOf({ items: [{ turn: 1, type: "tool_call", call: "a", name: "execute_refund", agent: "A" }, action(answer)] })[0].parts[0];
  assert.deepEqual([isAsked(read(null)), isAsked(read("yes"))], [true, false]);
});

test("interleaved tool calls keep their results", () => {
  const tool = (type, call, more) => ({ type, turn: 1, step: 0, call, agent: "A", ...more });
  const state = play(sent, started, tool("tool_called", "a", { name: "x" }), tool("tool_called", "b", { name: "y" }), tool("tool_finished", "b", { outcome: "error", result: "no" }), tool("tool_finished", "a", { outcome: "ok", result: "yes" }));
  assert.deepEqual(state.turns[0].parts.map(({ name, outcome, result }) => [name, outcome, result]), [["x", "ok", "yes"], ["y", "error", "no"]]);
});

test("an action that ends in a later turn changes the card that asked for it", () => {
  const queued = play(sent, started, { type: "tool_called", turn: 1, step: 0, call: "a", name: "execute_refund" }, { type: "action_queued", turn: 1, step: 0, call: "a", action: "x1", name: "execute_refund", state: "proposed" }, { type: "turn_completed", turn: 1 });
  assert.equal(queued.turns[0].parts[0].state, "proposed");
  const done = [{ type: "turn_started", turn: 2 }, { type: "action_finished", turn: 2, action: "x1", state: "done", result: "refunded" }].reduce(reduce, queued);
  assert.deepEqual([done.turns[0].parts.length, done.turns[0].parts[0].state, done.turns[0].parts[0].result], [1, "done", "refunded"]);
  assert.equal(done.turns[1].parts.length, 0);
});

test("a turn that tells a late result has no message of a customer", () => {
  assert.equal(play({ type: "turn_started", turn: 2, message: "" }).turns[0].message, null);
});

test("the first hand-off of a response is the one", () => {
  const to = (name) => ({ type: "handed_off", turn: 1, step: 0, from: "A", to: name });
  const state = play(sent, started, to("B"), to("B"));
  assert.equal(state.turns[0].parts.length, 1);
  assert.equal(state.agent, "B");
});

test("events that we do not know change nothing", () => {
  const state = play(sent, started);
  assert.equal(reduce(state, { type: "weather_changed", turn: 1 }), state);
});

test("history becomes turns with messages, tools, hand-offs and actions", () => {
  const turns = turnsOf({
    items: [
      { type: "message", role: "customer", text: "It exploded", turn: 1 },
      { type: "hand_off", from: "TriageAgent", to: "IssuesAndRepairsAgent", turn: 1 },
      { type: "tool_call", agent: "I", name: "execute_refund", arguments: { item_id: "i" }, result: "pending", outcome: "ok", turn: 1 },
      { type: "action", action: "x1", name: "execute_refund", state: "queued", turn: 1 },
      { type: "hologram", turn: 1 },
      { type: "message", role: "agent", agent: "I", text: "On its way.", turn: 1 },
      { type: "turn", turn: 1, status: "committed", usage: { total_tokens: 9 }, milliseconds: 700 },
      { type: "message", role: "customer", text: "Thanks", turn: 2 },
      { type: "turn", turn: 2, status: "running", usage: { total_tokens: 0 } },
    ],
  });
  assert.deepEqual(turns.map((turn) => [turn.message, turn.status, turn.parts.map((part) => part.kind)]), [["It exploded", "committed", ["hand_off", "tool", "text"]], ["Thanks", "running", []]]);
  assert.deepEqual([turns[0].parts[1].action, turns[0].parts[1].state, turns[0].usage.total_tokens, turns[0].milliseconds], ["x1", "queued", 9, 700]);
});

test("each action of a history goes to the call that asked for it", () => {
  const call = (id) => ({ type: "tool_call", turn: 1, agent: "I", call: id, name: "execute_refund", arguments: null, outcome: "pending", result: null, milliseconds: 1 });
  const action = (id) => ({ type: "action", turn: 1, action: `x-${id}`, call: id, name: "execute_refund", arguments: null, state: "queued", result: null });
  const [turn] = turnsOf({ items: [call("a"), call("b"), call("c"), action("c"), action("b")] });
  assert.deepEqual(turn.parts.map((part) => [part.call, part.action]), [["a", undefined], ["b", "x-b"], ["c", "x-c"]]);
});

test("merging history keeps what streams here and what is not delivered yet", () => {
  const state = play(sent, started, says("Hel", 3), { type: "sent", key: "m2", message: "More" });
  const merged = merge(state, { items: [{ type: "message", role: "customer", text: "Hi", turn: 1 }, { type: "turn", turn: 1, status: "running" }] });
  assert.deepEqual(texts(merged), ["Hel"]);
  assert.deepEqual(merged.turns.map((turn) => turn.message), ["Hi", "More"]);
});

test("merging history takes a message that was delivered though its answer never came", () => {
  const merged = merge(play(sent), { items: [{ type: "message", role: "customer", text: "Hi", turn: 1 }, { type: "message", role: "agent", agent: "A", text: "Hello", turn: 1 }, { type: "turn", turn: 1, status: "committed", message_id: "m1" }] });
  assert.deepEqual(merged.turns.map((turn) => [turn.number, turn.messageId, turn.status]), [[1, "m1", "committed"]]);
});

test("a message accepted while another answer is written waits until its own begins", () => {
  const both = play(sent, started, { type: "sent", key: "m2", message: "More" }, { type: "accepted", key: "m2", turn: 2 });
  assert.deepEqual(both.turns.map((turn) => turn.status), ["running", "waiting"]);
  assert.equal(reduce(both, { type: "turn_started", turn: 2 }).turns[1].status, "running");
});

test("earlier turns that were read stay when the history is read anew", () => {
  const page = (before, ...numbers) => ({ before, items: numbers.map((turn) => ({ type: "message", role: "customer", text: `Q${turn}`, turn })) });
  const both = prepend(merge(empty("c"), page(3, 3, 4)), page(null, 1, 2));
  assert.deepEqual([both.before, ...both.turns.map((turn) => turn.number)], [null, 1, 2, 3, 4]);
  const anew = merge(both, page(4, 4, 5));
  assert.deepEqual([anew.before, ...anew.turns.map((turn) => turn.number)], [null, 1, 2, 3, 4, 5]);
  assert.deepEqual(merge(both, page(null, 7)).turns.map((turn) => turn.number), [7], "what was erased is gone");
});
