// The identity of this page at its server: the visitor of this browser, or a customer (see customer.js). Knows no conversations.

import { Refused, authorise, isElsewhere, send } from "./api.js";
import * as storage from "./storage.js";

// A visitor has a cookie. To a page of another origin it would be a third party's, which browsers block: that page keeps the token.
let visitor = isElsewhere ? storage.visitor() : null;
let customers = null;

let known = null; // {kind, name, strangers}, as the server says
let hasEnded = false; // the customer's token is refused, and there is no new one
let asking = null;
let beginning = null;
let renewing = null;
let changed = () => {};

const ofCustomers = async () => (customers ??= await import("./customer.js"));
const customer = () => customers?.current();

/** `{kind, name, strangers, hasEnded}`; null before the server has answered. */
export const identity = () => (known || hasEnded ? { ...known, hasEnded } : null);

/** Calls back after every change of the identity. */
export const onIdentity = (call) => { changed = call; };

/** The server's word. It is asked once; after a failure again. */
export const who = () => (asking ??= ask().then(learn, (error) => { asking = null; throw error; }));

/** A new customer owns the conversations of its visitor first. */
export const signedIn = async () => { if (customer()?.isNew) await who(); };

/** Before a message: a stranger becomes a visitor where those are welcome. A message with an owner can be sent again safely. */
export async function begin() {
  const { kind, strangers } = await who();
  if (kind || strangers === "open") return;
  if (strangers !== "visitors") throw new Refused(401, null);
  await (beginning ??= oneTabAtATime(becomeVisitor).finally(() => { beginning = null; }));
}

const oneTabAtATime = (call) => (navigator.locks ? navigator.locks.request("baton.visitor", call) : call());

async function becomeVisitor() {
  visitor = isElsewhere ? storage.visitor() : null; // of another tab
  use();
  asking = null;
  if ((await who()).kind) return;
  const made = await send("POST", "session");
  keepVisitor(made.token);
  use();
  learn(made);
  asking = Promise.resolve(made);
}

function keepVisitor(token) {
  visitor = token;
  if (isElsewhere) storage.saveVisitor(token);
}

function use() {
  storage.enter(customer() ? customers.spaceOf(customer().token) : "");
  authorise(customer()?.token ?? visitor, renew);
}

/** Signs out, in all tabs of this browser. A visitor's conversations are out of reach then. */
export async function leave() {
  await send("DELETE", "session");
  forget(true);
}

function forget(isFirst) {
  storage.leave(isFirst);
  location.replace(location.pathname + location.search);
}

function learn(answer) {
  known = answer;
  changed();
  return known;
}

async function ask() {
  for (let isFirst = true; ; isFirst = false) {
    try {
      if (customer()?.isNew) return await signIn();
      const answer = await send("GET", "session");
      if (!answer.kind && (answer.strangers === "refused" || storage.isSignedIn())) await (await ofCustomers()).renew();
      return answer;
    } catch (error) {
      if (error.status !== 401 || !isFirst || !(await renewed())) throw error;
    }
  }
}

// Once: the visitor's conversations become the customer's. One that is another customer's stays that.
async function signIn() {
  const answer = await send("POST", "session", visitor ? { visitor } : undefined).catch((error) => {
    if (error.status !== 400 && error.status !== 409) throw error;
  });
  keepVisitor(null);
  customers.settle();
  return answer ?? send("GET", "session");
}

/** After a refusal with 401: whether there is another credential now. */
const renew = () => (renewing ??= again().catch(() => false).finally(() => { renewing = null; }));

async function again() {
  if (!(await renewed())) return false;
  asking = null;
  await begin();
  return true;
}

async function renewed() {
  // The server has ended a cookie that it refuses.
  if (!customer()) keepVisitor(null);
  else hasEnded = !(await customers.renew());
  use();
  changed();
  return !hasEnded;
}

// A token in the address is taken out of it before anything else reads or shows it. What was open stays open.
const [isToken, token] = /^#token=(.*)/s.exec(location.hash) ?? [];
if (isToken) history.replaceState(null, "", location.pathname + location.search);
if (token || storage.token()) await ofCustomers();
if (token) {
  customers.take(token);
  history.replaceState(null, "", storage.place()?.hash || location.href);
}
use();
storage.onLeft(() => forget(false));

/** The conversation that was open before a sign-in. */
export const resumed = customer()?.isNew ? storage.place()?.id : null;
