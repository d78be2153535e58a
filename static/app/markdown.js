// Markdown for chat: what models write (GFM less HTML, link definitions and code by mere indentation), as tokens. A block that can no longer change
// is parsed once, so that a chunk costs the last block, not the message. Knows text only; markdown-view.js makes elements.

const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})[ \t]*(.*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const QUOTE = /^ {0,3}> ?/;
const BULLET = /^( {0,3})(?:([-*+])|(\d{1,9})([.)]))(?:( {1,4})(?! )|( )(?= )|\t|$)/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const DEPTH = 12; // of quotes and lists in each other; deeper ones are text

export const parse = (text) => blocks(text.split("\n"), 0);

export class GrowingMarkdown {
  /** Tokens of the blocks that are final; an array that only grows, until `text` is another one. */
  settled = [];
  #text = "";
  #end = 0; // how much of the text the settled tokens cover
  #seen = 0; // up to which line end we looked for more of them

  /** Shows `text` from now on and returns the tokens of the block that may still change. */
  update(text, live) {
    if (!text.startsWith(this.#text)) this.#restart();
    this.#text = text;
    if (!live) {
      this.settled.push(...parse(text.slice(this.#end)));
      this.#end = text.length;
      return [];
    }
    this.#settle();
    return parse(heal(text.slice(this.#end)));
  }

  // Whole lines only: "2" after a list may become "2." and go on with it. Of these the last block may still take more lines.
  #settle() {
    const end = this.#text.lastIndexOf("\n") + 1;
    if (end <= this.#seen) return;
    this.#seen = end;
    const lines = this.#text.slice(this.#end, end).split("\n");
    const tokens = blocks(lines, 0);
    if (tokens.length < 2) return;
    this.settled.push(...tokens.slice(0, -1));
    this.#end += lines.slice(0, tokens.at(-1).line).join("\n").length + 1;
  }

  #restart() {
    this.settled = [];
    this.#end = 0;
    this.#seen = 0;
  }
}

/** Closes what the text has opened and not closed yet, so that no markers flash up while they are typed. */
export function heal(text) {
  if ((text.match(/^ {0,3}(```|~~~)/gm) ?? []).length & 1) return text; // inside a code block all is literal
  const start = text.lastIndexOf("\n\n") + 1;
  const line = text.slice(start).replace(/!?\[([^\]\n]*)(\]\([^)\s]*)?$/, "$1"); // half a link: its label
  const open = [];
  let index = 0;
  for (const marker = /`+|\*\*|~~|\*/g; ; ) {
    marker.lastIndex = index;
    const found = marker.exec(line);
    if (!found) break;
    const [mark] = found;
    index = found.index + mark.length;
    if (mark.startsWith("`")) {
      const close = line.indexOf(mark, index);
      if (close < 0) return text.slice(0, start) + (index === line.length ? line.slice(0, found.index) : line + mark) + open.reverse().join("");
      index = close + mark.length;
    } else if (open.at(-1) === mark && /\S/.test(line[found.index - 1])) open.pop();
    else if (index === line.length) return text.slice(0, start) + line.slice(0, found.index).trimEnd() + open.reverse().join("");
    else if (/\S/.test(line[index])) open.push(mark);
  }
  return text.slice(0, start) + (open.length ? line.trimEnd() + open.reverse().join("") : line);
}

// --- blocks. Each taker reads lines from `at` and returns its token and the line after it, or null when it is not one.

function blocks(lines, depth) {
  const tokens = [];
  for (let at = 0; at < lines.length; ) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const taker = TAKERS.find((take) => (depth < DEPTH || take !== quote && take !== list) && take.test(lines, at)) ?? paragraph;
    const [token, next] = taker(lines, at, depth);
    tokens.push({ ...token, line: at });
    at = next;
  }
  return tokens;
}

const isBlank = (line) => /^[ \t]*$/.test(line);

function fence(lines, at) {
  const [, indent, marks, lang] = FENCE.exec(lines[at]);
  const close = new RegExp(`^ {0,3}${marks[0]}{${marks.length},}[ \t]*$`);
  let next = at + 1;
  while (next < lines.length && !close.test(lines[next])) next += 1;
  const text = lines.slice(at + 1, next).map((line) => line.slice(Math.min(indent.length, line.search(/[^ ]|$/)))).join("\n");
  return [{ type: "code", lang: lang.trim(), text }, next + 1];
}
fence.test = (lines, at) => FENCE.test(lines[at]);

function heading(lines, at) {
  const [, marks, text = ""] = HEADING.exec(lines[at]);
  return [{ type: "heading", depth: marks.length, tokens: inline(text.trim()) }, at + 1];
}
heading.test = (lines, at) => HEADING.test(lines[at]);

const rule = (lines, at) => [{ type: "hr" }, at + 1];
rule.test = (lines, at) => RULE.test(lines[at]);

function quote(lines, at, depth) {
  const inner = [];
  let next = at;
  for (; next < lines.length; next += 1) {
    if (QUOTE.test(lines[next])) inner.push(lines[next].replace(QUOTE, ""));
    else if (isBlank(lines[next]) || isBlank(inner.at(-1)) || UNDERLINE.test(lines[next]) || begins(lines, next)) break;
    else inner.push(lines[next]); // a lazy line goes on with the paragraph
  }
  return [{ type: "blockquote", tokens: blocks(inner, depth + 1) }, next];
}
quote.test = (lines, at) => QUOTE.test(lines[at]);

function list(lines, at, depth) {
  const [, , bullet, number, mark] = BULLET.exec(lines[at]);
  const kind = bullet ?? mark;
  const items = [];
  let inner = null;
  let width = 0;
  let next = at;
  for (let blank = false; next < lines.length; next += 1) {
    const line = lines[next];
    const found = BULLET.exec(line);
    if (isBlank(line)) {
      if (inner.length === 1 && isBlank(inner[0])) { if (blank) break; }
      blank = true;
      inner.push("");
    } else if (inner && line.search(/[^ ]/) >= width) {
      inner.push(line.slice(width));
      blank = false;
    } else if (found && (found[2] ?? found[4]) === kind && !RULE.test(line)) {
      width = found[0].length + (/ $/.test(found[0]) || line.length === found[0].length && found[0].trim() !== found[0] ? 0 : 1);
      inner = [line.slice(found[0].length)];
      items.push(inner);
      blank = false;
    } else if (blank || UNDERLINE.test(line) || begins(lines, next)) break;
    else inner.push(line); // a lazy line
  }
  return [{ type: "list", ordered: number !== undefined, start: Number(number ?? 1), items: items.map((one) => item(one, depth)) }, next];
}
list.test = (lines, at) => BULLET.test(lines[at]) && !RULE.test(lines[at]);

function item(lines, depth) {
  const task = /^\[([ xX])\][ \t]+/.exec(lines[0]);
  const text = task ? [lines[0].slice(task[0].length), ...lines.slice(1)] : lines;
  const tokens = blocks(text, depth + 1);
  const isLoose = tokens.some((token, place) => place > 0 && isBlank(text[token.line - 1]) && token.type !== "list");
  return { task: Boolean(task), checked: task ? task[1] !== " " : false, text: text[0], tokens: isLoose ? tokens : tokens.map((token) => (token.type === "paragraph" ? { ...token, type: "text" } : token)) };
}

function table(lines, at) {
  const header = cells(lines[at]);
  const align = cells(lines[at + 1]).map((cell) => (cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "right") : cell.startsWith(":") ? "left" : null));
  const row = (texts) => header.map((_, place) => ({ align: align[place], tokens: inline(texts[place] ?? "") }));
  let next = at + 2;
  while (next < lines.length && !isBlank(lines[next]) && !begins(lines, next)) next += 1;
  return [{ type: "table", header: row(header), rows: lines.slice(at + 2, next).map((line) => row(cells(line))) }, next];
}
table.test = (lines, at) => lines[at].includes("|") && DELIMITERS.test(lines[at + 1] ?? "") && cells(lines[at]).length === cells(lines[at + 1]).length;

const cells = (line) => line.trim().replace(/^\||(?<!\\)\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));

function paragraph(lines, at) {
  for (let next = at + 1; ; next += 1) {
    const text = () => inline(lines.slice(at, next).map((line) => line.trimStart()).join("\n").trimEnd());
    const line = lines[next];
    if (line !== undefined && UNDERLINE.test(line)) return [{ type: "heading", depth: line.includes("=") ? 1 : 2, tokens: text() }, next + 1];
    if (line === undefined || isBlank(line) || begins(lines, next)) return [{ type: "paragraph", tokens: text() }, next];
  }
}

const TAKERS = [fence, heading, rule, quote, list, table];

// Whether a line ends the paragraph before it. A number does only when the list begins with it, an empty bullet never.
function begins(lines, at) {
  const line = lines[at];
  const bullet = BULLET.exec(line);
  if (bullet && !RULE.test(line)) return line.length > bullet[0].length && (bullet[3] === undefined || Number(bullet[3]) === 1);
  return [fence, heading, rule, quote, table].some((take) => take.test(lines, at));
}

// --- inside a block: emphasis, code, links, breaks

const DELIMITER_LIMIT = 2000; // in one block; more of them are text, so that no text makes pairing slow
const NEXT = /\\[!-/:-@[-`{-~\n]|`+|!?\[|\]|\*+|_+|~+|\n|<(?:https?:\/\/|mailto:)[^\s<>]*>|(?:https?:\/\/|www\.)[^\s<>]+/g;
const TARGET = /\([ \t\n]*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*\))*))(?:[ \t\n]+(?:"[^"]*"|'[^']*'|\([^()]*\)))?[ \t\n]*\)/y;

function inline(text) {
  const out = []; // tokens, and delimiters that may become some
  const brackets = [];
  const unclosed = new Set(); // lengths of code marks that have no partner further on
  let delimiters = 0;
  let at = 0;
  const words = (end) => { if (end > at) out.push({ type: "text", text: text.slice(at, end) }); };
  const scanner = new RegExp(NEXT);
  for (let found = scanner.exec(text); found; found = scanner.exec(text)) {
    const [mark] = found;
    const { index } = found;
    let token = null;
    let end = index + mark.length;
    if (mark[0] === "\\") token = mark[1] === "\n" ? { type: "br" } : { type: "escape", text: mark[1] };
    else if (mark === "\n") token = { type: "br" };
    else if (mark[0] === "`") {
      const close = unclosed.has(mark.length) ? -1 : closing(text, end, mark.length);
      if (close < 0) unclosed.add(mark.length);
      else {
        token = { type: "codespan", text: text.slice(end, close).replaceAll("\n", " ").replace(/^ (.*\S.*) $/, "$1") };
        end = close + mark.length;
      }
    } else if (mark[0] === "<") token = { type: "link", href: mark.slice(1, -1), text: mark.slice(1, -1) };
    else if (mark[0] === "h" || mark[0] === "w") {
      if (index > 0 && /[\p{L}\p{N}]/u.test(text[index - 1])) continue;
      const address = trimmed(mark);
      end = index + address.length;
      scanner.lastIndex = end;
      token = { type: "link", href: mark[0] === "w" ? `https://${address}` : address, text: address };
    } else if (mark.endsWith("[")) {
      words(index);
      at = end;
      brackets.push(out.push({ type: "bracket", text: mark, isImage: mark.length === 2 }) - 1);
      continue;
    } else if (mark === "]") {
      const opened = brackets.pop();
      TARGET.lastIndex = end;
      const target = opened === undefined ? null : TARGET.exec(text);
      if (!target) continue;
      words(index);
      const inside = out.splice(opened);
      const href = (target[1] ?? target[2]).replace(/\\([!-/:-@[-`{-~])/g, "$1");
      const label = pair(inside.slice(1));
      out.push(inside[0].isImage ? { type: "image", href, text: plainText(label) } : { type: "link", href, tokens: label });
      at = TARGET.lastIndex;
      scanner.lastIndex = at;
      continue;
    } else if (delimiters < DELIMITER_LIMIT && (mark[0] !== "~" || mark.length <= 2)) {
      delimiters += 1;
      token = delimiter(mark, text[index - 1], text[end]);
    }
    if (!token) continue;
    words(token.type === "br" ? index - / *$/.exec(text.slice(at, index))[0].length : index);
    out.push(token);
    at = end;
    scanner.lastIndex = end;
  }
  words(text.length);
  return pair(out);
}

function closing(text, from, length) {
  for (const run of text.slice(from).matchAll(/`+/g)) if (run[0].length === length) return from + run.index;
  return -1;
}

// Punctuation at the end belongs to the sentence, and so does a parenthesis that the address did not open.
function trimmed(address) {
  let end = address.replace(/(?:[?!.,:;*_~'"]|\*\*)+$/, "");
  while (end.endsWith(")") && (end.match(/\(/g) ?? []).length < (end.match(/\)/g) ?? []).length) end = end.slice(0, -1).replace(/[?!.,:;*_~'"]+$/, "");
  return end;
}

const plainText = (tokens) => tokens.map((token) => (token.tokens ? plainText(token.tokens) : token.text ?? " ")).join("");

// https://spec.commonmark.org/0.31.2/#left-flanking-delimiter-run
function delimiter(mark, before = " ", after = " ") {
  const isSpace = (letter) => /\s/.test(letter);
  const isMark = (letter) => /[\p{P}\p{S}]/u.test(letter);
  const left = !isSpace(after) && (!isMark(after) || isSpace(before) || isMark(before));
  const right = !isSpace(before) && (!isMark(before) || isSpace(after) || isMark(after));
  const isWord = mark[0] === "_"; // snake_case stays whole
  return { type: "delimiter", mark: mark[0], text: mark, opens: left && (!isWord || !right || isMark(before)), closes: right && (!isWord || !left || isMark(after)), length: mark.length };
}

// https://spec.commonmark.org/0.31.2/#process-emphasis, over a stack of what is open.
function pair(tokens) {
  const out = [];
  const open = []; // places in `out`
  for (const token of tokens) {
    if (token.type !== "delimiter") {
      out.push(token);
      continue;
    }
    while (token.closes && token.text) {
      const place = open.findLastIndex((at) => matches(out[at], token));
      if (place < 0) break;
      const opener = out[open[place]];
      const size = token.mark === "~" ? token.text.length : Math.min(opener.text.length, token.text.length, 2);
      const inside = out.splice(open[place] + 1).map(asText);
      out.push({ type: token.mark === "~" ? "del" : size === 2 ? "strong" : "em", tokens: inside });
      opener.text = opener.text.slice(size);
      token.text = token.text.slice(size);
      open.length = opener.text ? place + 1 : place;
      if (!opener.text) out.splice(out.length - 2, 1);
    }
    if (!token.text) continue;
    out.push(token);
    if (token.opens) open.push(out.length - 1);
  }
  return joined(out.map(asText));
}

// A run that could do both pairs with another only when their lengths do not add up to three (the rule of the specification).
function matches(opener, closer) {
  if (opener.mark !== closer.mark) return false;
  if (opener.mark === "~") return opener.text.length === closer.text.length;
  const both = opener.closes || closer.opens;
  return !(both && (opener.length + closer.length) % 3 === 0 && (opener.length % 3 !== 0 || closer.length % 3 !== 0));
}

const asText = (token) => (token.type === "delimiter" || token.type === "bracket" ? { type: "text", text: token.text } : token);

function joined(tokens) {
  const out = [];
  for (const token of tokens) {
    if (token.type === "text" && out.at(-1)?.type === "text") out[out.length - 1] = { type: "text", text: out.at(-1).text + token.text };
    else out.push(token);
  }
  return out;
}
