import test from "node:test";
import assert from "node:assert/strict";
import { GrowingMarkdown, heal, lex } from "../app/markdown.js";

const BLOCKS = [
  "A paragraph with **bold**, *italics*, `code` and a [link](https://acme.example/a).",
  "Two lines\nof one paragraph",
  "# Heading", "Underlined\n===", "Underlined too\n---",
  "- a\n- b\n  - c\n\n  more of b\n- d", "1. one\n2. two\n\n3. three, loose", "* star\n+ plus\n- minus", "- [x] done\n- [ ] open",
  "> quote\nlazy\n> - list in it", "```rust\nfn main() {}\n\n# not a heading\n- not a list\n```", "~~~\n```\n~~~", "    indented\n\n    code",
  "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |", "a | b\n--- | ---\n1 | 2", "---", "<div>\n<script>alert(1)</script>\n</div>", "<!-- a\n\ncomment -->",
  "2 begins with a figure", "**bold start**", "line with two spaces  \nand a break", "Grüße 🪃 家 &amp; &lt;b&gt;",
];
// Small and the same every time.
function chance(seed) {
  let state = seed;
  return (below) => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0), Math.floor((state / 2 ** 32) * below));
}
// Blank lines between blocks are no blocks; how many there are is not shown.
const shown = (tokens) => JSON.stringify(tokens.filter((token) => token.type !== "space").map(({ raw, ...token }) => ({ ...token, text: token.text?.trimEnd?.() })), (name, value) => (name === "raw" ? undefined : value));

function stream(text, pick) {
  const growing = new GrowingMarkdown();
  for (let at = 0; at < text.length; ) {
    at += 1 + pick(5);
    const before = growing.settled.length;
    const first = growing.settled[0];
    growing.update(text.slice(0, at), true);
    assert.ok(growing.settled.length >= before && (before === 0 || growing.settled[0] === first), "a settled block changed");
  }
  growing.update(text, false);
  return growing.settled;
}

test("text that grows in any pieces ends as the text parsed at once", () => {
  for (let seed = 1; seed <= 1500; seed += 1) {
    const pick = chance(seed);
    const text = Array.from({ length: 1 + pick(7) }, () => BLOCKS[pick(BLOCKS.length)]).join(pick(4) ? "\n\n" : "\n");
    assert.equal(shown(stream(text, pick)), shown(lex(text)), `seed ${seed}: ${JSON.stringify(text)}`);
  }
});

test("a long answer is not parsed again and again", () => {
  const growing = new GrowingMarkdown();
  const text = "A paragraph.\n\n".repeat(500);
  let longest = 0;
  for (let at = 0; at < text.length; at += 7) longest = Math.max(longest, growing.update(text.slice(0, at), true).reduce((sum, token) => sum + token.raw.length, 0));
  assert.ok(longest < 60, `the part that is parsed again grew to ${longest} characters`);
});

test("another text begins anew", () => {
  const growing = new GrowingMarkdown();
  growing.update("one\n\ntwo\n\nthree", true);
  growing.update("other", false);
  assert.deepEqual(growing.settled.map((token) => token.raw), ["other"]);
});

test("a link definition at the end reaches what came before it", () => {
  const growing = new GrowingMarkdown();
  const text = "See [it].\n\nMore.\n\n[it]: https://acme.example";
  growing.update(text, true);
  growing.update(text, false);
  assert.equal(growing.settled[0].tokens[1].type, "link");
});

test("half a marker is not shown", () => {
  for (const [typed, seen] of [
    ["a **bo", "a **bo**"], ["a **bold*", "a **bold**"], ["a **", "a"], ["a *b", "a *b*"], ["**a *b", "**a *b***"], ["a `co", "a `co`"], ["a `", "a "],
    ["a ~~b", "a ~~b~~"], ["see [the", "see the"], ["see [the](https://ac", "see the"], ["2 * 3", "2 * 3"], ["* item", "* item"],
    ["done **b** and *i*", "done **b** and *i*"], ["```\na **b", "```\na **b"], ["a `**` b", "a `**` b"], ["**x**\n\nnext *y", "**x**\n\nnext *y*"],
  ]) assert.equal(heal(typed), seen, typed);
});
