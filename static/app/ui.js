// Small parts that every view uses.

import { html, useEffect, useRef, useState } from "../vendor/vendor.js";
import { t } from "./strings.js";

/** A view that is drawn again only when one of its properties is another one; handlers (`on…`) do not count. */
export const memo = (view) =>
  function Memo(properties) {
    this.shouldComponentUpdate = (next) => {
      return Object.keys({ ...this.props, ...next }).some((name) => !/^on[A-Z]/.test(name) && next[name] !== this.props[name]);
    };
    return html`<${view} ...${properties} />`;
  };

const PATHS = {
  back: "M12 4l-6 6 6 6", menu: "M3 5h14M3 10h14M3 15h14", plus: "M10 4v12M4 10h12", send: "M10 16V4M5 9l5-5 5 5", stop: "M6 6h8v8H6z", down: "M10 4v12M5 11l5 5 5-5", close: "M5 5l10 10M15 5L5 15",
  copy: "M7 7h9v9H7zM4 13V4h9", again: "M15.5 7A6.5 6.5 0 1 0 16.5 11M16 3v4h-4", more: "M4.6 10a.4.4 0 1 0 .8 0 .4.4 0 1 0-.8 0M9.6 10a.4.4 0 1 0 .8 0 .4.4 0 1 0-.8 0M14.6 10a.4.4 0 1 0 .8 0 .4.4 0 1 0-.8 0", check: "M4 10.5l4 4 8-9", cross: "M6 6l8 8M14 6l-8 8",
  clock: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M10 6.5V10l2.5 2", theme: "M10 3.5a6.5 6.5 0 1 0 0 13zM10 3.5a6.5 6.5 0 1 1 0 13", warn: "M10 3L2.5 16.5h15zM10 8.5v3.5M10 14.5h.01", info: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M10 9v4.5M10 6.5h.01", hand: "M4 10h12M11 5l5 5-5 5",
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;

export const IconButton = ({ icon, label, class: more = "", ...rest }) =>
  html`<button type="button" class=${`icon-button ${more}`} aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`;

/** What went wrong, calmly, and the ways on. */
export const Banner = ({ message, class: more = "", children }) => html`<div class=${`banner ${more}`} role="alert"><${Icon} name="warn" /><p>${message}</p>${children}</div>`;

/** Copies `text()` and says so for a moment, in the button itself. */
export function CopyButton({ text, label = t("copy") }) {
  const [answer, setAnswer] = useState(null);
  useEffect(() => {
    if (!answer) return undefined;
    const timer = setTimeout(() => setAnswer(null), 2000);
    return () => clearTimeout(timer);
  }, [answer]);
  const copy = () => navigator.clipboard?.writeText(text()).then(() => setAnswer("copied"), () => setAnswer("copyFailed")) ?? setAnswer("copyFailed");
  return html`<button type="button" class="quiet-button copy" onClick=${copy} aria-label=${answer ? t(answer) : label}>
    <${Icon} name=${answer === "copied" ? "check" : "copy"} /><span aria-hidden="true">${answer ? t(answer) : t("copy")}</span>
  </button>`;
}

/** A modal dialog of the browser: focus stays inside, Escape closes. */
export function Dialog({ title, children, onClose }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${onClose}><h2 id="dialog-title">${title}</h2>${children}</dialog>`;
}

/** For a view that stays as long as the page. */
export function useOnline() {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = () => setOnline(navigator.onLine);
    addEventListener("online", look);
    addEventListener("offline", look);
  }, []);
  return online;
}

// Light, dark, or what the system says. The style sheet does the rest with `light-dark()`.

const THEMES = ["auto", "light", "dark"];
export const nextTheme = (theme) => THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];

export const applyTheme = (theme) => { document.documentElement.dataset.theme = theme; };
