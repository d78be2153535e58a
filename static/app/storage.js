// What this browser keeps: its conversations, drafts, messages on their way, and the theme; for a tab the customer's token.
// Storage may be full, forbidden or written by another tab: everything is read anew and a failed write loses comfort only.

const ALL = "baton.";
const CONVERSATIONS = 200; // as many as the list keeps

let space = ALL; // of the customer that is signed in: another one finds nothing there
let listed = null; // the list of this page alone, where the server has everybody's own

function readFrom(place, name, otherwise) {
  try { return JSON.parse(globalThis[place].getItem(name)) ?? otherwise; } catch { return otherwise; }
}
function writeTo(place, name, value) {
  try {
    if (value == null) globalThis[place].removeItem(name);
    else globalThis[place].setItem(name, JSON.stringify(value));
  } catch { /* full or forbidden */ }
}
const read = (name, otherwise) => readFrom("localStorage", space + name, otherwise);
const write = (name, value) => writeTo("localStorage", space + name, value);

/** From now on everything but the theme is of this customer; of nobody with "". */
export const enter = (customer) => { space = customer ? `${ALL}${customer}.` : ALL; };

/** Enters the space of a customer with the draft and the messages on their way of one conversation. */
export function moveTo(customer, id) {
  const [text, waiting] = [draft(id), outbox(id)];
  keep(id, "", []);
  enter(customer);
  keep(id, text, waiting);
}

// --- conversations: {id, title, agent, at}, newest first

export const conversations = () => listed ?? read("conversations", []);

/** Where the server keeps lists, this browser keeps none for others to see. */
export const serverLists = () => { listed ??= []; };

function list(all) {
  const next = all.sort((a, b) => b.at - a.at).slice(0, CONVERSATIONS);
  if (listed) listed = next;
  else write("conversations", next);
}

export function remember(id, more) {
  const all = conversations();
  const known = all.find((one) => one.id === id);
  list([{ id, title: "", agent: null, ...known, ...more }, ...all.filter((one) => one.id !== id)]);
}

export function forget(id) {
  list(conversations().filter((one) => one.id !== id));
  saveDraft(id, "");
  write(`outbox.${id}`, null);
}

/** Gives everything of a conversation to another id. */
export function rename(id, next) {
  const [known, text, waiting] = [conversations().find((one) => one.id === id), draft(id), outbox(id)];
  forget(id);
  keep(next, text, waiting);
  if (known) remember(next, { ...known, id: next });
}

function keep(id, text, waiting) {
  saveDraft(id, text);
  write(`outbox.${id}`, waiting.length ? waiting : null);
}

/** Whether it was begun in this browser. An address that was opened proves nothing, nor does a message that is held for it. */
export const isOwn = (id) => conversations().some((one) => one.id === id) || outbox(id).some((one) => !one.isHeld);

/** Calls back when another tab changed the list. */
export const onListChanged = (call) => addEventListener("storage", (event) => event.key === `${space}conversations` && call());

export const draft = (id) => read(`draft.${id}`, "");
export const saveDraft = (id, text) => write(`draft.${id}`, text || null);

// --- the outbox: {key, message, overlap, isHeld}; written before sending, taken out once the server has the message

export const outbox = (id) => read(`outbox.${id}`, []);
export const post = (id, entry) => write(`outbox.${id}`, [...outbox(id).filter((one) => one.key !== entry.key), entry]);
export function delivered(id, key) {
  const rest = outbox(id).filter((one) => one.key !== key);
  write(`outbox.${id}`, rest.length ? rest : null);
}

// --- the identity

export const token = () => readFrom("sessionStorage", `${ALL}token`, null);
export const saveToken = (value) => writeTo("sessionStorage", `${ALL}token`, value);
export const visitor = () => readFrom("localStorage", `${ALL}visitor`, null);
export const saveVisitor = (value) => writeTo("localStorage", `${ALL}visitor`, value);
/** Whether a customer is signed in in some tab, as far as anyone knows. */
export const isSignedIn = () => readFrom("localStorage", `${ALL}signedIn`, false);
export const saveSignedIn = (value) => writeTo("localStorage", `${ALL}signedIn`, value || null);
/** What is open in this tab: {id, hash}. */
export const place = () => readFrom("sessionStorage", `${ALL}place`, null);
export const savePlace = (value) => writeTo("sessionStorage", `${ALL}place`, value);

/** Forgets who is here, and all that was kept for them. `isFirst`: their other tabs do not know of it. */
export function leave(isFirst) {
  saveToken(null);
  saveVisitor(null);
  savePlace(null);
  saveSignedIn(false);
  try {
    const theirs = (key) => ["conversations", "draft.", "outbox."].some((name) => key.startsWith(space + name));
    Object.keys(localStorage).filter(theirs).forEach((key) => localStorage.removeItem(key));
  } catch { /* forbidden */ }
  if (isFirst) for (const value of [space, null]) writeTo("localStorage", `${ALL}left`, value);
}

/** Calls back when they have left in another tab. */
export const onLeft = (call) => addEventListener("storage", ({ key, newValue }) => key === `${ALL}left` && newValue === JSON.stringify(space) && call());

export const theme = () => readFrom("localStorage", `${ALL}theme`, "auto");
export const saveTheme = (name) => writeTo("localStorage", `${ALL}theme`, name === "auto" ? null : name);
