// The official client of AG-UI plays with Baton: its message list and state are what a page would show, and every event is checked
// by the protocol's own schemas, which take nothing that they do not know.
//
//     ag_ui.mjs PROGRAM FOLDER-OF-NODE-PACKAGES
//
// PROGRAM is the server `local`, with the rehearsal model.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { approve } from "./desk.mjs";

const [program, packages] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { HttpAgent, runHttpRequest, transformHttpEventStream } = await load("@ag-ui/client");
const { EventSchema } = await load("@ag-ui/core/schemas");

const CATAPULT = "item_318205561";
const REFUND = `rehearse: call execute_refund {"item_id": "${CATAPULT}", "reason": "it broke"}`;
const acme = readFileSync(new URL("../../../functions/handoff/teams/acme.toml", import.meta.url), "utf8");
const asking = acme.replace(
  "approval = { above_usd = 500 }",
  'approval = "customer"\nconfirm = { title = "Refund of {amount} for {item_id}?" }',
);
assert.notEqual(asking, acme);

const seen = new Map();

// The client rejects a run whose line is cut, and throws the same once more where nobody can catch it.
const CUT = new Error("the line is cut");
for (const uncaught of ["uncaughtException", "unhandledRejection"]) {
  process.on(uncaught, (error) => {
    if (error !== CUT) throw error;
  });
}

// The client, with a fetch that shows every event to the schemas, and may hang up after some.
class Agent extends HttpAgent {
  constructor(base, threadId) {
    super({ url: `${base}/agui`, threadId, fetch: (url, init) => this.checked(url, init) });
    this.base = base;
  }

  // The resume that the protocol lacks: what came of the run is dropped, and read again from its start.
  connect(input) {
    const url = `${this.base}/agui/${this.threadId}/stream?run=${input.runId}`;
    return transformHttpEventStream(runHttpRequest(() => this.checked(url, {})));
  }

  // The list is copied before `connect` is called.
  async connectAgent(...how) {
    const last = this.messages.findLastIndex((message) => message.role === "user");
    this.messages = this.messages.slice(0, last + 1);
    return super.connectAgent(...how);
  }

  async checked(url, init) {
    const response = await fetch(url, init);
    this.turn = response.headers.get("x-turn");
    if (!response.body || !response.ok) return response;
    let rest = "";
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    const pull = async (controller) => {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      controller.enqueue(value);
      for (const block of blocks.filter((block) => block.startsWith("data: "))) {
        const event = JSON.parse(block.slice(6));
        strictly(event);
        seen.set(event.type, (seen.get(event.type) ?? 0) + 1);
        if (this.cutAt !== event.type) continue;
        this.cutAt = undefined;
        reader.cancel().catch(() => {});
        // What came before the cut is read first.
        setTimeout(() => controller.error(CUT));
        return new Promise(() => {});
      }
    };
    return new Response(new ReadableStream({ pull, cancel: (why) => reader.cancel(why) }), response);
  }

  async say(text, parameters = {}, id = crypto.randomUUID()) {
    this.addMessage({ id, role: "user", content: text });
    return this.go(parameters);
  }

  // Runs, and returns how the run ended with what the subscriber was told.
  async go(parameters = {}, how = "runAgent") {
    const told = { custom: [] };
    await this[how](parameters, {
      onRunFinishedEvent: (event) => void (told.end = event),
      onRunErrorEvent: ({ event }) => void (told.error = event),
      onCustomEvent: ({ event }) => void told.custom.push(event),
      onStateChanged: ({ state }) => void parameters.onState?.(state),
    });
    return told;
  }

  texts() {
    const said = this.messages.filter((message) => message.role === "assistant" && message.content);
    return said.map((message) => message.content);
  }
}

// The schemas leave unknown fields alone, and a wrong name of an optional one is such: every field must be in the schema.
function strictly(event) {
  EventSchema.parse(event);
  const schema = EventSchema.options.find((option) => option.shape.type.value === event.type);
  for (const field of Object.keys(event)) assert.ok(field in schema.shape, `${event.type}.${field}`);
}

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  return port;
}

