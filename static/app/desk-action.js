// One action at the desk: what it would do or did, a person's decision on it, and its conversation.

import { html, useEffect, useRef, useState } from "../vendor/vendor.js";
import { get, path, stream } from "./api.js";
import { empty } from "./conversation.js";
import { money, when } from "./desk-book.js";
import { decide, loadDoneAfter, needsPerson } from "./desk-data.js";
import { deskStrings } from "./desk-strings.js";
import { merge } from "./history.js";
import { toolName } from "./names.js";
import { language, t } from "./strings.js";
import { Transcript, Value } from "./transcript.js";
import { Icon, IconButton } from "./ui.js";

const AGAIN_MS = 3_000; // between two tries to follow the conversation

export const stateName = (state) => (state === "all" ? t("all") : deskStrings[language].states[state] ?? state);

const decisionName = (decision) => deskStrings[language].decisions[decision] ?? decision;

/** The action that is looked at, and the decision on it. `onConversation`: shows those of its conversation alone. */
export function Detail({ action, onBack, onDecided, onConversation }) {
  const [reason, setReason] = useState("");
  const [forCustomer, setForCustomer] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const [doneAfter, setDoneAfter] = useState([]);
  const heading = useRef(null);
  useEffect(() => {
    let left = false;
    setDoneAfter([]);
    // Without the list nothing is missing but a hint.
    if (action.state === "unknown") loadDoneAfter(action).then((later) => left || setDoneAfter(later), () => {});
    return () => { left = true; };
  }, [action.id, action.state, action.fence]);
  useEffect(() => heading.current.focus({ preventScroll: true }), []);

  const tell = (sentence) => { document.getElementById("announcements").textContent = sentence; };
  const make = (decision, outcome) => async () => {
    if (!reason.trim() && decision !== "approve") return setProblem(t("reasonNeeded"));
    setBusy(true);
    setProblem(null);
    try {
      await decide(action, decision, { reason: reason.trim(), forCustomer: forCustomer.trim(), outcome });
      tell(t("decided"));
      setReason("");
      setForCustomer("");
    } catch (error) {
      const told = error.detail ?? t(error.status ? "problem" : "unreachable");
      // Who decided what, and when, is in the server's sentence.
      setProblem(error.status === 409 ? `${t("notRecorded")} ${told}` : told);
    }
    setBusy(false);
    return onDecided();
  };

  const isFirst = action.state === "proposed" && action.approvals.length > 0;
  return html`<section class="detail" aria-labelledby="detail-name">
    <header><${IconButton} icon="back" class="back" label=${t("close")} onClick=${onBack} /><h2 id="detail-name" ref=${heading} tabindex="-1">${toolName(action.name)}</h2><span class="state" data-state=${action.state}>${stateName(action.state)}</span></header>
    <dl>${action.amount != null && html`<dt>${t("amount")}</dt><dd class="amount">${money(action.amount)}</dd>`}
      ${action.over && html`<dt>${t("overLimit")}</dt><dd>${action.over}</dd>`}
      ${action.confirmation && html`<dt>${t("customerSays")}</dt><dd>${deskStrings[language].answers[action.confirmation.answer ?? "open"]}</dd>`}
      <dt>${t("arguments")}</dt><dd><${Value} value=${action.arguments} /></dd>
      ${action.result != null && html`<dt>${t("result")}</dt><dd><${Value} value=${action.result} /></dd>`}
      ${action.approvals.map(({ by, at }, number) => html`<dt>${t(number ? "secondApproval" : "firstApproval")}</dt><dd>${by}, <time>${when(at)}</time></dd>`)}
      ${action.decidedBy && !isFirst && html`<dt>${decisionName(action.decision)}</dt><dd>${action.decidedBy}, <time>${when(action.decidedAt)}</time></dd>`}
      ${action.reason && html`<dt>${t("forColleagues")}</dt><dd>${action.reason}</dd>`}
      ${action.reasonForCustomer && !String(action.result ?? "").includes(action.reasonForCustomer) && html`<dt>${t("forCustomer")}</dt><dd>${action.reasonForCustomer}</dd>`}
      ${action.attempts > 0 && html`<dt>${t("attempts")}</dt><dd>${action.attempts}</dd>`}
      ${action.key && html`<dt>${t("key")}</dt><dd><code>${action.key}</code></dd>`}
      ${onConversation && html`<dt>${t("conversation")}</dt><dd><code>${action.conversation}</code> <button type="button" class="quiet-button" onClick=${() => onConversation(action.conversation)}>${t("onlyConversation")}</button></dd>`}
      ${action.at > 0 && html`<dt>${t("acceptedAt")}</dt><dd><time>${when(action.at)}</time></dd>`}
      ${action.triedAt > 0 && html`<dt>${t("triedAt")}</dt><dd><time>${when(action.triedAt)}</time></dd>`}
      ${action.expiresAt > 0 && html`<dt>${t("expiresAt")}</dt><dd><time>${when(action.expiresAt)}</time></dd>`}</dl>
    ${problem && html`<p class="wrong" role="alert">${problem}</p>`}
    ${needsPerson(action) && html`<form class="decision" onSubmit=${(event) => event.preventDefault()}>
      ${action.state === "unknown" && html`<p class="banner"><${Icon} name="warn" />${t("settleText")}</p>`}
      ${doneAfter.length > 0 && html`<p class="note">${t("doneAfter")} ${doneAfter.map(({ tool }) => toolName(tool)).join(", ")}</p>`}
      ${isFirst && html`<p class="note">${t("oneOfTwo", { name: action.approvals[0].by })}</p>`}
      ${!isFirst && action.state === "proposed" && action.approvalsNeeded > 1 && html`<p class="note">${t("needsTwo")}</p>`}
      <label for="reason">${t("forColleagues")}</label>
      <textarea id="reason" rows="2" maxlength="500" value=${reason} onInput=${(event) => setReason(event.currentTarget.value)} aria-invalid=${problem === t("reasonNeeded")}></textarea>
      <label for="reason-customer">${t("forCustomer")}</label>
      <textarea id="reason-customer" rows="2" maxlength="500" value=${forCustomer} onInput=${(event) => setForCustomer(event.currentTarget.value)}></textarea>
      <div class="buttons">${action.state === "proposed"
        ? html`<button type="button" class="small-button danger" disabled=${isBusy} onClick=${make("reject")}>${t("reject")}</button><button type="button" class="small-button main" disabled=${isBusy || action.confirmation?.answer === null} onClick=${make("approve")}>${t("approve")}</button>`
        : html`<button type="button" class="small-button" disabled=${isBusy} onClick=${make("settle", "retry")}>${t("settleRetry")}</button><button type="button" class="small-button" disabled=${isBusy} onClick=${make("settle", "rejected")}>${t("settleRejected")}</button><button type="button" class="small-button main" disabled=${isBusy} onClick=${make("settle", "done")}>${t("settleDone")}</button>`}</div>
    </form>`}
  </section>`;
}

/** The conversation. Read anew with everything that happens in it, so that what the customer is told is seen too. */
export function Beside({ id, agents }) {
  const [state, setState] = useState(null);
  useEffect(() => {
    const leaving = new AbortController();
    follow(id, leaving.signal, (told) => !leaving.signal.aborted && setState(told ? merge(empty(id), told) : empty(id)));
    return () => leaving.abort();
  }, [id]);
  return html`<div class="beside">${state && (state.turns.length ? html`<${Transcript} state=${state} agents=${agents} session=${null} readOnly=${true} />` : html`<p class="note">${t("deskGone")}</p>`)}</div>`;
}

// Also when the stream opens: it may have been cut, and something missed.
async function follow(id, signal, tell) {
  while (!signal.aborted) {
    try {
      for await (const event of stream("GET", path("conversations", id, "events"), { signal })) {
        if (event.type !== "text_delta") tell(await get(path("conversations", id)));
      }
    } catch (error) {
      if (error.status === 404) return tell(null); // it was erased
    }
    await new Promise((done) => { setTimeout(done, AGAIN_MS); });
  }
  return undefined;
}
