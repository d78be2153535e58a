// A2A's official client in JavaScript plays with Baton.
//
//     tasks.mjs URL KEY FOLDER-OF-NODE-PACKAGES CARDS
//
// URL is a server with the rehearsal model, KEY of a service there; CARDS is a server without credentials whose refunds ask their customer.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { REFUND, approve } from "./desk.mjs";

const [url, key, packages, cards] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Role, TaskState } = await load("@a2a-js/sdk");
const { ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver, JsonRpcTransportFactory } = await load("@a2a-js/sdk/client");

const BUYER = ["I want to buy an anvil", "yes please", "yes", "yes", "yes, order it"];

const withKey = (fetch) => (address, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set("Authorization", `Bearer ${key}`);
  return fetch(address, { ...init, headers });
};

async function client(fetchImpl = withKey(fetch), base = url) {
  const factory = new ClientFactory(
    ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
      transports: [new JsonRpcTransportFactory({ fetchImpl })],
      cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
    }),
  );
  return factory.createFromUrl(base);
}

const text = (value) => ({ content: { $case: "text", value }, metadata: undefined, filename: "", mediaType: "" });
const data = (value) => ({ content: { $case: "data", value }, metadata: undefined, filename: "", mediaType: "" });

function message(contextId, parts, more = {}) {
  const said = { messageId: randomUUID(), contextId, taskId: "", role: Role.ROLE_USER, parts, metadata: undefined, extensions: [], referenceTaskIds: [] };
  return { tenant: "", message: { ...said, ...more }, configuration: undefined, metadata: undefined };
}

// What a client has that obeys the protocol.
class Heard {
  texts = {};
  told = [];
  states = [];

  take({ payload }) {
    if (payload.$case === "task") {
      this.task = payload.value;
      this.states.push(this.task.status.state);
    } else if (payload.$case === "statusUpdate") {
      const update = payload.value;
      assert.equal(update.taskId, this.task.id);
      this.states.push(update.status.state);
      this.message = update.status.message;
      if (update.metadata) this.told.push(update.metadata);
    } else {
      assert.equal(payload.$case, "artifactUpdate");
      const { artifact, append } = payload.value;
      const said = artifact.parts.map((part) => part.content.value).join("");
      this.texts[artifact.artifactId] = append ? (this.texts[artifact.artifactId] ?? "") + said : said;
    }
  }

  get text() {
    return this.texts.answer ?? "";
  }
}

async function heard(events, until = () => false) {
  const all = new Heard();
  for await (const event of events) {
    all.take(event);
    if (until(all)) break;
  }
  return all;
}

const say = (to, contextId, words, more) => heard(to.sendMessageStream(message(contextId, [text(words)], more)));
const last = (all) => all.states.at(-1);

async function firstMessage(to) {
  const all = await say(to, "a2a-js-first", BUYER[0]);
  assert.deepEqual(all.told.find((told) => told.handoff), { handoff: { from: "TriageAgent", to: "SalesAgent" } });
  assert.match(all.text, /roadrunner/);
  assert.equal(all.states[0], TaskState.TASK_STATE_SUBMITTED);
  assert.equal(last(all), TaskState.TASK_STATE_COMPLETED);
  const task = await to.sendMessage(message("a2a-js-first", [text("hello")]));
  assert.equal(task.status.state, TaskState.TASK_STATE_COMPLETED);
}

async function lookupAndWords(to) {
  await say(to, "a2a-js-lookup", "My rocket unicycle exploded");
  const all = await say(to, "a2a-js-lookup", 'rehearse: call look_up_item {"search_query": "catapult"}');
  assert.equal(all.told.filter((told) => told.tool).length, 2);
  const said = "أريد استرداد المال 💸";
  const { task } = await say(to, "a2a-js-lookup", said);
  const read = await to.getTask({ tenant: "", id: task.id, historyLength: undefined });
  assert.equal(read.history[0].parts[0].content.value, said);
}

