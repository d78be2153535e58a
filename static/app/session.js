// One open conversation: sends, streams, resumes, follows. Owns the network; the rules of what events mean are in
// conversation.js. A message is in the outbox before it is sent and has an id, so it can be sent again but never twice.

import { get, path, pause, send, stream } from "./api.js";
import { empty, endsStream, find, isOver, isRunning, reduce } from "./conversation.js";
import { newId } from "./names.js";
import * as storage from "./storage.js";
import { begin, signedIn } from "./who.js";

const TRIES = 12; // with the pauses below about a minute and a half, then a person decides
const EARLIER = 200; // turns at once

export class Session {
  /**
   * `isNew`: nobody else can know the id. `changed()` after each change of state, `told(event)` for each live event. Where the server
   * gives the conversation an id of its own, `id` becomes that one; `name` stays.
   */
  constructor(id, { isNew, changed, told }) {
    this.id = id;
    this.name = id;
    this.#isNew = isNew;
    this.#isOwn = isNew || storage.isOwn(id);
    this.state = empty(id);
    this.connection = "ok"; // ok | reconnecting | lost
    this.problem = null; // {message, again()}: of the conversation, not of one turn
    this.isLoading = !isNew;
    this.isGone = null; // gone: deleted elsewhere | notYours: another's, or never begun
    this.#changed = changed;
    this.#told = told;
    this.#channel.addEventListener("message", ({ data }) => [this.id, id].includes(data.conversation) && this.#hear(data));
    document.addEventListener("visibilitychange", this.#seen);
    if (isNew) this.#sendWaiting();
    else this.#load();
  }

  #isNew;
  #isOwn; // or else nothing is sent before the server has shown the conversation: the id may be of somebody that waits for our words
  #opening = null;
  #changed;
  #told;
  #channel = new BroadcastChannel("baton"); // the other tabs of this browser
  #closing = new AbortController();
  #isLeft = false;
  #queue = [];
  #frame = 0;
  #streams = new Map(); // turn number or key → the last position, of turns that stream here
  #heard = new Set(); // turns begun elsewhere
  #listening = null;
  #isErasing = false;
  #isReading = false;

  /** Leaves, once the server has what was sent; the turns go on there. */
  close() {
    this.#isLeft = true;
    if (!this.state.turns.some((turn) => turn.status === "sending")) this.#end();
  }

  #end() {
    this.#closing.abort();
    this.#channel.close();
    document.removeEventListener("visibilitychange", this.#seen);
  }

  // --- what a person does

  /** `key` of a message that could not be delivered: with the same id it cannot arrive twice. */
  send(message, overlap, key = newId()) {
    const entry = { key, message, overlap };
    storage.post(this.id, this.#isOwn ? entry : { ...entry, isHeld: true });
    this.#apply({ type: "sent", ...entry });
    this.#deliver(entry);
  }

  discard(turn) {
    storage.delivered(this.id, turn.key);
    this.#apply({ type: "dropped", key: turn.key });
  }

  async stop(turn) {
    if (turn.number == null) return;
    try {
      await send("POST", path("conversations", this.id, "turns", turn.number, "stop"));
    } catch (error) {
      this.complain(error);
    }
  }

  /** The customer's answer to the card of an action. A card that is not what it was is read anew. */
  async confirm({ action, card }, yes) {
    try {
      await send("POST", path("conversations", this.id, "actions", action, "confirm"), { arguments_hash: card.arguments_hash, yes });
      this.#apply({ type: "answered", action, card, answer: yes ? "yes" : "no" });
    } catch (error) {
      if (error.status === 409) await this.#refresh();
      this.complain(error);
    }
  }

  /** The last answer anew, once however often it is asked for. */
  async regenerate(turn) {
    const route = path("conversations", this.id, "turns", turn.number, "regenerate");
    let anew = null;
    try {
      for await (const event of this.#watched(stream("POST", route, { signal: this.#closing.signal }))) {
        if (event.type === "opened") {
          anew = event.turn;
          this.#apply({ type: "replaced", turn: turn.number });
          this.#begin({ ...event, type: "turn_started", message: turn.message });
        } else if (this.#take(event, { message: turn.message }) === "over") return;
      }
    } catch (error) {
      if (anew == null) return this.complain(error, () => this.regenerate(turn)); // else it was cut
    }
    this.#follow(anew);
  }

  /** Deletes the conversation, here and for everybody. */
  async erase() {
    this.#isErasing = true;
    try {
      await send("DELETE", path("conversations", this.id));
    } catch (error) {
      this.#isErasing = error.status === 404; // somebody else was quicker
      if (!this.#isErasing) throw error;
    }
    this.#channel.postMessage({ conversation: this.id, deleted: true });
  }

  // --- loading

  async #load() {
    try {
      await this.#open();
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.isLoading = false;
      if (error.status !== 404) return this.complain(error, () => { this.isLoading = true; this.#load(); });
      if (!this.#isOwn) return this.#gone("notYours");
      if (!storage.outbox(this.id).length) return this.#gone(); // it was begun here
    }
    this.isLoading = false;
    this.#sendWaiting();
    this.#changed();
  }

  async #open() {
    await signedIn();
    await (this.#opening ??= this.#history().finally(() => { this.#opening = null; }));
    this.#isOwn = true;
  }

  #sendWaiting() {
    for (const { key, message, overlap } of storage.outbox(this.id)) {
      if (this.state.turns.some((turn) => turn.messageId === key && turn.number != null)) storage.delivered(this.id, key);
      else this.send(message, overlap, key);
    }
  }

  #rename(id) {
    if (!id || id === this.id) return;
    storage.rename(this.id, id);
    this.id = id;
    this.#changed();
  }

  // Only who comes back, or was cut off, needs to read histories: a first visit does not load how.
  async #history() {
    const [{ merge }, history] = await Promise.all([import("./history.js"), get(path("conversations", this.id))]);
    this.#rename(history.id);
    this.#flush();
    this.state = merge(this.state, history);
    this.#followRunning();
    this.#listen(true);
    this.#changed();
  }

  /** Reads what was said before. */
  async earlier() {
    if (this.#isReading || !this.state.before) return;
    this.#isReading = true;
    try {
      const [{ prepend }, history] = await Promise.all([import("./history.js"), get(`${path("conversations", this.id)}?before=${this.state.before}&turns=${EARLIER}`)]);
      this.#flush();
      this.state = prepend(this.state, history);
    } catch (error) {
      this.complain(error);
    }
    this.#isReading = false;
    this.#changed();
  }

  async #refresh() {
    try {
      await this.#history();
    } catch (error) {
      if (error.status === 404 && this.state.turns.some((turn) => turn.number != null)) this.#gone();
    }
  }

  // Nothing of it is shown any more. A message on its way begins one's own anew; another's is left with it.
  #gone(why = "gone") {
    if (this.#isErasing) return;
    this.#flush();
    const turns = why === "gone" ? this.state.turns.filter((turn) => turn.status === "sending") : [];
    this.state = { ...empty(this.id), turns };
    this.isGone = turns.length ? null : why;
    this.#changed();
  }

  // --- streams

  // Sends until the server has the message; then the turn is followed to its end.
  async #deliver(entry) {
    const { key, message, overlap } = entry;
    if (this.#streams.has(key)) return;
    this.#streams.set(key, null);
    try {
      for (let tries = 0; ; tries += 1) {
        try {
          if (!this.#isOwn) await this.#open();
          await begin();
          if (this.#closing.signal.aborted) return;
          storage.post(this.id, entry); // not held any more
          const body = { message, conversation_id: this.id, message_id: key, ...(overlap ? { overlap } : {}) };
          for await (const event of this.#watched(stream("POST", "chat/completions", { body, signal: this.#closing.signal }))) {
            if (event.type !== "opened") {
              if (this.#take(event, { key }) === "over") return;
              continue;
            }
            this.#rename(event.conversation);
            this.#accepted(key, event.turn);
            if (this.#isBehind(event.turn)) break;
          }
          break;
        } catch (error) {
          if (this.#closing.signal.aborted) return;
          if (this.#number(key) != null) break; // it was accepted and then cut
          if (error.status === 404 && !(this.#isNew && this.id === this.name)) return this.#gone("notYours");
          if (error.isFinal || tries >= TRIES) return this.#refused(key, error);
          await this.#pause(tries);
        }
      }
    } finally {
      this.#streams.delete(key);
    }
    await this.#follow(this.#number(key));
  }

  #number(key) {
    this.#flush();
    return find(this.state, { key })?.number ?? null;
  }

  #accepted(key, number) {
    storage.delivered(this.id, key);
    if (number == null) return;
    this.#begin({ type: "accepted", key, turn: number });
    if (this.#isLeft) this.#end();
  }

  #refused(key, error) {
    if (error.isFinal && error.status !== 429 && error.status !== 401) storage.delivered(this.id, key);
    this.#connected("ok");
    this.#apply({ type: "unsent", key, error: { status: error.status, message: error.detail ?? null } });
  }

  #begin(event) {
    if (event.key || !this.#streams.has(event.turn)) this.#apply(event);
    if (!this.#streams.has(event.turn)) this.#streams.set(event.turn, null); // or who tells us of it would have it followed twice
    this.#channel.postMessage({ conversation: this.id, turn: event.turn });
    this.#flush(); // only who has a turn listens
    this.#listen(true);
  }

  // One event of a turn's own stream. "over" when the turn is; a stream that ends otherwise is followed.
  #take(event, more) {
    if (event.type === "turn_started" && more.key) this.#accepted(more.key, event.turn);
    if (event.turn != null) this.#streams.set(event.turn, event.position || this.#streams.get(event.turn) || null);
    this.#apply({ ...event, ...(event.turn == null || event.type === "turn_started" ? more : {}) });
    if (!this.#isLeft) this.#told(event);
    if (!endsStream(event.type)) return "goes on";
    if (event.type === "turn_continues") return "cut";
    this.#over(event.turn);
    return "over";
  }

  #over(number) {
    this.#streams.delete(number);
    this.#settleHeard();
    this.#followRunning();
  }

  // A turn that waits is followed when it is its turn: a browser keeps six connections to a server, and stop needs one.
  #isBehind(number) { return this.state.turns.some((turn) => turn.number < number && isRunning(turn)); }

  #followRunning() {
    const turn = this.state.turns.find(isRunning);
    if (turn && !this.#streams.has(turn.number) && !this.#streams.has(turn.key)) this.#follow(turn.number);
  }

  /** Follows a running turn to its end, across cuts, restarts and instances. */
  async #follow(number) {
    if (number == null || this.#closing.signal.aborted) return;
    if (isOver(find(this.state, { turn: number }) ?? {})) return;
    if (this.#isBehind(number)) { this.#streams.delete(number); return; }
    if (!this.#streams.has(number)) this.#streams.set(number, null);
    const route = path("conversations", this.id, "turns", number, "events");
    for (let tries = 0; tries < TRIES; tries += 1) {
      try {
        const after = this.#streams.get(number);
        let isFirst = true;
        for await (const event of this.#watched(stream("GET", route, { after, signal: this.#closing.signal }))) {
          if (event.type === "opened") continue;
          if (isFirst && !after) this.#apply({ type: "replayed", turn: number });
          isFirst = false;
          tries = 0;
          if (this.#take({ ...event, turn: event.turn ?? number }, {}) === "over") return;
        }
        if (isFirst && (await this.#ask(number))) return;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        if (error.isFinal) {
          if (!(await this.#ask(number))) this.#lose(number, error);
          return;
        }
      }
      await this.#pause(tries);
    }
    this.#lose(number);
  }

  /** Whether the history says that the turn is over. */
  async #ask(number) {
    await this.#refresh();
    const turn = find(this.state, { turn: number });
    if (turn && !isOver(turn)) return false;
    this.#connected("ok");
    this.#over(number);
    return true;
  }

  #lose(number, error) {
    this.#streams.delete(number);
    this.#connected("lost");
    if (!this.isGone) this.complain(error ?? null, () => { this.#connected("reconnecting"); this.#follow(number); });
  }

  // --- between the turns and beside this tab

  #hear({ turn, deleted }) {
    if (deleted) return this.#gone();
    if (turn == null || this.#streams.has(turn)) return;
    this.#heard.add(turn);
    this.#settleHeard();
  }

  // While a message of ours has no number yet, the turn we heard of may be that one.
  #settleHeard() {
    this.#flush();
    if (this.state.turns.some((turn) => turn.status === "sending")) return;
    for (const number of this.#heard) {
      const turn = find(this.state, { turn: number });
      if (!this.#streams.has(number) && !(turn && isOver(turn))) {
        this.#apply({ type: "turn_started", turn: number });
        this.#refresh();
        this.#follow(number);
      }
    }
    this.#heard.clear();
  }

  #seen = () => {
    if (document.visibilityState === "visible") return this.#listen();
    this.#listening?.abort();
    this.#listening = null;
  };

  // Only while somebody looks. What was missed before is in the history, unless that is `fresh`.
  async #listen(fresh) {
    if (this.#listening || document.visibilityState !== "visible" || !this.state.turns.some((turn) => turn.number != null)) return;
    const listening = (this.#listening = new AbortController());
    const signal = AbortSignal.any([listening.signal, this.#closing.signal]);
    const { follow } = await import("./follow.js");
    await follow(this.id, { fresh, signal, heard: (event) => this.#overhear(event), missed: () => this.#refresh() });
    if (this.#listening === listening) this.#listening = null;
  }

  #overhear(event) {
    if (event.type === "turn_started") {
      if (this.state.turns.some((turn) => turn.status === "sending" && turn.messageId === event.message_id)) return;
      this.#hear(event);
    } else if (event.type?.startsWith("action_")) {
      // A turn's own stream tells of its calls, in their order; here only what became of them.
      if (!this.#streams.has(event.turn) || find(this.state, event)?.parts.some((part) => part.action === event.action)) this.#apply(event);
    }
    if (event.type === "conversation_deleted") this.#hear({ deleted: true });
    else if (endsStream(event.type) && !this.#streams.has(event.turn) && !isOver(find(this.state, event) ?? {})) this.#refresh();
  }

  // Events come faster than a screen can show them: they are applied once per frame.
  #apply(event) {
    this.#queue.push(event);
    if (this.#frame) return;
    const later = () => { this.#frame = 0; this.#flush(); };
    this.#frame = document.visibilityState === "visible" ? requestAnimationFrame(later) : setTimeout(later, 100);
  }

  #flush() {
    if (!this.#queue.length) return;
    this.state = this.#queue.splice(0).reduce(reduce, this.state);
    this.#changed();
  }

  async *#watched(events) {
    const begun = performance.now();
    for await (const event of events) {
      this.#connected("ok");
      yield event.type === "turn_completed" ? { milliseconds: Math.round(performance.now() - begun), ...event } : event;
    }
  }

  #connected(connection) {
    if (this.connection === connection) return;
    this.connection = connection;
    if (connection === "ok") this.problem = null;
    this.#changed();
  }

  complain(error, again) {
    if (error?.name === "AbortError") return;
    this.problem = { status: error?.status ?? 0, message: error?.detail ?? null, again: again && (() => { this.problem = null; this.#changed(); again(); }) };
    this.#changed();
  }

  dismiss() {
    this.problem = null;
    this.#changed();
  }

  #pause(tries) {
    this.#connected("reconnecting");
    return pause(tries, this.#closing.signal);
  }
}
