// Everything the page says, in the languages it speaks. The browser's language chooses.

const en = {
  title: "Chat", skip: "Skip to the message box", menu: "Conversations", close: "Close", newChat: "New conversation", conversations: "Conversations",
  noConversations: "Your conversations will be listed here.", rehearsal: "Rehearsal: scripted answers, no language model",
  welcome: "How can we help?", welcomeTeam: "{team} is here for you.", firstQuestions: "Suggestions", write: "Write a message",
  hint: "Enter sends, Shift+Enter begins a new line", send: "Send", stop: "Stop",
  overlap: "While this answer is being written:", queue: "wait for it", interrupt: "interrupt it", you: "You", customer: "Customer",
  said: "{name} said:", thinking: "{name} is writing", waiting: "Waiting for its turn", sending: "Sending…", handedOff: "{to} takes over",
  handedOffLong: "{from} handed the conversation to {to}", lateResult: "News about an earlier request",
  toolFailed: "failed", arguments: "Given", result: "Result", noArguments: "nothing", proposed: "needs approval", asked: "needs your confirmation", confirm: "Confirm", queued: "accepted, in progress",
  running: "in progress", done: "done", rejected: "refused", unknown: "outcome unclear, we are checking", copy: "Copy", copyCode: "Copy code",
  copied: "Copied", copyFailed: "Copying is not allowed here", regenerate: "Answer again", details: "Time and usage", seconds: "Time",
  tokensIn: "Tokens read", tokensOut: "Tokens written", stopped: "You stopped this answer.", replaced: "Earlier answer",
  earlier: "Show earlier messages", latest: "Go to the latest message", tryAgain: "Try again", discard: "Discard", dismiss: "Dismiss",
  failed: "Something went wrong on our side.", unsent: "This message was not delivered.",
  tooMany: "Too many messages are waiting. Try again in a moment.",
  tooLong: "This message is too long.", offline: "You are offline. What you send now will be delivered when you are back.",
  reconnecting: "The connection was interrupted. Picking up where we were…", problem: "That did not work.",
  unreachable: "The server cannot be reached.", loading: "Loading the conversation…", gone: "The conversation that was open here was deleted.", more: "More",
  exportMarkdown: "Export as text", exportJson: "Export as data", print: "Print", remove: "Delete", removeTitle: "Delete this conversation?",
  removeText: "Its messages are erased. Orders, refunds and accepted actions stay.", cancel: "Cancel",
  untitled: "New conversation", theme: "Appearance: {theme}", auto: "automatic", light: "light", dark: "dark", draft: "Draft",
  conversation: "Conversation", notYours: "This conversation is not yours, or it is gone. A new one begins here.",
  signedIn: "Signed in as {name}", signIn: "Please sign in to go on.", ended: "Your sign-in has ended. What you wrote is kept.",
  signOut: "Sign out", signOutText: "This browser forgets you, and nobody can open your conversations again.",
};

