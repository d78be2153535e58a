// The operator's page: what waits for a person, and the books. The action that is looked at is drawn by desk-action.js.

import { html, render, useEffect, useRef, useState } from "../vendor/vendor.js";
import { authorise, get } from "./api.js";
import { Beside, Detail, stateName } from "./desk-action.js";
import { Book, money } from "./desk-book.js";
import { PAGE, STATES, loadActions, loadBook, needsPerson } from "./desk-data.js";
import { deskStrings } from "./desk-strings.js";
import { toolName } from "./names.js";
import * as storage from "./storage.js";
import { addStrings, ago, language, t } from "./strings.js";
import { applyTheme, memo } from "./ui.js";

const LOOK_MS = 3_000; // how often the desk asks while somebody looks at it
const MINUTE = 60_000;
const TOKEN = "baton.operator"; // kept for this tab only
const LINK = "#token="; // the link that the server prints at its start

const NOTHING = { waiting: [], others: [], counts: {}, more: new Set(), since: 0, unreadable: [] };

addStrings(deskStrings);

/** The token of a link, taken out of the address bar at once: what stands there is seen, copied and kept. */
function takeToken() {
  if (!location.hash.startsWith(LINK)) return false;
  let token = location.hash.slice(LINK.length);
  history.replaceState(null, "", location.pathname + location.search);
  try { token = decodeURIComponent(token); } catch { /* as it is */ }
  if (!token) return false;
  sessionStorage.setItem(TOKEN, token);
  return true;
}
takeToken();

function Desk() {
  const [told, setTold] = useState(null); // {waiting, others, counts, more, since, unreadable}
  const [many, setMany] = useState(PAGE); // rows that were asked for
  const [gate, setGate] = useState(null); // null | token | wrong | role | off
  const [name, setName] = useState(null); // the operator's
  const [isLive, setLive] = useState(true);
  const [tab, setTab] = useState("actions");
  const [books, setBooks] = useState({});
  const [filter, setFilter] = useState("all");
  const [only, setOnly] = useState(null); // the conversation whose actions alone are shown
  const [chosen, setChosen] = useState(null);
  const [agents, setAgents] = useState([]);

  const looks = useRef(0);

  const look = async () => {
    const number = (looks.current += 1);
    const isLatest = () => number === looks.current; // an answer from before a decision must not take it back
    try {
      const [actions, orders, refunds] = await Promise.all([loadActions(filter, many, chosen, only), loadBook("orders", many), loadBook("refunds", many)]);
      if (!isLatest()) return;
      setTold(actions);
      setBooks({ orders, refunds });
      setGate(null);
      setLive(true);
    } catch (error) {
      if (!isLatest()) return;
      if (error.status === 403) setGate("role");
      else if (error.status === 401) setGate(sessionStorage.getItem(TOKEN) ? "wrong" : "token");
      else if (error.status === 404) setGate("off");
      else setLive(false);
    }
  };
  useEffect(() => {
    authorise(sessionStorage.getItem(TOKEN));
    const linked = () => { if (takeToken()) enter(sessionStorage.getItem(TOKEN)); };
    addEventListener("hashchange", linked);
    get("health").then((health) => setAgents(health.team?.agents ?? []), () => {});
    return () => removeEventListener("hashchange", linked);
  }, []);
  // Without the name nothing is missing but the name.
  useEffect(() => { if (!gate) get("session").then((session) => setName(session.name), () => {}); }, [gate]);
  useEffect(() => {
    if (gate) return undefined;
    let timer = 0; // one look after the other, however long one takes
    const again = async (looks) => {
      if (looks) await look();
      if (timer !== null) timer = setTimeout(() => again(document.visibilityState === "visible"), LOOK_MS);
    };
    again(true);
    return () => { clearTimeout(timer); timer = null; };
  }, [gate, filter, many, chosen, only]);

  const enter = (token) => {
    sessionStorage.setItem(TOKEN, token);
    authorise(token);
    setName(null);
    get("session").then((session) => setName(session.name), () => {});
    look();
  };
  const leave = () => {
    sessionStorage.removeItem(TOKEN);
    authorise(null);
    setTold(null);
    setChosen(null);
    look();
  };

  if (gate === "off") return html`<main class="gate"><h1>${t("desk")}</h1><p>${t("deskOff")}</p></main>`;
  if (gate) return html`<${Gate} problem=${{ wrong: "tokenWrong", role: "tokenRole" }[gate]} onEnter=${enter} />`;
  const { waiting, others, counts, more, since, unreadable } = told ?? NOTHING;
  const isWanted = (one) => filter === "all" || one.state === filter;
  const due = waiting.filter(isWanted);
  const rest = others.filter(isWanted);
  const action = [...waiting, ...others].find((one) => one.id === chosen) ?? null;
  const go = (name) => () => { setTab(name); setMany(PAGE); };
  const narrow = (conversation) => { setOnly(conversation); setFilter("all"); setMany(PAGE); };
  const sift = (state) => { setFilter(state); setMany(PAGE); };
  const button = (which) => html`<button type="button" class="quiet-button" onClick=${() => setMany(many + PAGE)}>${t(which)}</button>`;
  const row = (one) => html`<${Row} key=${one.id} action=${one} isChosen=${one.id === chosen} onChoose=${setChosen} minute=${Math.floor(Date.now() / MINUTE)} />`;
  const isCut = only ? rest.length + due.length >= many : filter !== "all" && !needsPerson({ state: filter }) && rest.length >= many;
  return html`
    <header class="desk-top"><h1>${t("desk")}</h1>
      <nav aria-label=${t("desk")}>${["actions", "orders", "refunds"].map((name) => html`<button type="button" class="tab" aria-current=${tab === name ? "page" : undefined} onClick=${go(name)}>${t({ actions: "deskActions", orders: "deskOrders", refunds: "deskRefunds" }[name])}</button>`)}</nav>
      <span class="live" data-live=${isLive} role="status"><i class="dot"></i>${t(isLive ? "live" : "notLive")}</span>
      ${name && html`<span class="operator">${name}</span>`}
      ${sessionStorage.getItem(TOKEN) && html`<button type="button" class="quiet-button" onClick=${leave}>${t("signOut")}</button>`}
    </header>
    ${tab !== "actions" ? html`<main class="book"><${Book} rows=${books[tab] ?? []} name=${t(tab === "orders" ? "deskOrders" : "deskRefunds")} />${books[tab]?.length >= many && button("older")}</main>` : html`<main class="desk" data-chosen=${action !== null}>
      <section class="queue" aria-label=${t("deskActions")}>
        <${Filters} counts=${counts} more=${more} filter=${filter} onFilter=${sift} />
        ${only && html`<p class="note">${t("ofConversation", { id: only })} <button type="button" class="quiet-button" onClick=${() => narrow(null)}>${t("allConversations")}</button></p>`}
        ${since > 0 && since < Date.now() - MINUTE && html`<p class="note oldest">${t("oldest", { ago: ago(since) })}</p>`}
        ${unreadable.map(({ id, reason }) => html`<p key=${id} class="note" title=${reason}>${t("unreadable", { id })}</p>`)}
        ${told && due.length + rest.length === 0 && html`<p class="note">${t("deskEmpty")}</p>`}
        <ul>${[...due.slice(0, many).map(row), due.length > many && html`<li key="newer">${button("newer")}</li>`, ...rest.map(row)]}${isCut && html`<li>${button("older")}</li>`}</ul>
      </section>
      ${action ? html`<${Detail} key=${action.id} action=${action} onBack=${() => setChosen(null)} onDecided=${look} onConversation=${only ? null : narrow} />` : html`<p class="note pick">${t("deskPick")}</p>`}
      ${action?.conversation && html`<${Beside} key=${action.conversation} id=${action.conversation} agents=${agents} />`}
    </main>`}`;
}

