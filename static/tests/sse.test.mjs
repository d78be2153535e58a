import test from "node:test";
import assert from "node:assert/strict";
import { SseParser } from "../app/sse.js";

const STREAM = [
  ": heartbeat\r\n\r\n",
  'id: 1.0.1.5\r\nevent: text_delta\r\ndata: {"text":"Grüße 🪃 家"}\r\n\r\n',
  "data: two\ndata:lines\n\n",
  "id: 1.0.1.9\revent: turn_completed\rdata\r\r",
  "event: nothing\n\n",
  "retry: 5\ndata: last\n\n",
].join("");
const WANTED = [
  { id: "1.0.1.5", type: "text_delta", data: '{"text":"Grüße 🪃 家"}' },
  { id: "1.0.1.5", type: "message", data: "two\nlines" },
  { id: "1.0.1.9", type: "turn_completed", data: "" },
  { id: "1.0.1.9", type: "message", data: "last" },
];
const bytes = new TextEncoder().encode(STREAM);
const parse = (...chunks) => {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
};

test("a stream in one piece gives its events", () => assert.deepEqual(parse(bytes), WANTED));

test("a stream cut at any byte, inside characters and line ends too, gives the same events", () => {
  for (let cut = 0; cut <= bytes.length; cut += 1) assert.deepEqual(parse(bytes.slice(0, cut), bytes.slice(cut)), WANTED, `cut at ${cut}`);
});

test("a stream cut at any two bytes gives the same events", () => {
  for (let first = 0; first < bytes.length; first += 1) {
    for (let second = first; second < bytes.length; second += 1) assert.deepEqual(parse(bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)), WANTED);
  }
});

test("a stream that comes byte by byte gives the same events", () => assert.deepEqual(parse(...Array.from(bytes, (byte) => Uint8Array.of(byte))), WANTED));

test("an event without its empty line is not told", () => assert.deepEqual(parse(new TextEncoder().encode("data: cut\n")), []));

test("a byte order mark at the start is skipped", () => assert.equal(parse(new TextEncoder().encode("\uFEFFdata: a\n\n"))[0].data, "a"));

test("a line without an end is refused before it fills the memory", () => {
  const parser = new SseParser();
  const chunk = new TextEncoder().encode("x".repeat(1024 * 1024));
  assert.throws(() => { for (let count = 0; count < 8; count += 1) parser.push(chunk); }, /too long/);
});