const de = {
  title: "Chat", skip: "Zum Eingabefeld springen", menu: "Unterhaltungen", close: "Schließen", newChat: "Neue Unterhaltung",
  conversations: "Unterhaltungen", noConversations: "Hier stehen bald deine Unterhaltungen.",
  rehearsal: "Probe: vorbereitete Antworten, kein Sprachmodell", welcome: "Wie können wir helfen?", welcomeTeam: "{team} ist für dich da.",
  firstQuestions: "Vorschläge", write: "Nachricht schreiben", hint: "Enter sendet, Umschalt+Enter beginnt eine neue Zeile", send: "Senden",
  stop: "Anhalten", overlap: "Während diese Antwort entsteht:", queue: "abwarten", interrupt: "unterbrechen", you: "Du",
  customer: "Kunde", said: "{name}:", thinking: "{name} schreibt", waiting: "Wartet, bis sie an der Reihe ist", sending: "Wird gesendet…",
  handedOff: "{to} übernimmt", handedOffLong: "{from} hat die Unterhaltung an {to} übergeben", lateResult: "Neues zu einer früheren Anfrage",
  toolFailed: "fehlgeschlagen", arguments: "Angaben", result: "Ergebnis", noArguments: "keine",
  proposed: "braucht eine Freigabe", asked: "braucht deine Bestätigung", confirm: "Bestätigen", queued: "angenommen, in Arbeit", running: "in Arbeit", done: "erledigt", rejected: "abgelehnt",
  unknown: "Ausgang unklar, wir prüfen das", copy: "Kopieren", copyCode: "Code kopieren", copied: "Kopiert",
  copyFailed: "Kopieren ist hier nicht erlaubt", regenerate: "Neu antworten", details: "Zeit und Verbrauch", seconds: "Zeit",
  tokensIn: "Gelesene Token", tokensOut: "Geschriebene Token", stopped: "Du hast diese Antwort angehalten.",
  replaced: "Frühere Antwort", earlier: "Frühere Nachrichten zeigen", latest: "Zur neuesten Nachricht", tryAgain: "Noch einmal", discard: "Verwerfen",
  dismiss: "Schließen", failed: "Bei uns ist etwas schiefgegangen.", unsent: "Diese Nachricht wurde nicht zugestellt.",
  tooMany: "Es warten zu viele Nachrichten. Versuch es gleich noch einmal.", tooLong: "Diese Nachricht ist zu lang.",
  offline: "Du bist offline. Was du jetzt sendest, wird später zugestellt.",
  reconnecting: "Die Verbindung war unterbrochen. Es geht weiter, wo wir waren…",
  problem: "Das hat nicht geklappt.", unreachable: "Der Server ist nicht erreichbar.", loading: "Die Unterhaltung wird geladen…",
  gone: "Die Unterhaltung, die hier offen war, wurde gelöscht.", more: "Mehr", exportMarkdown: "Als Text exportieren", exportJson: "Als Daten exportieren",
  print: "Drucken", remove: "Löschen", removeTitle: "Diese Unterhaltung löschen?",
  removeText: "Ihre Nachrichten werden gelöscht. Bestellungen, Erstattungen und angenommene Aktionen bleiben.",
  cancel: "Abbrechen", untitled: "Neue Unterhaltung", theme: "Darstellung: {theme}", auto: "automatisch", light: "hell", dark: "dunkel",
  draft: "Entwurf", conversation: "Unterhaltung", notYours: "Diese Unterhaltung ist nicht deine, oder es gibt sie nicht mehr. Hier beginnt eine neue.",
  signedIn: "Angemeldet als {name}", signIn: "Bitte melde dich an, um fortzufahren.", ended: "Deine Anmeldung ist abgelaufen. Was du geschrieben hast, bleibt erhalten.",
  signOut: "Abmelden", signOutText: "Dieser Browser vergisst dich, und niemand kann deine Unterhaltungen wieder öffnen.",
};

export const LANGUAGES = { en, de };

const languageOf = (tag) => tag.slice(0, 2).toLowerCase();
/** Numbers and times are written as in the reader's country. */
export const locale = (globalThis.navigator?.languages ?? []).find((tag) => languageOf(tag) in LANGUAGES) ?? "en";
export const language = languageOf(locale);

const strings = LANGUAGES[language];

/** A string, with its `{holes}` filled. */
export const t = (name, holes = {}) => (strings[name] ?? name).replace(/\{(\w+)\}/g, (whole, hole) => holes[hole] ?? whole);

/** More strings, of a page that needs them: the customer does not load those of the desk. */
export const addStrings = (more) => Object.assign(strings, more[language]);

const numbers = new Intl.NumberFormat(locale);
export const count = (number) => numbers.format(number);
export const duration = (milliseconds) =>
  milliseconds < 1000 ? `${numbers.format(Math.round(milliseconds))} ms` : `${new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(milliseconds / 1000)} s`;

const UNITS = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]];
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
/** "now", "5 minutes ago"; a date when it is older than a week. */
export function ago(then, now = Date.now()) {
  const passed = now - then;
  if (passed > 7 * 86_400_000) return new Date(then).toLocaleDateString(locale);
  const [unit, size] = UNITS.find(([, size]) => passed >= size) ?? ["second", Infinity];
  return relative.format(-Math.round(passed / size), unit);
}