function Gate({ problem, onEnter }) {
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);
  return html`<main class="gate"><h1>${t("desk")}</h1><p id="token-text">${t("tokenText")}</p>
    <form onSubmit=${(event) => { event.preventDefault(); if (field.current.value.trim()) onEnter(field.current.value.trim()); }}>
      <label for="token">${t("token")}</label>
      <input ref=${field} id="token" type="password" autocomplete="current-password" aria-describedby="token-text" aria-invalid=${Boolean(problem)} />
      ${problem && html`<p class="wrong" role="alert">${t(problem)}</p>`}
      <button type="submit" class="small-button main">${t("enter")}</button>
    </form></main>`;
}

const Filters = ({ counts, more, filter, onFilter }) => html`<div class="filters" role="group" aria-label=${t("deskActions")}>
  ${["all", ...STATES].map((state) => {
    const many = counts[state] ?? 0;
    if (many === 0 && state !== filter && state !== "all") return null;
    return html`<button type="button" class="chip" aria-pressed=${filter === state} data-state=${state} onClick=${() => onFilter(state)}>${stateName(state)} <span class="count">${many}${more.has(state) && "+"}</span></button>`;
  })}</div>`;

const Row = memo(({ action, isChosen, onChoose }) => html`<li><button type="button" class="action-row" aria-current=${isChosen ? "true" : undefined} onClick=${() => onChoose(action.id)}>
  <span class="action-name">${toolName(action.name)}</span><span class="state" data-state=${action.state}>${stateName(action.state)}</span>
  <span class="about">${summary(action)}</span>${action.at > 0 && html`<time>${ago(action.at)}</time>`}</button></li>`);

function summary({ amount, arguments: told }) {
  const values = told && typeof told === "object" ? Object.values(told) : [told];
  return [amount == null ? null : money(amount), ...values].filter((value) => value != null && typeof value !== "object").join(" · ");
}

document.documentElement.lang = language;
document.title = t("desk");
applyTheme(storage.theme());
render(html`<${Desk} />`, document.getElementById("desk"));
