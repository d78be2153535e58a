// Push notifications of A2A with its official client in JavaScript: configurations are made, read, listed and deleted, and an endpoint hears
// how tasks end, in order and with its token, although it refuses each first attempt.
//
//     push.mjs URL KEY FOLDER-OF-NODE-PACKAGES NONE
//
// URL is a server whose refunds ask their customer and that tells endpoints on this machine, KEY of a service there; NONE is a server that
// tells none.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { REFUND } from "./desk.mjs";

const [url, key, packages, none] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Role, StreamResponse, TaskState } = await load("@a2a-js/sdk");
const { ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver, JsonRpcTransportFactory } = await load("@a2a-js/sdk/client");

const TOKEN = randomUUID();
const told = [];
const tried = new Set();
let refused = 0;

// Refuses what comes without the token, and everything once.
const receiver = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  const secrets = [request.headers["x-a2a-notification-token"], request.headers.authorization];
  if (secrets.join() !== `${TOKEN},Bearer of-the-endpoint`) {
    refused += 1;
    response.writeHead(401).end();
  } else if (!tried.has(body)) {
    tried.add(body);
    response.writeHead(503).end();
  } else {
    const { payload } = StreamResponse.fromJSON(JSON.parse(body));
    assert.equal(payload.$case, "statusUpdate");
    assert.equal(payload.value.status.message, undefined);
    told.push([payload.value.taskId, payload.value.status.state]);
    response.writeHead(204).end();
  }
});
await new Promise((listening) => receiver.listen(0, "127.0.0.1", listening));
const HOOK = `http://127.0.0.1:${receiver.address().port}/tasks`;

// What the endpoint has heard of these tasks, once it has heard of all; without repeats.
async function heard(tasks) {
  const until = Date.now() + 60_000;
  for (;;) {
    const found = told.filter(([task]) => tasks.includes(task));
    if (new Set(found.map(([task]) => task)).size === tasks.length) return [...new Map(found.map((one) => [one.join(), one])).values()];
    assert.ok(Date.now() < until, `${JSON.stringify(told)} of ${tasks}`);
    await sleep(50);
  }
}

async function client(base = url, token = key) {
  const fetchImpl = (address, init = {}) => {
    const headers = new Headers(init.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    return fetch(address, { ...init, headers });
  };
  const factory = new ClientFactory(
    ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
      transports: [new JsonRpcTransportFactory({ fetchImpl })],
      cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
    }),
  );
  return factory.createFromUrl(base);
}

const config = (taskId = "", more = {}) => ({
  tenant: "", id: "", taskId, url: HOOK, token: TOKEN, authentication: { scheme: "Bearer", credentials: "of-the-endpoint" }, ...more,
});

async function say(to, contextId, words, { atOnce = false, push } = {}) {
  const parts = [{ content: { $case: "text", value: words }, metadata: undefined, filename: "", mediaType: "" }];
  const message = { messageId: randomUUID(), contextId, taskId: "", role: Role.ROLE_USER, parts, metadata: undefined, extensions: [], referenceTaskIds: [] };
  const configuration = { acceptedOutputModes: [], taskPushNotificationConfig: push, historyLength: undefined, returnImmediately: atOnce };
  return to.sendMessage({ tenant: "", message, configuration, metadata: undefined });
}

// The configuration comes with each message, and nobody waits for an answer.
async function theEndsOfTasks(to) {
  const tasks = [];
  for (let number = 0; number < 4; number += 1) {
    tasks.push((await say(to, "push-js-ends", `hello ${number}`, { atOnce: true, push: config() })).id);
  }
  assert.deepEqual(await heard(tasks), tasks.map((task) => [task, TaskState.TASK_STATE_COMPLETED]));
}

async function aConfiguration(to) {
  const { id: taskId } = await say(to, "push-js-config", "rehearse: long 5000", { atOnce: true });
  const made = await to.createTaskPushNotificationConfig(config(taskId, { id: "mine" }));
  const named = { tenant: "", taskId, id: "mine" };
  const read = await to.getTaskPushNotificationConfig(named);
  const list = () => to.listTaskPushNotificationConfig({ tenant: "", taskId, pageSize: 0, pageToken: "" });
  assert.deepEqual([made, read], [read, (await list()).configs[0]]);
  assert.deepEqual([read.url, read.token, read.authentication], [HOOK, "", { scheme: "Bearer", credentials: "" }]);
  await to.deleteTaskPushNotificationConfig(named);
  await to.deleteTaskPushNotificationConfig(named);
  assert.deepEqual((await list()).configs, []);
  await to.createTaskPushNotificationConfig(config(taskId));
  await to.cancelTask({ tenant: "", id: taskId, metadata: undefined });
  assert.deepEqual(await heard([taskId]), [[taskId, TaskState.TASK_STATE_CANCELED]]);
}

async function anEndThatWasBefore(to) {
  const { id } = await say(to, "push-js-late", "rehearse: quirk cut");
  await to.createTaskPushNotificationConfig(config(id));
  assert.deepEqual(await heard([id]), [[id, TaskState.TASK_STATE_FAILED]]);
}

async function whatWaitsForTheCustomer(to) {
  await say(to, "push-js-yes", REFUND[0]);
  const { id } = await say(to, "push-js-yes", REFUND[1], { atOnce: true, push: config() });
  assert.deepEqual(await heard([id]), [[id, TaskState.TASK_STATE_INPUT_REQUIRED]]);
}

async function refusals(to) {
  const { id } = await say(to, "push-js-refused", "hello");
  await assert.rejects(to.createTaskPushNotificationConfig(config(id, { url: "https://elsewhere.example/" })), /elsewhere\.example/);
  await assert.rejects(to.getTaskPushNotificationConfig({ tenant: "", taskId: id, id: "none" }), { name: "TaskNotFoundError" });
  const nobody = await client(url, null);
  await assert.rejects(say(nobody, "push-js-nobody", "hello", { push: config() }), { name: "PushNotificationNotSupportedError" });
  const other = await client(none, null);
  await assert.rejects(say(other, "push-js-none", "hello", { push: config() }), { name: "PushNotificationNotSupportedError" });
}

const to = await client();
for (const play of [theEndsOfTasks, aConfiguration, anEndThatWasBefore, whatWaitsForTheCustomer, refusals]) {
  await play(to);
  console.log(`@a2a-js/sdk, push: ${play.name}`);
}
assert.equal(refused, 0, "something came without its token");
receiver.closeAllConnections();
receiver.close();
