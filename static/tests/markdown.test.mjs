import test from "node:test";
import assert from "node:assert/strict";
import { GrowingMarkdown, heal, parse } from "../app/markdown.js";

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
const shown = (tokens) => JSON.stringify(tokens, (name, value) => (name === "line" ? undefined : value));

// Tokens in short: `p(…)`, so that a test can be read.
const short = (tokens) => tokens.map((token) => SHORT[token.type](token)).join("");
const within = (name) => (token) => `${name}(${token.tokens ? short(token.tokens) : token.text})`;
const SHORT = {
  paragraph: within("p"), heading: (token) => within(`h${token.depth}`)(token), blockquote: within("q"), strong: within("b"), em: within("i"), del: within("s"), codespan: within("c"), br: () => "/", hr: () => "hr()",
  text: (token) => (token.tokens ? short(token.tokens) : token.text), escape: (token) => token.text, link: (token) => within(`a ${token.href} `)(token), image: (token) => `img(${token.href} ${token.text})`,
  code: (token) => `code(${token.lang}:${token.text.replaceAll("\n", "/")})`,
  list: (token) => `${token.ordered ? `ol${token.start}` : "ul"}(${token.items.map((item) => `${item.task ? (item.checked ? "[x]" : "[ ]") : ""}${short(item.tokens)}`).join(";")})`,
  table: (token) => `table(${[token.header, ...token.rows].map((row) => row.map((cell) => short(cell.tokens)).join(",")).join(";")})`,
};

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
    assert.equal(shown(stream(text, pick)), shown(parse(text)), `seed ${seed}: ${JSON.stringify(text)}`);
  }
});

test("a long answer is not parsed again and again", () => {
  const growing = new GrowingMarkdown();
  const text = "A paragraph.\n\n".repeat(500);
  let longest = 0;
  for (let at = 0; at < text.length; at += 7) longest = Math.max(longest, JSON.stringify(growing.update(text.slice(0, at), true)).length);
  assert.ok(longest < 300, `the part that is parsed again grew to ${longest} characters`);
});

test("another text begins anew", () => {
  const growing = new GrowingMarkdown();
  growing.update("one\n\ntwo\n\nthree", true);
  growing.update("other", false);
  assert.deepEqual(short(growing.settled), "p(other)");
});

test("blocks and what is in them are told apart", () => {
  for (const [text, wanted] of [
    ["# A\n## B ##\nC\n===\nD\n---", "h1(A)h2(B)h1(C)h2(D)"], ["a\nb\n\nc", "p(a/b)p(c)"], ["---\n***", "hr()hr()"],
    ["- a\n  - b\n    - c\n- d", "ul(aul(bul(c));d)"], ["3. a\n4. b", "ol3(a;b)"], ["- a\n\n  b\n- c", "ul(p(a)p(b);c)"], ["- [x] a\n- [ ] b", "ul([x]a;[ ]b)"],
    ["- a\n* b\n1. c", "ul(a)ul(b)ol1(c)"], ["text\n2. no list", "p(text/2. no list)"], ["text\n- list", "p(text)ul(list)"],
    ["> a\nlazy\n> - b\n\nc", "q(p(a/lazy)ul(b))p(c)"], ["```js x\n- a\n\n  b\n```\nc", "code(js x:- a//  b)p(c)"], ["~~~\n```\n~~~", "code(:```)"], ["```\nopen", "code(:open)"], ["    a\n    b", "p(a/b)"],
    ["- a\n  ```\n  x\n  ```", "ul(acode(:x))"], ["| a | b |\n|---|:-:|\n| 1 \\| 2 |\n\nc", "table(a,b;1 | 2,)p(c)"], ["a | b\nno table", "p(a | b/no table)"],
    ["**a** __b__ *c* _d_ ***e***", "p(b(a) b(b) i(c) i(d) i(b(e)))"], ["*a **b** c*", "p(i(a b(b) c))"], ["snake_case_name 2 * 3 * 4", "p(snake_case_name 2 * 3 * 4)"], ["**open *and", "p(**open *and)"], ["~~a~~ ~b~", "p(s(a) s(b))"],
    ["`a` ``b ` c`` `open", "p(c(a) c(b ` c) `open)"], ["\\*a\\* \\\\", "p(*a* \\)"], ["[**a**](https://x.y/ \"t\") ![p](z.png)", "p(a https://x.y/ (b(a)) img(z.png p))"], ["[a [b]](x(y))", "p(a x(y) (a [b]))"], ["[no] [half](x", "p([no] [half](x)"],
    ["see https://x.y/a_(b), www.z.w.", "p(see a https://x.y/a_(b) (https://x.y/a_(b)), a https://www.z.w (www.z.w).)"], ["<https://x.y> <b>raw</b>", "p(a https://x.y (https://x.y) <b>raw</b>)"],
  ]) assert.equal(short(parse(text)), wanted, text);
});

test("nothing that a model may write hangs or overflows the parser", () => {
  for (const piece of ["*a ", "a* ", "_a*", "[", "![a](", "`", "``` ", "> ", "- ", "|", "~~", "<http", "(", "\\", "1. "]) assert.ok(parse(piece.repeat(30_000 / piece.length)).length > 0, piece);
  assert.equal(parse(Array.from({ length: 500 }, (_, depth) => `${"  ".repeat(depth)}- a`).join("\n"))[0].type, "list");
});

test("half a marker is not shown", () => {
  for (const [typed, seen] of [
    ["a **bo", "a **bo**"], ["a **bold*", "a **bold**"], ["a **", "a"], ["a *b", "a *b*"], ["**a *b", "**a *b***"], ["a `co", "a `co`"], ["a `", "a "],
    ["a ~~b", "a ~~b~~"], ["see [the", "see the"], ["see [the](https://ac", "see the"], ["2 * 3", "2 * 3"], ["* item", "* item"],
    ["done **b** and *i*", "done **b** and *i*"], ["```\na **b", "```\na **b"], ["a `**` b", "a `**` b"], ["**x**\n\nnext *y", "**x**\n\nnext *y*"],
  ]) assert.equal(heal(typed), seen, typed);
});
