// Elements out of Markdown tokens. Raw HTML in an answer is shown as the text that it is; nothing ever parses it.

import { html, useRef } from "../vendor/vendor.js";
import { GrowingMarkdown } from "./markdown.js";
import { t } from "./strings.js";
import { CopyButton } from "./ui.js";

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

function plain(text) {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name) return ENTITIES[name] ?? whole;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** The address of a link that may be followed, else null. */
export function safeAddress(href) {
  const text = plain(String(href ?? "")).trim();
  const url = URL.canParse(text) ? new URL(text) : null;
  return url && ["http:", "https:", "mailto:", "tel:"].includes(url.protocol) ? url.href : null;
}

const inside = (token) => (token.tokens ? token.tokens.map(inline) : plain(token.text ?? ""));

function link(token) {
  const href = safeAddress(token.href);
  return href ? html`<a href=${href} target="_blank" rel="noopener noreferrer nofollow">${token.type === "image" ? token.text || href : inside(token)}</a>` : inside(token);
}

const INLINE = {
  strong: (token) => html`<strong>${inside(token)}</strong>`,
  em: (token) => html`<em>${inside(token)}</em>`,
  del: (token) => html`<del>${inside(token)}</del>`,
  codespan: (token) => html`<code>${token.text}</code>`,
  br: () => html`<br />`,
  link,
  image: link, // a picture from elsewhere would tell that site who reads what
  escape: (token) => token.text,
  text: inside,
};
const inline = (token) => INLINE[token.type](token);

const BLOCK = {
  hr: () => html`<hr />`,
  paragraph: (token) => html`<p>${inside(token)}</p>`,
  text: (token) => inside(token),
  // One level below the agent's name whatever the model chose, so that the outline of the page has no gaps.
  heading: (token) => html`<h3 data-depth=${token.depth}>${inside(token)}</h3>`,
  blockquote: (token) => html`<blockquote>${token.tokens.map(block)}</blockquote>`,
  code: (token) => html`<figure class="code">
    <figcaption><span>${token.lang.split(/\s/)[0]}</span><${CopyButton} text=${() => token.text} label=${t("copyCode")} /></figcaption>
    <pre tabindex="0"><code>${token.text}</code></pre>
  </figure>`,
  list: (token) => (token.ordered ? html`<ol start=${token.start || 1}>${token.items.map(item)}</ol>` : html`<ul>${token.items.map(item)}</ul>`),
  table: (token) => html`<div class="table" tabindex="0"><table>
    <thead><tr>${token.header.map((cell) => html`<th scope="col" data-align=${cell.align}>${inside(cell)}</th>`)}</tr></thead>
    <tbody>${token.rows.map((row) => html`<tr>${row.map((cell) => html`<td data-align=${cell.align}>${inside(cell)}</td>`)}</tr>`)}</tbody>
  </table></div>`,
};
const block = (token) => BLOCK[token.type](token);

function item(token) {
  const content = token.tokens.map(block);
  return token.task ? html`<li class="task"><input type="checkbox" checked=${token.checked} disabled aria-label=${plain(token.text).slice(0, 80)} /> ${content}</li>` : html`<li>${content}</li>`;
}

/** Markdown that may still grow. Blocks that are final keep their element: the same vnode is not compared again. */
export function Markdown({ text, live }) {
  const drawn = useRef(null);
  drawn.current ??= { growing: new GrowingMarkdown(), tokens: null, views: [] };
  const now = drawn.current;
  const tail = now.growing.update(text, live);
  if (now.tokens !== now.growing.settled) now.views = [];
  now.tokens = now.growing.settled;
  for (let next = now.views.length; next < now.tokens.length; next += 1) now.views.push(block(now.tokens[next]));
  return html`<div class="markdown">${[...now.views, ...tail.map(block)]}</div>`;
}
