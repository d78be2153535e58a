// The token of a customer that a company signs in, and what this browser keeps for the customer. Loaded where there is a token, or
// one is needed.

import * as storage from "./storage.js";

let held = storage.token(); // {token, isNew}: for this tab only

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

/** Asks the page that embeds this one (`baton.renewToken`) for a token; whether there is a new one. */
export async function renew() {
  const token = await Promise.resolve(globalThis.baton?.renewToken?.()).catch(() => null);
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