async function oneOrder(to) {
  for (const words of BUYER.slice(0, -1)) await say(to, "a2a-js-order", words);
  let lost = 0;
  const unlucky = await client(async (...request) => {
    const response = await withKey(fetch)(...request);
    if (request[1]?.method !== "POST" || lost++) return response;
    await response.text();
    throw new TypeError("lost by the test");
  });
  const messageId = randomUUID();
  await assert.rejects(say(unlucky, "a2a-js-order", BUYER.at(-1), { messageId }), /lost by the test/);
  const all = await say(unlucky, "a2a-js-order", BUYER.at(-1), { messageId });
  const orders = all.told.filter((told) => told.action?.name === "execute_order");
  assert.equal(new Set(orders.map((told) => told.action.id)).size, 1);
}

async function stop(to) {
  const events = to.sendMessageStream(message("a2a-js-stop", [text("rehearse: long 5000")]));
  const all = new Heard();
  let stopped;
  for await (const event of events) {
    all.take(event);
    if (all.text) stopped ??= to.cancelTask({ tenant: "", id: all.task.id, metadata: undefined });
  }
  assert.equal((await stopped).status.state, TaskState.TASK_STATE_CANCELED);
  assert.equal(last(all), TaskState.TASK_STATE_CANCELED);
}

// Who hangs up stops nothing; subscribed to, the task is told from its start.
async function cut(to) {
  const events = to.sendMessageStream(message("a2a-js-cut", [text("rehearse: long 400")]));
  const first = await heard(events, (all) => all.text !== "");
  const rest = await heard(to.resubscribeTask({ tenant: "", id: first.task.id }));
  assert.equal(last(rest), TaskState.TASK_STATE_COMPLETED);
  assert.ok(rest.text.startsWith(first.text));
  const tasks = await to.listTasks({ tenant: "", contextId: "a2a-js-cut", status: TaskState.TASK_STATE_UNSPECIFIED, pageToken: "", includeArtifacts: true });
  assert.equal(tasks.tasks[0].artifacts[0].parts[0].content.value, rest.text);
}

// A colleague approves; the result is a task of its own.
async function approval(to) {
  for (const words of REFUND) await say(to, "a2a-js-approval", words);
  const told = await approve(url, "a2a-js-approval", key);
  const { tasks } = await to.listTasks({ tenant: "", contextId: "a2a-js-approval", status: TaskState.TASK_STATE_UNSPECIFIED, pageToken: "", includeArtifacts: true });
  assert.equal(tasks[0].artifacts[0].parts[0].content.value, told);
}

async function error(to) {
  const all = await say(to, "a2a-js-error", "rehearse: quirk cut");
  assert.equal(last(all), TaskState.TASK_STATE_FAILED);
  assert.ok(all.message.parts[0].content.value);
  await assert.rejects(to.getTask({ tenant: "", id: "nothing.1" }), { name: "TaskNotFoundError" });
}

async function theCustomersYes() {
  const to = await client(fetch, cards);
  await say(to, "a2a-js-yes", REFUND[0]);
  const asked = await say(to, "a2a-js-yes", REFUND[1]);
  assert.equal(last(asked), TaskState.TASK_STATE_INPUT_REQUIRED);
  const card = asked.message.parts.find((part) => part.content.$case === "data").content.value.confirm;
  const confirm = { action: card.action, arguments_hash: card.arguments_hash, yes: true };
  const answer = message("a2a-js-yes", [data({ confirm })], { taskId: asked.task.id });
  const told = await heard(to.sendMessageStream(answer));
  assert.equal(last(told), TaskState.TASK_STATE_COMPLETED);
  assert.ok(told.texts.result);
}

// Against a server whose model takes longer between two words than a heartbeat.
async function silence(to) {
  const all = await say(to, "a2a-js-silence", "rehearse: long 2");
  assert.equal(last(all), TaskState.TASK_STATE_COMPLETED);
  assert.equal(all.text.trim().split(" ").length, 2);
}

const to = await client();
for (const play of process.env.PLAY === "silence" ? [silence] : [firstMessage, lookupAndWords, oneOrder, stop, cut, approval, error, theCustomersYes]) {
  await play(to);
  console.log(`@a2a-js/sdk: ${play.name}`);
}