async function serve(folder) {
  const port = await freePort();
  const team = join(folder, "team.toml");
  writeFileSync(team, asking);
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("BATON_"));
  const env = {
    ...Object.fromEntries(clean),
    BATON_ADDR: `127.0.0.1:${port}`,
    BATON_DATA: join(folder, "baton.db"),
    BATON_TEAM: team,
    BATON_LOG: "error",
    ...(process.env.PLAY === "silence" && { BATON_REHEARSAL_DELAY_MS: "11000" }),
    BATON_OPERATOR_TOKEN: "the operator of this test",
  };
  const server = spawn(program, { env, stdio: ["ignore", "ignore", "inherit"] });
  const base = `http://127.0.0.1:${port}`;
  for (const until = Date.now() + 30_000; ; ) {
    const up = await fetch(`${base}/health`).catch(() => undefined);
    if (up?.ok) return { server, base };
    assert.ok(Date.now() < until && server.exitCode === null, "the server does not answer");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const played = {
  async "a first message, Arabic and emoji"(base) {
    const agent = new Agent(base, "first");
    const { end } = await agent.say("مرحبا 🧨 你好");
    assert.equal(end.outcome, "success");
    assert.deepEqual(end.pendingToolCallIds, []);
    assert.equal(agent.texts().length, 1);
    assert.equal(agent.state.agent, "TriageAgent");
    assert.equal(end.event.usage.length, 1);
  },

  async "a hand-off, a lookup and an order"(base) {
    const agent = new Agent(base, "order");
    const first = await agent.say("My anvil exploded, I want a repair!");
    assert.equal(agent.state.agent, "IssuesAndRepairsAgent");
    assert.deepEqual(first.custom.find((event) => event.name === "handoff").value, {
      from: "TriageAgent",
      to: "IssuesAndRepairsAgent",
    });
    const looked = await agent.say('rehearse: call look_up_item {"search_query": "catapult"}');
    assert.deepEqual(looked.end.pendingToolCallIds, []);
    const results = agent.messages.filter((message) => message.role === "tool");
    assert.ok(results.length >= 2, JSON.stringify(agent.messages));
    const seller = new Agent(base, "buyer");
    await seller.say("I want to buy an anvil");
    assert.equal(seller.state.agent, "SalesAgent");
    const ordered = await seller.say('rehearse: call execute_order {"product": "Anvil", "price": 40}');
    assert.equal(ordered.end.outcome, "success");
    assert.ok(ordered.custom.some(({ name, value }) => name === "action" && value.tool === "execute_order"));
  },

  async "the customer's yes"(base) {
    const agent = new Agent(base, "yes");
    await agent.say("My catapult broke, I want a refund");
    const { end } = await agent.say(REFUND);
    assert.equal(end.outcome, "interrupt");
    const [interrupt] = agent.pendingInterrupts;
    assert.match(interrupt.message, /Refund of \$749\.00/);
    // The client itself lets nothing else through.
    await assert.rejects(agent.go(), /pending interrupt/);
    const answer = (approved) => ({
      resume: [{ interruptId: interrupt.id, status: "resolved", payload: { approved } }],
    });
    const before = agent.texts().length;
    const told = await agent.go(answer(true));
    assert.equal(told.end.outcome, "success");
    assert.equal(agent.texts().length, before + 1, JSON.stringify(agent.messages));
    const list = agent.messages.map((message) => message.content);
    await agent.go(answer(true));
    const again = agent.messages.filter((message) => message.role !== "activity");
    assert.equal(again.filter((message) => message.role === "assistant" && message.content).length, before + 1, JSON.stringify(list));
    await quietly(() => assert.rejects(agent.go(answer(false)), /HTTP 409.*confirmed this already/));
    assert.equal((await agent.say("Thank you")).end.outcome, "success");
  },

  async "a stop"(base) {
    const agent = new Agent(base, "stop");
    const stopped = new Promise((resolve) => {
      agent.subscribe({
        onTextMessageContentEvent: ({ event }) => {
          if (!event.delta || !agent.turn) return;
          resolve(fetch(`${base}/conversations/stop/turns/${agent.turn}/stop`, { method: "POST" }));
        },
      });
    });
    const { end } = await agent.say("rehearse: long 10000");
    assert.equal((await stopped).status, 202);
    assert.equal(end.outcome, "cancelled");
  },

  async "a cut, and the run from its start"(base) {
    const agent = new Agent(base, "cut");
    agent.cutAt = "TEXT_MESSAGE_CONTENT";
    await quietly(() => assert.rejects(agent.say("rehearse: long 400"), /cut/));
    const cut = agent.texts().at(-1) ?? "";
    const told = await agent.go({}, "connectAgent");
    assert.equal(told.end.outcome, "success");
    assert.equal(agent.texts().length, 1);
    assert.ok(agent.texts()[0].length > cut.length);
    const kept = await (await fetch(`${base}/conversations/cut`)).json();
    const said = kept.items.filter((item) => item.type === "message").at(-1).text;
    assert.equal(agent.texts()[0], said);
    assert.equal((await fetch(`${base}/agui/cut/stream`)).status, 204);
  },

  async "a repeat after a lost answer: one order"(base) {
    const agent = new Agent(base, "repeat");
    await agent.say("I want to buy an anvil");
    agent.cutAt = "TOOL_CALL_END";
    await quietly(() => assert.rejects(agent.say('rehearse: call execute_order {"product": "Anvil", "price": 40}'), /cut/));
    const { end } = await agent.go();
    assert.equal(end.outcome, "success");
    const history = await (await fetch(`${base}/conversations/repeat`)).json();
    assert.equal(history.items.filter((item) => item.type === "action").length, 1);
    // The list has what a client without the cut has: nothing stands in it twice.
    const calls = agent.messages.flatMap((message) => message.toolCalls ?? []);
    assert.equal(calls.filter((call) => call.function.name === "execute_order").length, 1, JSON.stringify(agent.messages));
    assert.ok(calls.every((call) => JSON.parse(call.function.arguments)));
    const said = history.items.filter((item) => item.type === "message" && item.role === "agent");
    assert.deepEqual(agent.texts(), said.map((item) => item.text));
  },

  // The team of this script asks customers for refunds; an order beyond a conversation's limit waits for a colleague.
  async "an operator's approval and its late result"(base) {
    const agent = new Agent(base, "approval");
    await agent.say("I want to buy an anvil");
    const { end, custom } = await agent.say('rehearse: call execute_order {"product": "Anvil", "price": 20000}');
    assert.equal(end.outcome, "success", "what waits for an operator is no interrupt");
    assert.equal(custom.find(({ name }) => name === "action").value.state, "proposed");
    const told = await approve(base, "approval");
    assert.equal((await agent.say("Thank you!")).end.outcome, "success");
    const history = await (await fetch(`${base}/conversations/approval`)).json();
    const said = history.items.filter((item) => item.type === "message").map((item) => item.text);
    assert.deepEqual(said.slice(-3), [told, "Thank you!", agent.texts().at(-1)]);
  },

  async "a tool of the client"(base) {
    const agent = new Agent(base, "tool");
    const parameters = { type: "object", properties: { door: { type: "integer" } } };
    const tools = [{ name: "open_door", description: "Opens a door.", parameters }];
    const { end } = await agent.say('rehearse: call open_door {"door": 3}', { tools });
    const [call] = end.pendingToolCallIds;
    const called = agent.messages.flatMap((message) => message.toolCalls ?? []).find(({ id }) => id === call);
    assert.deepEqual([called.function.name, JSON.parse(called.function.arguments)], ["open_door", { door: 3 }]);
    agent.addMessage({ id: crypto.randomUUID(), role: "tool", toolCallId: call, content: "it is open" });
    const told = await agent.go({ tools });
    assert.equal(told.end.outcome, "success");
    assert.deepEqual(told.end.pendingToolCallIds, []);
    assert.equal(agent.texts().length, 1);
  },

  // Baton's own events of a retraction stand in functions/chat/src/faces/ag_ui/tests.rs.
  async "text that is taken back"() {
    const events = [
      { type: "RUN_STARTED", threadId: "t", runId: "r" },
      { type: "TEXT_MESSAGE_START", messageId: "baton-1-1-aa", role: "assistant" },
      { type: "TEXT_MESSAGE_CONTENT", messageId: "baton-1-1-aa", delta: "Half" },
      { type: "TEXT_MESSAGE_END", messageId: "baton-1-1-aa" },
      { type: "ACTIVITY_SNAPSHOT", messageId: "baton-1-1-aa", activityType: "retracted", content: {}, replace: true },
      { type: "CUSTOM", name: "reset", value: { messageId: "baton-1-1-aa" } },
      { type: "TEXT_MESSAGE_START", messageId: "baton-1-2-aa", role: "assistant" },
      { type: "TEXT_MESSAGE_CONTENT", messageId: "baton-1-2-aa", delta: "Whole" },
      { type: "TEXT_MESSAGE_END", messageId: "baton-1-2-aa" },
      { type: "RUN_FINISHED", threadId: "t", runId: "r", outcome: { type: "success" } },
    ];
    const body = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
    const sent = [];
    const headers = { "content-type": "text/event-stream" };
    const agent = new HttpAgent({
      url: "http://nowhere.invalid/agui",
      fetch: async (_, init) => (sent.push(JSON.parse(init.body)), new Response(body, { headers })),
    });
    agent.addMessage({ id: "m", role: "user", content: "hello" });
    await agent.runAgent();
    const shown = agent.messages.filter((message) => message.role === "assistant");
    assert.deepEqual(shown.map((message) => message.content), ["Whole"]);
    await agent.runAgent();
    assert.deepEqual(sent[1].messages.map((message) => message.role), ["user", "assistant"]);
  },

  async "an error"(base) {
    const agent = new Agent(base, "error");
    await quietly(() => assert.rejects(agent.say(" "), /HTTP 400.*RUN_ERROR/));
    const failing = new Agent(base, "failing");
    let told;
    await quietly(async () => {
      told = await failing.say("rehearse: quirk cut").catch((error) => ({ error }));
    });
    assert.equal(told.error.code ?? told.error.cause?.code, "model_cut", JSON.stringify(told));
  },
};

// With a model that takes longer between two words than a heartbeat.
const silence = {
  async "a long silence"(base) {
    const agent = new Agent(base, "silence");
    assert.equal((await agent.say("rehearse: long 2")).end.outcome, "success");
    assert.equal(agent.texts()[0].trim().split(" ").length, 2);
  },
};
const isSilent = process.env.PLAY === "silence";

// The client writes to the console what it also throws.
async function quietly(work) {
  const { error } = console;
  console.error = () => {};
  try {
    await work();
  } finally {
    console.error = error;
  }
}

const folder = mkdtempSync(join(tmpdir(), "baton-ag-ui-"));
const { server, base } = await serve(folder);
process.once("exit", () => server.kill("SIGKILL"));
let failed = 0;
try {
  for (const [name, play] of Object.entries(isSilent ? silence : played)) {
    try {
      await play(base);
      console.log(`ok  ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`NOT OK  ${name}\n${error.stack}`);
    }
  }
} finally {
  server.kill("SIGTERM");
  await once(server, "exit");
  rmSync(folder, { recursive: true });
}
const events = [...seen].map(([type, count]) => `${type} ${count}`).join(", ");
console.log(`events: ${events}`);
process.exitCode = failed ? 1 : 0;
