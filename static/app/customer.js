// The token of a customer that a company signs in, and what this browser keeps for the customer. Loaded where there is a token, or
// one is needed.

import * as storage from "./storage.js";

const ANSWER_MS = 300;

let held = storage.token(); // {token, isNew}: for this tab only

// A tab that has no token asks the others of its browser, so that no storage keeps one for longer than a tab.
const tabs = new BroadcastChannel("baton.customer");
tabs.onmessage = ({ data }) => data.asks && held && !held.isNew && tabs.postMessage({ token: held.token });

function ofAnotherTab() {
  const channel = new BroadcastChannel("baton.customer");
  const answer = new Promise((resolve) => {
    channel.onmessage = ({ data }) => data.token && resolve(data.token);
    setTimeout(resolve, ANSWER_MS);
  });
  channel.postMessage({ asks: true });
  return answer.finally(() => channel.close());
}

export const current = () => held;

/** Signs in. A visitor takes along what is being written; another customer finds nothing of the one before. */
export function take(token) {
  const place = storage.place();
  if (!held && place) storage.moveTo(spaceOf(token), place.id);
  else if (held && spaceOf(held.token) !== spaceOf(token)) storage.savePlace(null);
  save({ token, isNew: true });
}

/** The server knows of the sign-in. */
export const settle = () => save({ ...held, isNew: false });

/** Asks the page that embeds this one (`baton.renewToken`), or else another tab, for a token; whether there is a new one. */
export async function renew() {
  const given = await Promise.resolve(globalThis.baton?.renewToken?.()).catch(() => null);
  const token = given ?? (held ? null : await ofAnotherTab());
  if (!token && !held) storage.saveSignedIn(false);
  if (typeof token !== "string" || token === held?.token) return false;
  if (held && spaceOf(held.token) === spaceOf(token)) {
    save({ ...held, token });
    return true;
  }
  // Nothing that this page shows is the new customer's.
  take(token);
  if (!storage.token()) return false; // it would be asked for again for ever
  location.reload();
  return new Promise(() => {});
}

function save(next) {
  held = next;
  storage.saveToken(held);
  storage.saveSignedIn(true);
}

/** A short name of the token's customer, under which drafts are kept. */
export function spaceOf(token) {
  const hash = (sum, letter) => Math.imul(sum ^ letter.codePointAt(0), 16_777_619);
  return (Array.from(subjectOf(token)).reduce(hash, 2_166_136_261) >>> 0).toString(36);
}

function subjectOf(token) {
  try {
    const { iss, sub } = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return `${iss} ${sub}`;
  } catch {
    return token; // not a JWT
  }
}
