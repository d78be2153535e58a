// The operator's page: what waits for a person, the decision, and the conversation beside it.

import { html, render, useEffect, useRef, useState } from "../vendor/vendor.js";
import { Refused, authorise, get, path, stream } from "./api.js";
import { empty } from "./conversation.js";
import { NEEDS_PERSON, STATES, decide, loadActions, loadBook } from "./desk-data.js";
import { deskStrings } from "./desk-strings.js";
import { merge } from "./history.js";
import { toolName } from "./names.js";
import * as storage from "./storage.js";
import { addStrings, ago, language, t } from "./strings.js";
import { Transcript, Value } from "./transcript.js";
import { Icon, IconButton, applyTheme, memo } from "./ui.js";

const LOOK_MS = 3_000; // how often the desk asks while somebody looks at it
const TOKEN = "baton.operator"; // kept for this tab only

addStrings(deskStrings);

function Desk() {
  const [actions, setActions] = useState(null);
  const [gate, setGate] = useState(null); // null | token | wrong | off
  const [isLive, setLive] = useState(true);
  const [tab, setTab] = useState("actions");
  const [books, setBooks] = useState({});
  const [filter, setFilter] = useState("all");
  const [chosen, setChosen] = useState(null);
  const [agents, setAgents] = useState([]);

  const look = async () => {
    try {
      setActions(await loadActions());
      setGate(null);
      setLive(true);
      const [orders, refunds] = await Promise.all([loadBook("orders"), loadBook("refunds")]);
      setBooks({ orders, refunds });
    } catch (error) {
      if (!(error instanceof Refused)) return setLive(false);
      if (error.status === 401 || error.status === 403) setGate(sessionStorage.getItem(TOKEN) ? "wrong" : "token");
      else if (error.isAbsent) setGate("off");
      else setLive(false);
    }
    return undefined;
  };
  useEffect(() => {
    authorise(sessionStorage.getItem(TOKEN));
    look();
    get("health").then((health) => setAgents(health.team?.agents ?? []), () => {});
  }, []);
  useEffect(() => {
    if (gate) return undefined;
    const timer = setInterval(() => { if (document.visibilityState === "visible") look(); }, LOOK_MS);
    return () => clearInterval(timer);
  }, [gate]);

  const enter = (token) => {
    sessionStorage.setItem(TOKEN, token);
    authorise(token);
    look();
  };
  const leave = () => {
    sessionStorage.removeItem(TOKEN);
    authorise(null);
    setActions(null);
    setChosen(null);
    look();
  };

  if (gate === "off") return html`<main class="gate"><h1>${t("desk")}</h1><p>${t("deskOff")}</p></main>`;
  if (gate) return html`<${Gate} isWrong=${gate === "wrong"} onEnter=${enter} />`;
  const shown = (actions ?? []).filter((action) => filter === "all" || action.state === filter);
  const action = actions?.find((one) => one.id === chosen) ?? null;
  const tabs = ["actions", ...["orders", "refunds"].filter((name) => books[name])];
  return html`
    <header class="desk-top"><h1>${t("desk")}</h1>
      <nav aria-label=${t("desk")}>${tabs.map((name) => html`<button type="button" class="tab" aria-current=${tab === name ? "page" : undefined} onClick=${() => setTab(name)}>${t({ actions: "deskActions", orders: "deskOrders", refunds: "deskRefunds" }[name])}</button>`)}</nav>
      <span class="live" data-live=${isLive} role="status"><i class="dot"></i>${t(isLive ? "live" : "notLive")}</span>
      ${sessionStorage.getItem(TOKEN) && html`<button type="button" class="quiet-button" onClick=${leave}>${t("signOut")}</button>`}
    </header>
    ${tab !== "actions" ? html`<main class="book"><${Book} rows=${books[tab] ?? []} name=${t(tab === "orders" ? "deskOrders" : "deskRefunds")} /></main>` : html`<main class="desk" data-chosen=${action !== null}>
      <section class="queue" aria-label=${t("deskActions")}>
        <${Filters} actions=${actions ?? []} filter=${filter} onFilter=${setFilter} />
        ${actions && shown.length === 0 && html`<p class="note">${t("deskEmpty")}</p>`}
        <ul>${shown.map((one) => html`<${Row} key=${one.id} action=${one} isChosen=${one.id === chosen} onChoose=${setChosen} minute=${Math.floor(Date.now() / 60_000)} />`)}</ul>
      </section>
      ${action ? html`<${Detail} key=${action.id} action=${action} onBack=${() => setChosen(null)} onDecided=${look} />` : html`<p class="note pick">${t("deskPick")}</p>`}
      ${action?.conversation && html`<${Beside} key=${action.conversation} id=${action.conversation} agents=${agents} />`}
    </main>`}`;
}

