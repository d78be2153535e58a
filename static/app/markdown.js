// Markdown that grows: finds the blocks that can no longer change, so that a chunk costs the last block, not the message.
// Knows text and tokens only; markdown-view.js makes elements of them.

import { Lexer } from "../vendor/vendor.js";

const OPTIONS = { gfm: true, breaks: true };

export const lex = (text) => Lexer.lex(text, OPTIONS);

export class GrowingMarkdown {
  /** Tokens of the blocks that are final; an array that only grows, until `text` is another one. */
  settled = [];
  #text = "";
  #end = 0; // how much of the text the settled tokens cover
  #seen = 0; // up to which line end we looked for more of them

  /** Shows `text` from now on and returns the tokens of the block that may still change. */
  update(text, live) {
    if (!text.startsWith(this.#text) || (!live && /^ {0,3}\[[^\]]+\]:/m.test(text))) this.#restart(); // a definition changes what came before
    this.#text = text;
    if (!live) {
      this.settled.push(...lex(text.slice(this.#end)));
      this.#end = text.length;
      return [];
    }
    this.#settle();
    return lex(heal(text.slice(this.#end)));
  }

  // Whole lines only: "2" after a list may become "2." and go on with it. Of these the last block may still take more lines.
  #settle() {
    const lines = this.#text.lastIndexOf("\n") + 1;
    if (lines <= this.#seen) return;
    this.#seen = lines;
    const tokens = lex(this.#text.slice(this.#end, lines));
    const last = tokens.findLastIndex((token) => token.type !== "space");
    for (const token of tokens.slice(0, Math.max(last, 0))) {
      this.settled.push(token);
      this.#end += token.raw.length;
    }
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
