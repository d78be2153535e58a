// What this browser keeps: its conversations, drafts, messages on their way, and the theme.
// Storage may be full, forbidden or written by another tab: everything is read anew and a failed write loses comfort only.

const PREFIX = "baton.";
const CONVERSATIONS = 200; // as many as the list keeps

function read(name, otherwise) {
  try { return JSON.parse(localStorage.getItem(PREFIX + name)) ?? otherwise; } catch { return otherwise; }
}
function write(name, value) {
  try {
    if (value == null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch { /* full or forbidden */ }
}

// --- conversations: {id, title, agent, at}, newest first

export const conversations = () => read("conversations", []);

export function remember(id, more) {
  const all = conversations();
  const known = all.find((one) => one.id === id);
  const next = { id, title: "", agent: null, ...known, ...more };
  write("conversations", [next, ...all.filter((one) => one.id !== id)].sort((a, b) => b.at - a.at).slice(0, CONVERSATIONS));
}

export function forget(id) {
  write("conversations", conversations().filter((one) => one.id !== id));
  saveDraft(id, "");
  write(`outbox.${id}`, null);
}

/** Calls back when another tab changed the list. */
export const onListChanged = (call) => addEventListener("storage", (event) => event.key === `${PREFIX}conversations` && call());

export const draft = (id) => read(`draft.${id}`, "");
export const saveDraft = (id, text) => write(`draft.${id}`, text || null);

// --- the outbox: {key, message, overlap}; written before sending, taken out once the server has the message

export const outbox = (id) => read(`outbox.${id}`, []);
export const post = (id, entry) => write(`outbox.${id}`, [...outbox(id).filter((one) => one.key !== entry.key), entry]);
export function delivered(id, key) {
  const rest = outbox(id).filter((one) => one.key !== key);
  write(`outbox.${id}`, rest.length ? rest : null);
}

export const theme = () => read("theme", "auto");
export const saveTheme = (name) => write("theme", name === "auto" ? null : name);