function Gate({ isWrong, onEnter }) {
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);
  return html`<main class="gate"><h1>${t("desk")}</h1><p id="token-text">${t("tokenText")}</p>
    <form onSubmit=${(event) => { event.preventDefault(); if (field.current.value.trim()) onEnter(field.current.value.trim()); }}>
      <label for="token">${t("token")}</label>
      <input ref=${field} id="token" type="password" autocomplete="current-password" aria-describedby="token-text" aria-invalid=${isWrong} />
      ${isWrong && html`<p class="wrong" role="alert">${t("tokenWrong")}</p>`}
      <button type="submit" class="small-button main">${t("enter")}</button>
    </form></main>`;
}

const Filters = ({ actions, filter, onFilter }) => html`<div class="filters" role="group" aria-label=${t("deskActions")}>
  ${["all", ...STATES].map((state) => {
    const many = state === "all" ? actions.length : actions.filter((action) => action.state === state).length;
    if (many === 0 && state !== filter && state !== "all") return null;
    return html`<button type="button" class="chip" aria-pressed=${filter === state} data-state=${state} onClick=${() => onFilter(state)}>${stateName(state)} <span class="count">${many}</span></button>`;
  })}</div>`;

const stateName = (state) => (state === "all" ? t("all") : deskStrings[language].states[state] ?? state);

const Row = memo(({ action, isChosen, onChoose }) => html`<li><button type="button" class="action-row" aria-current=${isChosen ? "true" : undefined} onClick=${() => onChoose(action.id)}>
  <span class="action-name">${toolName(action.name)}</span><span class="state" data-state=${action.state}>${stateName(action.state)}</span>
  <span class="about">${summary(action.arguments)}</span>${action.at > 0 && html`<time>${ago(action.at)}</time>`}</button></li>`);

function summary(told) {
  const values = told && typeof told === "object" ? Object.values(told) : [told];
  return values.filter((value) => value != null && typeof value !== "object").join(" · ");
}

