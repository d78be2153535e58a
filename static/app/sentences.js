// Whole sentences out of a text that grows: a screen reader should hear these, not tokens.

const segmenter = typeof Intl.Segmenter === "function" ? new Intl.Segmenter(undefined, { granularity: "sentence" }) : null;

/** What Markdown looks like when it is read out: words only. */
export function speakable(markdown) {
  return markdown
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^\s*(#{1,6}|>|[-*+])\s+(\[[ x]\]\s)?/gm, "")
    .replace(/^[\s|:-]*-{3,}[\s|:-]*$/gm, "") // the line under a table's head
    .replace(/^\s*\|\s*|\s*\|\s*$/gm, "")
    .replace(/\s+\|\s+/g, ", ")
    .replace(/(\*\*|__|~~|`+)/g, "")
    .replace(/(^|\s)[*_](\S[^*_]*\S|\S)[*_](?=\W|$)/g, "$1$2")
    .replace(/\s+/g, " ")
    .trim();
}

export class Sentences {
  #text = "";
  #isCode = false; // code is not read out: the eye, or the transcript, is better at it

  /** Takes more text and returns the sentences that are whole now. */
  push(text) {
    this.#text += text;
    const whole = [];
    for (let cut = this.#boundary(); cut > 0; cut = this.#boundary()) {
      const sentence = this.#spoken(this.#text.slice(0, cut));
      this.#text = this.#text.slice(cut);
      if (sentence) whole.push(sentence);
    }
    return whole;
  }

  /** The rest: the answer is over, or something else comes before it goes on. */
  flush() {
    const rest = this.#spoken(this.#text);
    this.#text = "";
    this.#isCode = false;
    return rest ? [rest] : [];
  }

  #spoken(text) {
    if (/^\s*(```|~~~)/.test(text)) this.#isCode = !this.#isCode;
    else if (!this.#isCode) return speakable(text);
    return "";
  }

  // The last segment may still grow, so a sentence ends only where the next one has begun. A line break ends one too.
  #boundary() {
    const line = this.#text.indexOf("\n") + 1;
    if (this.#isCode || /^\s*(```|~~~)/.test(this.#text)) return line; // a fence is a line
    if (!segmenter) return line || this.#text.search(/[.!?…]\s+\S/) + 1;
    const [first, second] = take(segmenter.segment(line ? this.#text.slice(0, line) : this.#text), 2);
    if (second) return second.index;
    return first && line ? line : 0;
  }
}

function take(segments, count) {
  const taken = [];
  for (const segment of segments) {
    taken.push(segment);
    if (taken.length === count) break;
  }
  return taken;
}
