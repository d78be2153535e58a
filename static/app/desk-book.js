// A book of the embedded back office: orders or refunds.

import { html } from "../vendor/vendor.js";
import { toolName } from "./names.js";
import { locale, t } from "./strings.js";

/** Rows as they come; on a narrow screen each is a card. */
export function Book({ rows, name }) {
  if (!rows.length) return html`<p class="note">${t("deskEmpty")}</p>`;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((column) => rows.some((row) => row[column] != null && typeof row[column] !== "object"));
  return html`<div class="table" tabindex="0" role="region" aria-label=${name}><table>
    <thead><tr>${columns.map((column) => html`<th scope="col" data-align=${isMoney(column) ? "right" : null}>${heading(column)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${columns.map((column) => html`<td data-align=${isMoney(column) ? "right" : null} data-name=${heading(column)}>${cell(column, row[column])}</td>`)}</tr>`)}</tbody></table></div>`;
}

const isMoney = (column) => column.endsWith("_cents");
const dollars = new Intl.NumberFormat(locale, { style: "currency", currency: "USD" });
export const money = (cents) => dollars.format(cents / 100);
const times = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
export const when = (milliseconds) => times.format(milliseconds);
const heading = (column) => toolName(column.replace(/_cents$/, ""));
const cell = (column, value) => (value == null ? "" : isMoney(column) ? money(value) : /_at$/.test(column) ? when(value) : String(value));