function Detail({ action, onBack, onDecided }) {
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const heading = useRef(null);
  useEffect(() => heading.current.focus({ preventScroll: true }), []);

  const tell = (sentence) => { document.getElementById("announcements").textContent = sentence; };
  const make = (decision, outcome) => async () => {
    if (!reason.trim() && decision !== "approve") return setProblem(t("reasonNeeded"));
    setBusy(true);
    setProblem(null);
    try {
      await decide(action, decision, { reason: reason.trim(), outcome });
      tell(t("decided"));
      setReason("");
    } catch (error) {
      setProblem(error.status === 409 || error.status === 412 ? t("decidedElsewhere") : error.detail ?? t(error instanceof Refused ? "problem" : "unreachable"));
    }
    setBusy(false);
    return onDecided();
  };

  return html`<section class="detail" aria-labelledby="detail-name">
    <header><${IconButton} icon="back" class="back" label=${t("close")} onClick=${onBack} /><h2 id="detail-name" ref=${heading} tabindex="-1">${toolName(action.name)}</h2><span class="state" data-state=${action.state}>${stateName(action.state)}</span></header>
    <dl><dt>${t("arguments")}</dt><dd><${Value} value=${action.arguments} /></dd>
      ${action.result != null && html`<dt>${t("result")}</dt><dd><${Value} value=${action.result} /></dd>`}
      ${action.reason && html`<dt>${t("reason")}</dt><dd>${action.reason}</dd>`}
      ${action.attempts != null && html`<dt>${t("attempts")}</dt><dd>${action.attempts}</dd>`}
      ${action.at > 0 && html`<dt>${t("changedAt")}</dt><dd><time>${new Date(action.at).toLocaleString(language)}</time></dd>`}</dl>
    ${NEEDS_PERSON.includes(action.state) && html`<form class="decision" onSubmit=${(event) => event.preventDefault()}>
      ${action.state === "unknown" && html`<p class="banner"><${Icon} name="warn" />${t("settleText")}</p>`}
      <label for="reason">${t("reason")}</label>
      <textarea id="reason" rows="2" maxlength="500" value=${reason} onInput=${(event) => setReason(event.currentTarget.value)} aria-invalid=${problem === t("reasonNeeded")}></textarea>
      ${problem && html`<p class="wrong" role="alert">${problem}</p>`}
      <div class="buttons">${action.state === "proposed"
        ? html`<button type="button" class="small-button danger" disabled=${isBusy} onClick=${make("reject")}>${t("reject")}</button><button type="button" class="small-button main" disabled=${isBusy} onClick=${make("approve")}>${t("approve")}</button>`
        : html`<button type="button" class="small-button" disabled=${isBusy} onClick=${make("settle", "rejected")}>${t("settleRejected")}</button><button type="button" class="small-button main" disabled=${isBusy} onClick=${make("settle", "done")}>${t("settleDone")}</button>`}</div>
    </form>`}
  </section>`;
}

// Read anew with everything that happens in it, so that what the customer is told is seen too.
function Beside({ id, agents }) {
  const [state, setState] = useState(null);
  useEffect(() => {
    const leaving = new AbortController();
    follow(id, leaving.signal, (told) => !leaving.signal.aborted && setState(told ? merge(empty(id), told) : empty(id)));
    return () => leaving.abort();
  }, [id]);
  return html`<div class="beside">${state && (state.turns.length ? html`<${Transcript} state=${state} agents=${agents} session=${null} readOnly=${true} />` : html`<p class="note">${t("deskEmpty")}</p>`)}</div>`;
}

// Also when the stream opens: it may have been cut, and something missed.
async function follow(id, signal, tell) {
  while (!signal.aborted) {
    try {
      for await (const event of stream("GET", path("conversations", id, "events"), { signal })) {
        if (event.type !== "text_delta") tell(await get(path("conversations", id)));
      }
    } catch (error) {
      if (error instanceof Refused && error.isAbsent) tell(null);
    }
    await new Promise((done) => { setTimeout(done, LOOK_MS); });
  }
}

function Book({ rows, name }) {
  if (!rows.length) return html`<p class="note">${t("deskEmpty")}</p>`;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((column) => rows.some((row) => row[column] != null && typeof row[column] !== "object"));
  return html`<div class="table" tabindex="0" role="region" aria-label=${name}><table>
    <thead><tr>${columns.map((column) => html`<th scope="col" data-align=${isMoney(column) ? "right" : null}>${toolName(column.replace(/_cents$/, ""))}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${columns.map((column) => html`<td data-align=${isMoney(column) ? "right" : null}>${cell(column, row[column])}</td>`)}</tr>`)}</tbody></table></div>`;
}

const isMoney = (column) => column.endsWith("_cents");
const money = new Intl.NumberFormat(language, { style: "currency", currency: "USD" });
const cell = (column, value) => (value == null ? "" : isMoney(column) ? money.format(value / 100) : /_at$/.test(column) ? new Date(value).toLocaleString(language) : String(value));

document.documentElement.lang = language;
document.title = t("desk");
applyTheme(storage.theme());
render(html`<${Desk} />`, document.getElementById("desk"));
