// Server-sent events from bytes. Any cut is allowed, also inside a character or between CR and LF.
// Knows the format (https://html.spec.whatwg.org/#event-stream-interpretation), not what the events mean.

/** One line longer than this is not ours: better a clear error than a page that eats the memory. */
const LINE_LIMIT = 4 * 1024 * 1024;

export class SseParser {
  #decoder = new TextDecoder();
  #pieces = []; // of the line that is not whole yet; joined once, so that a long line costs its length
  #pending = 0;
  #sawCr = false;
  #data = [];
  #type = "";
  #id = "";

  /** Takes the next bytes and returns the events that they complete: `{id, type, data}`. */
  push(bytes) {
    const events = [];
    let text = this.#decoder.decode(bytes, { stream: true });
    if (this.#sawCr && text.startsWith("\n")) text = text.slice(1);
    if (text) this.#sawCr = text.endsWith("\r");
    let start = 0;
    for (const match of text.matchAll(/\r\n|\n|\r/g)) {
      this.#pieces.push(text.slice(start, match.index));
      start = match.index + match[0].length;
      const event = this.#line(this.#pieces.join(""));
      this.#pieces.length = 0;
      this.#pending = 0;
      if (event) events.push(event);
    }
    if (start < text.length) {
      this.#pieces.push(text.slice(start));
      this.#pending += text.length - start;
      if (this.#pending > LINE_LIMIT) throw new Error("a line of the stream is too long");
    }
    return events;
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null; // a comment: the heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch() {
    const event = this.#data.length ? { id: this.#id, type: this.#type || "message", data: this.#data.join("\n") } : null;
    this.#data = [];
    this.#type = "";
    return event;
  }
}
