// The validators in JavaScript: reads streams as lines of JSON, {face, what, body}, and says how many it took. See validators.py.
//
//     validators.mjs FOLDER-OF-NODE-PACKAGES

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.argv[2], "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const sdks = { 7: await load("ai"), 6: await load("ai-6") };
const { verifyEvents } = await load("@ag-ui/client");
const { EventSchema } = await load("@ag-ui/core/schemas");
const { from, lastValueFrom, toArray } = await load("rxjs");
const { CallToolResultSchema, ProgressNotificationSchema } = await load("@modelcontextprotocol/sdk/types.js");

const data = (body) =>
  body
    .split("\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => line.slice(6));

async function aiSdk(body, sdk) {
  const parts = data(body);
  const isDone = parts.at(-1) === "[DONE]";
  const chunks = parts.slice(0, isDone ? -1 : undefined).map((part) => JSON.parse(part));
  // Only a stream that ends before its turn is not done.
  assert.ok(isDone || chunks.at(-1).type === "error", parts.at(-1));
  const schema = sdk.uiMessageChunkSchema();
  for (const chunk of chunks) {
    const checked = await schema.validate(chunk);
    assert.ok(checked.success, `${JSON.stringify(chunk)}: ${checked.error}`);
  }
  // A turn that failed is an error and a finish; one that goes on behind its stream is an error only.
  const ends = chunks.filter(({ type }) => ["finish", "error", "abort"].includes(type));
  assert.equal(chunks.at(-1), ends.at(-1));
  const kinds = ends.map(({ type, finishReason }) => (finishReason === "error" ? "failed" : type));
  assert.ok(["finish", "abort", "error", "error,failed"].includes(kinds.join()), kinds.join());
  const stream = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  const errors = [];
  let message;
  for await (const read of sdk.readUIMessageStream({ stream, onError: (error) => errors.push(error) })) message = read;
  const told = ends[0].type === "error" ? [ends[0].errorText] : [];
  assert.deepEqual(errors.map((error) => error.message), told);
  return message;
}

async function agUi(body) {
  const events = data(body).map((text) => JSON.parse(text));
  for (const event of events) {
    EventSchema.parse(event);
    const schema = EventSchema.options.find((option) => option.shape.type.value === event.type);
    for (const field of Object.keys(event)) assert.ok(field in schema.shape, `${event.type}.${field}`);
  }
  const verified = await lastValueFrom(from(events).pipe(verifyEvents(), toArray()));
  assert.ok(["RUN_FINISHED", "RUN_ERROR"].includes(verified.at(-1).type));
}

function mcp(body) {
  const messages = data(body).filter(Boolean).map((text) => JSON.parse(text));
  const answer = messages.pop();
  for (const message of messages) ProgressNotificationSchema.parse(message);
  const { structuredContent } = CallToolResultSchema.parse(answer.result);
  for (const field of ["conversation_id", "turn", "status", "text"]) assert.ok(field in structuredContent, field);
}

const check = {
  "ai-sdk": async (body) => {
    await aiSdk(body, sdks[7]);
    await aiSdk(body, sdks[6]);
  },
  "ai-sdk-7": (body) => aiSdk(body, sdks[7]),
  "ag-ui": agUi,
  mcp,
};

let taken = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { face, what, body } = JSON.parse(line);
  try {
    await check[face](body);
  } catch (wrong) {
    console.error(`${face} of ${what}: ${wrong.stack}\n${body}`);
    process.exit(1);
  }
  taken += 1;
}
console.log(taken);
