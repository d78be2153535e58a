// What happens in a conversation beside this tab: one stream, for as long as somebody looks; one that nobody sees would keep an
// instance busy. Loaded with the first turn: before it there is nothing to hear. Knows no turns: it says what it heard.

import { path, pause, stream } from "./api.js";

const STEADY_MS = 10_000; // a stream that lasted this long was a good one

/**
 * `heard(event)` until `signal` aborts. A stream tells only what happens from now on: when one opens, `missed()` reads what came
 * before, but for the first one of who is `fresh`.
 */
export async function follow(id, { fresh, signal, heard, missed }) {
  let isFresh = fresh;
  for (let tries = 0; !signal.aborted; tries += 1) {
    const begun = performance.now();
    try {
      for await (const event of stream("GET", path("conversations", id, "events"), { signal })) {
        if (event.type !== "opened") heard(event);
        else if (!isFresh) missed();
        isFresh = false;
      }
    } catch (error) {
      if (error.isFinal && error.status !== 429) {
        if (error.status === 404) await missed(); // it was erased
        return;
      }
    }
    if (performance.now() - begun > STEADY_MS) tries = 0;
    if (!signal.aborted) await pause(tries, signal);
  }
}
