// The conversation as it is read: turns, messages by agent, tools, hand-offs. Draws state; changes nothing.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/vendor.js";
import { isAsked, isOver } from "./conversation.js";
import { Markdown } from "./markdown-view.js";
import { agentHue, agentName, isHandOff, toolName } from "./names.js";
import { count, duration, t } from "./strings.js";
import { Banner, CopyButton, Icon, IconButton, memo } from "./ui.js";

/** Turns in a page. The last ones are drawn at first, and one more at each step back; a change is compared with its page only. */
const PAGE = 40;
const NEAR_END = 60; // pixels

export function Transcript({ session, state, agents, readOnly, children }) {
  const [shown, setShown] = useState(1);
  const box = useRef(null);
  const follows = useRef(true);
  const [away, setAway] = useState(false);
  const pages = usePages(state.turns);
  const from = Math.max(0, pages.length - 1 - shown);

  useLayoutEffect(() => { if (follows.current) box.current.scrollTop = box.current.scrollHeight; });
  useEffect(() => {
    const all = () => setShown(Infinity);
    addEventListener("beforeprint", all);
    return () => removeEventListener("beforeprint", all);
  }, []);

  const hasEarlier = from > 0 || (session && state.before);
  const scrolled = () => {
    if (!box.current) return; // scrolled and gone in one frame
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    follows.current = scrollHeight - scrollTop - clientHeight < NEAR_END;
    setAway(!follows.current);
    if (follows.current) setShown(1);
    else if (scrollTop < 400 && hasEarlier) earlier();
  };
  // What is being read stays where it is.
  const earlier = async () => {
    if (from === 0) await session.earlier();
    const it = box.current;
    if (!it) return;
    const { scrollHeight } = it;
    if (it.scrollTop === 0) it.scrollTop = 1; // at the top a browser does not anchor
    setShown((now) => now + 1);
    requestAnimationFrame(() => { if (!CSS.supports("overflow-anchor", "auto")) it.scrollTop += it.scrollHeight - scrollHeight; });
  };
  // At once, and without what is far above: a smooth way past thousands of turns would not arrive.
  const latest = () => { follows.current = true; setShown(1); setAway(false); };

  const last = state.turns.at(-1);
  return html`<div class="transcript" ref=${box} onScroll=${scrolled} tabindex="0" role="region" aria-label=${t("conversation")}>
    <div class="column">
      ${hasEarlier && html`<button type="button" class="quiet-button earlier" onClick=${earlier}>${t("earlier")}</button>`}
      ${pages.slice(from).map((turns, place) => html`<${Page} key=${turns[0].key} turns=${turns} last=${turns.includes(last) ? last : null} session=${session} agents=${agents} readOnly=${readOnly}
        agent=${turns.includes(last) ? state.agent : null} />`)}
      ${children}
    </div>
    ${away && html`<${IconButton} icon="down" class="latest" label=${t("latest")} onClick=${latest} />`}
  </div>`;
}

// Pages keep their identity while their turns do.
function usePages(turns) {
  const kept = useRef([]);
  const pages = [];
  for (let at = 0; at < turns.length; at += PAGE) {
    const page = turns.slice(at, at + PAGE);
    const before = kept.current[pages.length];
    pages.push(before?.length === page.length && before.every((turn, place) => turn === page[place]) ? before : page);
  }
  kept.current = pages;
  return pages;
}

const Page = memo(({ turns, last, agent, ...rest }) => html`<div class="page">${turns.map((turn, place) => html`<${Turn} key=${turn.key} turn=${turn} isLast=${turn === last}
  isAgain=${place > 0 && turns[place - 1].replaced === true && turns[place - 1].message === turn.message} agent=${turn === last ? agent : null} ...${rest} />`)}</div>`);

