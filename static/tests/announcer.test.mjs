import test from "node:test";
import assert from "node:assert/strict";
import { Sentences, speakable } from "../app/announcer.js";

const TEXT = "Hello! I am **Sales**. A rocket costs $1.5 million, e.g. today.\n\n- first `item`\n- [second](https://acme.example)\n\nAgreed?";
const WANTED = ["Hello!", "I am Sales.", "A rocket costs $1.5 million, e.g. today.", "first item", "second", "Agreed?"];

test("tokens of any size give whole sentences", () => {
  for (let size = 1; size <= TEXT.length; size += 1) {
    const sentences = new Sentences();
    const heard = [];
    for (let at = 0; at < TEXT.length; at += size) heard.push(...sentences.push(TEXT.slice(at, at + size)));
    heard.push(...sentences.flush());
    assert.deepEqual(heard, WANTED, `pieces of ${size}`);
  }
});

test("code is not read out, tables are by rows", () => {
  const text = "Look:\n```rust\nlet a = 1. Or 2.\n```\n| a | b |\n|---|---|\n| 1 | 2 |\n- [x] done";
  for (const size of [1, 3, 7, text.length]) {
    const sentences = new Sentences();
    const heard = [];
    for (let at = 0; at < text.length; at += size) heard.push(...sentences.push(text.slice(at, at + size)));
    assert.deepEqual([...heard, ...sentences.flush()], ["Look:", "a, b", "1, 2", "done"], `pieces of ${size}`);
  }
});

test("a sentence that may go on is not told", () => {
  const sentences = new Sentences();
  assert.deepEqual(sentences.push("It costs $1."), []);
  assert.deepEqual(sentences.push("5 and no more. Yes"), ["It costs $1.5 and no more."]);
});

test("nothing is told twice", () => {
  const sentences = new Sentences();
  sentences.push("One. Two");
  assert.deepEqual(sentences.flush(), ["Two"]);
  assert.deepEqual(sentences.flush(), []);
});

test("marks of Markdown are not read out, snake_case and sums are", () => {
  assert.equal(speakable("# Title\n> **a** _b_ ~~c~~ `d`"), "Title a b c d");
  assert.equal(speakable("look_up_item is 2 * 3 * 4"), "look_up_item is 2 * 3 * 4");
});
