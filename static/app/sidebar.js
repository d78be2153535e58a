// The customer's conversations.

import { html } from "../vendor/vendor.js";
import { agentHue, agentName } from "./names.js";
import * as storage from "./storage.js";
import { ago, t } from "./strings.js";
import { IconButton, Icon, memo } from "./ui.js";

/** The server's list with this browser's own; the newer word counts, but the title is the server's. */
export function joinLists(told, own) {
  const all = new Map(own.map((one) => [one.id, one]));
  for (const { id, reason, title = reason, agent, last_activity: at } of told) {
    const known = all.get(id);
    all.set(id, known?.at >= at ? { ...known, title } : { id, title, agent, at });
  }
  return [...all.values()].sort((a, b) => b.at - a.at);
}

export const Sidebar = memo(({ list, current, agents, theme, name, onLeave, onTheme, onOpen, onNew, onClose, isOpen }) => html`<nav class="sidebar" id="sidebar" aria-label=${t("conversations")} data-open=${isOpen}
    onKeyDown=${(event) => event.key === "Escape" && onClose()}>
    <header><button type="button" class="new-button" onClick=${onNew}><${Icon} name="plus" />${t("newChat")}</button>
      <${IconButton} icon="close" class="drawer-only" label=${t("close")} onClick=${onClose} /></header>
    ${list.length === 0 ? html`<p class="note">${t("noConversations")}</p>` : html`<ul>${list.map((one) => html`<${Entry} key=${one.id} one=${one} isCurrent=${one.id === current} hue=${agentHue(one.agent, agents)} onOpen=${onOpen} minute=${Math.floor(Date.now() / 60_000)} />`)}</ul>`}
    <footer>${name && html`<p class="note">${t("signedIn", { name })}</p>`}${onLeave && html`<button type="button" class="quiet-button" onClick=${onLeave}>${t("signOut")}</button>`}<button type="button" class="quiet-button" onClick=${onTheme}><${Icon} name="theme" />${t("theme", { theme: t(theme) })}</button></footer>
  </nav>`);

const Entry = memo(({ one, isCurrent, hue, onOpen }) => html`<li>
  <a href=${`#/c/${one.id}`} aria-current=${isCurrent ? "page" : undefined} onClick=${onOpen}>
    <span class="entry-title" dir="auto">${one.title || t("untitled")}</span>
    <span class="entry-about">${one.agent && html`<span data-hue=${hue}><i class="dot"></i>${agentName(one.agent)}</span>`}
      ${!isCurrent && storage.draft(one.id) && html`<em>${t("draft")}</em>`}${one.at > 0 && html`<time>${ago(one.at)}</time>`}</span>
  </a></li>`);
