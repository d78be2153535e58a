// Tells a screen reader what happens, in whole sentences. The transcript itself is no live region: it changes with every token.

import { agentName } from "./names.js";
import { t } from "./strings.js";

const KEPT = 20; // lines that stay in the region; older ones were read long ago

export class Announcer {
  #region;
  #sentences = new Sentences();
  #speaker = null;

  constructor(region) { this.#region = region; }

  /** One live event of a turn. */
  hear(event) {
    if (event.type === "text_delta") {
      this.#named(event.agent, this.#sentences.push(event.text ?? ""));
      return;
    }
    if (event.type === "reset") this.#sentences = new Sentences();
    if (!["usage", "turn_started"].includes(event.type)) this.#named(event.agent, this.#sentences.flush());
    if (event.type === "handed_off") this.say(t("handedOff", { to: agentName(event.to) }));
    if (event.type === "turn_failed") this.say(event.message ?? t("failed"));
    if (event.type === "turn_stopped") this.say(t("stopped"));
    if (event.type === "turn_started") this.#speaker = null;
  }

  // Who speaks is said once, before the first sentence.
  #named(agent, sentences) {
    for (const sentence of sentences) {
      this.say(agent && agent !== this.#speaker ? `${t("said", { name: agentName(agent) })} ${sentence}` : sentence);
      this.#speaker = agent ?? this.#speaker;
    }
  }

  say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    this.#region.append(line);
    while (this.#region.childElementCount > KEPT) this.#region.firstElementChild.remove();
  }
}

// --- whole sentences out of a text that grows

const segmenter = new Intl.Segmenter(undefined, { granularity: "sentence" });

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
    const [first, second] = segmenter.segment(line ? this.#text.slice(0, line) : this.#text);
    if (second) return second.index;
    return first && line ? line : 0;
  }
}