const Turn = memo(({ turn, session, agents, isLast, isAgain, readOnly, agent }) => {
  const answer = html`<${Answer} turn=${turn} agents=${agents} agent=${agent} session=${readOnly ? null : session} />`;
  return html`<article class="turn" data-status=${turn.status}>
    ${turn.message == null ? html`<p class="note">${t("lateResult")}</p>` : !isAgain && html`<div class="customer" data-status=${turn.status}>
      <span class="visually-hidden">${t("said", { name: readOnly ? t("customer") : t("you") })}</span>
      <p dir="auto">${turn.message}</p>
    </div>`}
    ${turn.replaced && !isLast ? html`<details class="replaced"><summary>${t("replaced")}</summary>${answer}</details>` : answer}
    ${turn.status === "sending" && html`<p class="note">${t("sending")}</p>`}
    ${turn.status === "waiting" && html`<p class="note">${t("waiting")}</p>`}
    ${turn.status === "stopped" && html`<p class="note">${t("stopped")}</p>`}
    ${turn.status === "unsent" && html`<${Unsent} turn=${turn} session=${session} />`}
    ${turn.status === "failed" && html`<${Banner} message=${turn.error?.message ?? t("failed")}>
      ${isLast && !readOnly && turn.error?.retryable !== false && turn.message != null && html`<button type="button" class="small-button" onClick=${() => session.regenerate(turn)}>${t("tryAgain")}</button>`}<//>`}
    ${isOver(turn) && turn.parts.length > 0 && !(turn.replaced && !isLast) && html`<${Footer} turn=${turn} session=${session} canRegenerate=${isLast && !readOnly && turn.message != null && turn.status !== "failed"} />`}
  </article>`;
});

function Unsent({ turn, session }) {
  const { status, message } = turn.error ?? {};
  const sentence = status === 429 ? t("tooMany") : status === 413 ? t("tooLong") : status === 401 ? t("signIn") : message ?? (status === undefined ? t("unreachable") : t("problem"));
  return html`<${Banner} message=${`${t("unsent")} ${sentence}`}>
    <button type="button" class="small-button" onClick=${() => session.send(turn.message, undefined, turn.key)}>${t("tryAgain")}</button>
    <button type="button" class="quiet-button" onClick=${() => session.discard(turn)}>${t("discard")}</button><//>`;
}

// The agent is named where it changes.
function Answer({ turn, agents, agent, session }) {
  const parts = turn.parts.filter((part) => !(part.kind === "tool" && isHandOff(part.name)));
  const isLive = turn.status === "running";
  const current = parts.findLast((part) => part.kind === "hand_off")?.to ?? parts.findLast((part) => part.agent)?.agent ?? agent;
  let speaker = null;
  return html`${parts.map((part, place) => {
    const name = part.kind !== "hand_off" && part.agent && part.agent !== speaker ? (speaker = part.agent) : null;
    const isTail = isLive && place === parts.length - 1;
    return html`<${Part} key=${`${part.step}-${place}`} part=${part} named=${name} hue=${agentHue(part.agent ?? part.to, agents)} isTail=${isTail} session=${session} />`;
  })}
  ${isLive && parts.at(-1)?.kind !== "text" && html`<p class="thinking" data-hue=${agentHue(current, agents)}><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span class="visually-hidden">${t("thinking", { name: agentName(current) })}</span></p>`}`;
}

const Part = memo(({ part, named, hue, isTail, session }) => {
  if (part.kind === "hand_off") {
    return html`<div class="hand-off" data-hue=${hue} role="separator" aria-label=${t("handedOffLong", { from: agentName(part.from), to: agentName(part.to) })}><span><i class="dot"></i>${t("handedOff", { to: agentName(part.to) })}</span></div>`;
  }
  return html`<div class="agent" data-hue=${hue}>
    ${named && html`<h2 class="agent-name"><i class="dot"></i>${agentName(named)}</h2>`}
    ${part.kind === "text" ? html`<div dir="auto" class="words"><${Markdown} text=${part.text} live=${isTail} /></div>` : html`<${ToolCard} part=${part} />${session && isAsked(part) && html`<${Card} part=${part} session=${session} />`}`}
  </div>`;
});

/** What the customer is asked to confirm. */
function Card({ part, session }) {
  const [isBusy, setBusy] = useState(false);
  const answer = (yes) => async () => { setBusy(true); await session.confirm(part, yes); setBusy(false); };
  return html`<section class="card" aria-label=${part.card.title}><h3 dir="auto">${part.card.title}</h3><${Value} value=${part.card.fields} />
    <div class="buttons"><button type="button" class="small-button" disabled=${isBusy} onClick=${answer(false)}>${t("cancel")}</button><button type="button" class="small-button main" disabled=${isBusy} onClick=${answer(true)}>${t("confirm")}</button></div>
  </section>`;
}

const ICON = { running: "clock", done: "check", failed: "cross", proposed: "hand", queued: "clock", rejected: "cross", unknown: "info" };

/** One tool call. */
export function ToolCard({ part }) {
  const state = part.state ?? (part.outcome == null ? "running" : part.outcome === "ok" ? "done" : "failed");
  const words = t(state === "failed" ? "toolFailed" : isAsked(part) ? "asked" : state);
  const has = (part.arguments ?? part.result) != null;
  return html`<${has ? "details" : "div"} class="tool" data-state=${state}>
    <${has ? "summary" : "div"}><span class="tool-icon"><${Icon} name=${ICON[state] ?? "info"} /></span><span class="tool-name">${toolName(part.name)}</span>
      <span class="tool-state">${words}</span>${part.milliseconds > 0 && part.outcome !== "pending" && html`<span class="tool-time">${duration(part.milliseconds)}</span>`}<//>
    ${has && html`<dl>${["arguments", "result"].map((it) => part[it] != null && html`<dt>${t(it)}</dt><dd><${Value} value=${part[it]} /></dd>`)}</dl>`}
  <//>`;
}

/** JSON as a person reads it. */
export function Value({ value }) {
  const told = typeof value === "string" ? parsed(value) : value;
  if (told == null || told === "") return html`<span class="faint">${t("noArguments")}</span>`;
  if (typeof told !== "object") return html`<span class="value">${String(told)}</span>`;
  if (Array.isArray(told) && !told.some((one) => one && typeof one === "object")) return html`<span class="value">${told.join(", ")}</span>`;
  const entries = Array.isArray(told) ? told.map((one) => [null, one]) : Object.entries(told);
  if (!entries.length) return html`<span class="faint">${t("noArguments")}</span>`;
  return html`<ul class="values">${entries.map(([name, one]) => html`<li>${name && html`<span class="faint">${toolName(name)}</span> `}<${Value} value=${one} /></li>`)}</ul>`;
}

function parsed(text) {
  if (!/^\s*[[{]/.test(text)) return text;
  try { return JSON.parse(text); } catch { return text; }
}

function Footer({ turn, session, canRegenerate }) {
  const { milliseconds, usage } = turn;
  const { prompt_tokens: read, completion_tokens: written } = usage ?? {};
  const text = () => turn.parts.filter((part) => part.kind === "text").map((part) => part.text).join("\n\n");
  const hasDetails = milliseconds != null || read != null || written != null;
  return html`<footer>
    <${CopyButton} text=${text} />
    ${canRegenerate && html`<button type="button" class="quiet-button" aria-label=${t("regenerate")} onClick=${() => session.regenerate(turn)}><${Icon} name="again" /><span aria-hidden="true">${t("regenerate")}</span></button>`}
    ${hasDetails && html`<details class="usage"><summary class="quiet-button" aria-label=${t("details")} title=${t("details")}><${Icon} name="info" /></summary>
      <dl>${milliseconds != null && html`<dt>${t("seconds")}</dt><dd>${duration(milliseconds)}</dd>`}
        ${read != null && html`<dt>${t("tokensIn")}</dt><dd>${count(read)}</dd>`}${written != null && html`<dt>${t("tokensOut")}</dt><dd>${count(written)}</dd>`}</dl></details>`}
  </footer>`;
}
