// Where the customer writes.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/vendor.js";
import * as storage from "./storage.js";
import { t } from "./strings.js";
import { Icon } from "./ui.js";

/** The server's limit, in bytes. */
const MESSAGE_LIMIT = 32 * 1024;

export function Composer({ session, running, focusOnOpen }) {
  const [text, setText] = useState(() => storage.draft(session.id));
  const [overlap, setOverlap] = useState("queue");
  const [stopping, setStopping] = useState(null);
  const area = useRef(null);

  useEffect(() => { if (focusOnOpen) area.current.focus({ preventScroll: true }); }, []);
  useLayoutEffect(() => {
    if (CSS.supports("field-sizing", "content")) return;
    area.current.style.blockSize = "auto";
    area.current.style.blockSize = `${Math.min(area.current.scrollHeight, 200)}px`;
  }, [text]);

  const write = (next) => { setText(next); storage.saveDraft(session.id, next); };
  const tooLong = text.length > MESSAGE_LIMIT / 4 && new TextEncoder().encode(text).length > MESSAGE_LIMIT;
  const canSend = text.trim() !== "" && !tooLong;
  const submit = (event) => {
    event?.preventDefault();
    if (!canSend) return;
    session.send(text.trim(), running ? overlap : undefined);
    write("");
    setOverlap("queue");
    area.current.focus();
  };
  // Enter also ends what an input method composes; that one sends nothing (229 is its name in Safari).
  const typed = (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) submit(event); };
  const stop = () => { setStopping(running.key); session.stop(running).finally(() => setStopping(null)); };

  const canStop = running?.number != null;
  return html`<form class="composer" onSubmit=${submit}>
    ${running && text && html`<fieldset class="overlap"><legend>${t("overlap")}</legend>
      ${["queue", "interrupt"].map((policy) => html`<label><input type="radio" name="overlap" value=${policy} checked=${overlap === policy} onChange=${() => setOverlap(policy)} /><span>${t(policy)}</span></label>`)}
    </fieldset>`}
    ${tooLong && html`<p class="note" role="alert">${t("tooLong")}</p>`}
    <div class="field">
      <textarea ref=${area} id="message" rows="1" dir="auto" value=${text} placeholder=${t("write")} aria-label=${t("write")} aria-describedby="hint" enterkeyhint="send" autocomplete="off"
        onInput=${(event) => write(event.currentTarget.value)} onKeyDown=${typed}></textarea>
      ${canStop && html`<button type="button" class="round-button stop" aria-label=${t("stop")} title=${t("stop")} onClick=${stop} disabled=${stopping === running.key}><${Icon} name="stop" /></button>`}
      ${(!canStop || text) && html`<button type="submit" class="round-button" aria-label=${t("send")} title=${t("send")} disabled=${!canSend}><${Icon} name="send" /></button>`}
    </div>
    <p id="hint" class="hint">${t("hint")}</p>
  </form>`;
}
