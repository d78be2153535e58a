// The customer's page: assembles the parts and keeps the address (#/c/ID), the list and the open session together.

import { html, render, useEffect, useRef, useState } from "../vendor/vendor.js";
import { get } from "./api.js";
import { Composer } from "./composer.js";
import { isOver, isRunning } from "./conversation.js";
import { agentHue, agentName, newId } from "./names.js";
import { Session } from "./session.js";
import { Sidebar, joinLists } from "./sidebar.js";
import * as storage from "./storage.js";
import { language, t } from "./strings.js";
import { Transcript } from "./transcript.js";
import { Banner, Dialog, Icon, IconButton, applyTheme, nextTheme, useOnline } from "./ui.js";
import { identity, leave as signOut, onIdentity, resumed, who } from "./who.js";

// Before the first answer there is nothing to announce.
let announcer = null;
async function announce(event) {
  announcer ??= import("./announcer.js").then(({ Announcer }) => new Announcer(document.getElementById("announcements")));
  await announcer.then((it) => it.hear(event), () => { announcer = null; });
}

const NOBODY = []; // always the same one, so that nothing is drawn again for it

const idInAddress = () => /^#\/c\/([A-Za-z0-9_-]{1,128})$/.exec(location.hash)?.[1] ?? null;

function Page() {
  const [name, setName] = useState(() => idInAddress() ?? resumed ?? newId());
  const [, redraw] = useState(0);
  const [health, setHealth] = useState(null);
  const told = useRef([]);
  const [list, setList] = useState([]);
  const [drawer, setDrawer] = useState(false);
  const [theme, setTheme] = useState(storage.theme);
  const [removing, setRemoving] = useState(false); // or "visitor": about to sign out
  const [lost, setLost] = useState(null); // {why, isCarried}: until something else is opened, written or dismissed
  const [me, setMe] = useState(identity);
  const session = useSession(name, () => redraw((count) => count + 1));
  const { id } = session; // the server's, once it has given one
  const online = useOnline();
  const { state } = session;
  const agents = health?.team?.agents ?? NOBODY;
  const hasBegun = state.turns.length > 0;

  const relist = () => setList(joinLists(told.current, storage.conversations()));
  // Without an owner there is no list: then it is what this browser remembers.
  const readList = () => identity()?.kind && get("conversations").then((answer) => { told.current = answer.conversations.concat(answer.unreadable); relist(); }).catch(() => {});
  useEffect(() => {
    get("health").then(setHealth).catch(() => {});
    onIdentity(() => {
      const me = identity();
      if (!me) return;
      if (me.kind || me.strangers !== "open") storage.serverLists();
      setMe(me);
      relist();
      readList();
    });
    who().catch(() => {});
    relist();
    storage.onListChanged(relist);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && who().then(readList, () => {}));
    addEventListener("hashchange", () => {
      if (location.hash.startsWith("#token=")) return location.reload(); // a sign-in
      setLost(null);
      setName(idInAddress() ?? newId());
    });
  }, []);

  // The address and the list learn of a conversation with its first message, and of every change that they show.
  const newest = state.turns.at(-1);
  useEffect(() => {
    const { id } = session; // it may have got its name since it was drawn
    if (hasBegun && idInAddress() !== id) history.replaceState(null, "", `#/c/${id}`);
    storage.savePlace({ id, hash: location.hash });
    if (!hasBegun || !me) return;
    const known = storage.conversations().find((one) => one.id === id);
    const title = state.title || (state.turns.find((turn) => turn.message)?.message.slice(0, 80) ?? "");
    if (!known && session.isLoading) return;
    storage.remember(id, { title: known?.title || title, agent: state.agent, at: newest && !isOver(newest) ? Date.now() : known?.at ?? Date.now() });
    relist();
  }, [id, hasBegun, state.agent, newest?.key, newest?.status, me?.kind]);

  useEffect(() => { document.title = [state.agent && agentName(state.agent), health?.team?.name ?? t("title")].filter(Boolean).join(" · "); }, [state.agent, health]);

  const begin = () => {
    setDrawer(false);
    setLost(null);
    if (location.hash) location.hash = "";
    else setName(newId());
  };
  // What was deleted is nowhere any more, not behind the browser's back button either.
  const leave = (next) => {
    storage.forget(id);
    told.current = told.current.filter((one) => one.id !== id);
    relist();
    history.replaceState(null, "", location.pathname + location.search);
    setName(next);
  };
  // Deleted in another tab or on another device, or not this customer's: what is being written here goes on in a new one.
  useEffect(() => {
    if (!session.isGone) return;
    const next = newId();
    const isCarried = storage.outbox(id).length > 0;
    if (isCarried) storage.rename(id, next);
    storage.saveDraft(next, document.getElementById("message").value);
    setRemoving(false);
    setLost({ why: session.isGone, isCarried });
    leave(next);
  }, [session.isGone]);
  const remove = async () => {
    setRemoving(false);
    try {
      await session.erase();
      leave(newId());
    } catch (error) {
      session.complain(error);
    }
  };

  const end = () => { setRemoving(false); signOut().catch((error) => session.complain(error)); };

  return html`
    <a class="skip" href="#message" onClick=${(event) => { event.preventDefault(); document.getElementById("message").focus(); }}>${t("skip")}</a>
    <${Sidebar} list=${list} current=${id} agents=${agents} theme=${theme} name=${me?.name} onLeave=${me?.kind && (me.kind === "visitor" ? () => setRemoving("visitor") : end)} isOpen=${drawer} onClose=${() => setDrawer(false)} onOpen=${() => setDrawer(false)} onNew=${begin}
      onTheme=${() => { const next = nextTheme(theme); setTheme(next); storage.saveTheme(next); applyTheme(next); }} />
    ${drawer && html`<div class="scrim" onClick=${() => setDrawer(false)}></div>`}
    <main>
      <header class="top">
        <${IconButton} icon="menu" class="drawer-only" label=${t("menu")} aria-expanded=${drawer} aria-controls="sidebar" onClick=${() => setDrawer(true)} />
        <h1 data-hue=${agentHue(state.agent, agents)}>${state.agent ? html`<i class="dot"></i>${agentName(state.agent)}` : health?.team?.name ?? t("title")}</h1>
        ${health?.model?.rehearsal && html`<p class="rehearsal">${t("rehearsal")}</p>`}
        ${hasBegun && html`<${Actions} id=${id} onRemove=${() => setRemoving(true)} onProblem=${(error) => session.complain(error)} />`}
      </header>
      <div class="notices" role="status">
        ${!online ? html`<p class="notice">${t("offline")}</p>` : session.connection === "reconnecting" && html`<p class="notice">${t("reconnecting")}</p>`}
        ${me?.hasEnded ? html`<p class="notice">${t("ended")} ${t("signIn")}</p>` : me && !me.kind && me.strangers === "refused" && html`<p class="notice">${t("signIn")}</p>`}
        ${lost && (!hasBegun || lost.isCarried) && html`<p class="notice">${t(lost.why)} <button type="button" class="quiet-button" onClick=${() => setLost(null)}>${t("dismiss")}</button></p>`}
      </div>
      ${session.problem && html`<${Banner} class="wide" message=${session.problem.status === 401 ? t("signIn") : session.problem.message ?? t(session.problem.status ? "problem" : "unreachable")}>
        ${session.problem.again && html`<button type="button" class="small-button" onClick=${session.problem.again}>${t("tryAgain")}</button>`}
        <${IconButton} icon="close" label=${t("dismiss")} onClick=${() => session.dismiss()} /><//>`}
      <${Transcript} key=${name} session=${session} state=${state} agents=${agents}>
        ${!hasBegun && (session.isLoading && storage.conversations().some((one) => one.id === id) ? html`<p class="note">${t("loading")}</p>` : html`<${Welcome} team=${health?.team} onAsk=${(question) => session.send(question)} />`)}
      <//>
      <${Composer} key=${name} session=${session} running=${state.turns.find((turn) => turn.status === "running") ?? state.turns.findLast((turn) => isRunning(turn) || turn.status === "sending")} focusOnOpen=${matchMedia("(hover: hover)").matches} />
    </main>
    ${removing && html`<${Dialog} title=${t(removing === "visitor" ? "signOut" : "removeTitle")} onClose=${() => setRemoving(false)}><p>${t(removing === "visitor" ? "signOutText" : "removeText")}</p>
      <div class="buttons"><button type="button" class="small-button" onClick=${() => setRemoving(false)}>${t("cancel")}</button><button type="button" class="small-button danger" onClick=${removing === "visitor" ? end : remove}>${t(removing === "visitor" ? "signOut" : "remove")}</button></div><//>`}`;
}

function useSession(name, changed) {
  const held = useRef(null);
  if (held.current?.name !== name) {
    held.current?.close();
    held.current = new Session(name, { isNew: name !== idInAddress(), changed: () => held.current?.name === name && changed(), told: announce });
  }
  return held.current;
}

function Welcome({ team, onAsk }) {
  const questions = team?.first_questions ?? [];
  return html`<section class="welcome"><h2>${t("welcome")}</h2><p>${team?.name ? t("welcomeTeam", { team: team.name }) : "\u00a0"}</p>
    ${questions.length > 0 && html`<ul aria-label=${t("firstQuestions")}>${questions.slice(0, 6).map((question) => html`<li><button type="button" dir="auto" onClick=${() => onAsk(question)}>${question}</button></li>`)}</ul>`}
  </section>`;
}

function Actions({ id, onRemove, onProblem }) {
  const menu = useRef(null);
  const choose = (action) => () => { menu.current.open = false; action(); };
  const save = (format) => choose(() => import("./export.js").then(({ exportConversation }) => exportConversation(id, format)).catch(onProblem));
  const left = (event) => { if (!menu.current.contains(event.relatedTarget)) menu.current.open = false; };
  const key = (event) => { if (event.key === "Escape" && menu.current.open) { menu.current.open = false; menu.current.firstElementChild.focus(); } };
  return html`<details class="menu" ref=${menu} onFocusOut=${left} onKeyDown=${key}><summary class="icon-button" aria-label=${t("more")} title=${t("more")}><${Icon} name="more" /></summary>
    <div><button type="button" onClick=${save("markdown")}>${t("exportMarkdown")}</button><button type="button" onClick=${save("json")}>${t("exportJson")}</button>
      <button type="button" onClick=${choose(() => print())}>${t("print")}</button><button type="button" class="danger" onClick=${choose(onRemove)}>${t("remove")}</button></div></details>`;
}

document.documentElement.lang = language;
applyTheme(storage.theme());
render(html`<${Page} />`, document.getElementById("page"));
