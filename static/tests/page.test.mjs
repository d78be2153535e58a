// The page as files: what the HTML promises about them, and what they weigh.
import test from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { safeAddress } from "../app/markdown-view.js";
import { deskStrings } from "../app/desk-strings.js";
import { LANGUAGES } from "../app/strings.js";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (file) => readFileSync(join(ROOT, file), "utf8");
const PAGES = [["index.html", "app/main.js"], ["desk.html", "app/desk.js"]];

function graph(entry) {
  const seen = new Set([entry]);
  for (const file of seen) {
    for (const [, from] of read(file).matchAll(/^(?:import|export) .*?from "(\.[^"]+)"/gm)) seen.add(normalize(join(dirname(file), from)));
  }
  return [...seen];
}
const asked = (html) => [...html.matchAll(/(?:href|src)="static\/([^"]+)"/g)].map(([, file]) => file);

for (const [page, entry] of PAGES) {
  test(`${page} asks for its whole module graph at once`, () => {
    assert.deepEqual(asked(read(page)).filter((file) => file.endsWith(".js")).sort(), graph(entry).sort());
  });
  test(`${page} has relative addresses only and nothing inline`, () => {
    const html = read(page);
    assert.doesNotMatch(html, /(?:href|src)="(?:\/|[a-z]+:)/);
    assert.doesNotMatch(html, /<style|style=|\son[a-z]+=|<script(?![^>]* src=)/);
  });
}

// It was 45 KB before the page knew tokens, visitors and whose a conversation is, and 47 before customers confirmed actions in it.
test("a first visit is under 50 KB gzipped in all", () => {
  const weight = ["index.html", ...asked(read("index.html"))].reduce((sum, file) => sum + gzipSync(read(file), { level: 9 }).length, 0);
  assert.ok(weight < 50_000, `${weight} bytes`);
});

test("no module writes HTML, evaluates text or sets a style attribute", () => {
  for (const file of new Set(PAGES.flatMap(([, entry]) => graph(entry)))) {
    if (file.startsWith("vendor/")) continue;
    assert.doesNotMatch(read(file), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML|\beval\(|new Function|style=/, file);
  }
});

test("every language says the same things", () => {
  const holes = (text) => [...String(text).matchAll(/\{\w+\}/g)].map(([hole]) => hole).sort();
  for (const languages of [LANGUAGES, deskStrings]) {
    for (const strings of Object.values(languages)) {
      assert.deepEqual(Object.keys(strings).sort(), Object.keys(languages.en).sort());
      for (const [name, text] of Object.entries(strings)) assert.deepEqual(holes(text), holes(languages.en[name]), name);
    }
  }
});

test("the vendored file is the one that its checksum names", () => {
  for (const line of read("vendor/SHA256SUMS").trim().split("\n")) {
    const [sum, file] = line.split(/\s+/);
    assert.equal(createHash("sha256").update(read(`vendor/${file}`)).digest("hex"), sum, file);
  }
});

test("only addresses that are safe to follow become links", () => {
  for (const href of ["https://acme.example/a?b=c", "http://acme.example", "mailto:help@acme.example", "tel:+1234"]) assert.ok(safeAddress(href), href);
  for (const href of [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "java\tscript:alert(1)", "&#106;avascript:alert(1)", "&#x6A;avascript:alert(1)", "javascript&colon;alert(1)", "\u0001javascript:alert(1)",
    "vbscript:msgbox(1)", "data:text/html,<script>alert(1)</script>", "data:image/svg+xml,<svg onload=alert(1)>", "blob:https://acme.example/1", "file:///etc/passwd", "//evil.example", "/desk", "relative", "", null, "https://", "view-source:https://a.b",
  ]) assert.equal(safeAddress(href), null, String(href));
});
