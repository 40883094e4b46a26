/** Templates of the live list, and which key does what on its rows. */
import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { holeWords } from "../rows.js";
import { clock } from "./panels.js";

/**
 * One-click actions: [name, key, words, what, label]. `what` gets the desk and the row.
 *
 * @type {[string, string, string, (desk: import("./desk.js").Desk, row: object) => unknown, string][]}
 */
export const ACTIONS = [
  ["delete", "d", "Delete", (desk, row) => desk.remove(row), "Delete"],
  ["timeout", "t", "Time out 10 min", (desk, row) => desk.ban(row.user, "timeout", 600), "Time out"],
  ["ban", "b", "Ban", (desk, row) => desk.ban(row.user, "ban"), "Ban"],
  ["shadow", "s", "Shadow-ban", (desk, row) => desk.ban(row.user, "shadow"), "Shadow"],
  ["withdraw", "w", "Take down for review", (desk, row) => desk.withdraw(row), "Review"],
  ["hold", "h", "Hold their comments", (desk, row) => desk.ban(row.user, "hold"), "Hold"],
  ["clear", "c", "Clear all they wrote", (desk, row) => desk.clear(row.user), "Clear"],
  ["pin", "p", "Pin", (desk, row) => desk.pin(row), "Pin"],
];

/**
 * @param {import("./desk.js").Desk} desk
 * @param {string} chosen  key of the row that the keyboard is on
 */
export function list(desk, chosen) {
  const { rows } = desk.model;
  return html`<ol class="rows" aria-label="Live comments">${repeat(rows, (row) => row.key, (row) => item(desk, row, row.key === chosen))}</ol>`;
}

function item(desk, row, isChosen) {
  if (row.kind === "hole") return html`<li class="note">${holeWords(row)}</li>`;
  if (row.kind !== "comment") return html`<li class="note">${row.text}</li>`;
  const pinned = desk.model.pinned?.id === row.id;
  return html`<li class="comment ${pinned ? "pinned" : ""}" data-key=${row.key} data-id=${row.id} tabindex=${isChosen ? 0 : -1}>
    <span class="what">${clock(row.at)} <bdi class="name" title=${row.user.id}>${row.user.name}</bdi>
      ${row.user.role === "viewer" ? nothing : html`<span class="badge">${row.user.role}</span>`}
      <span class="text" dir="auto">${row.sticker ? html`<i>${row.sticker}</i> ` : nothing}${row.text}</span></span>
    <span class="tools" role="group" aria-label=${`On this comment of ${row.user.name}`}>${ACTIONS.map(([name, key, words, what, label]) => html`<button
      data-act=${name} tabindex=${isChosen ? 0 : -1} title=${`${words} (${key})`} aria-label=${words}
      @click=${() => what(desk, row)}>${label}</button>`)}</span></li>`;
}

/** A line of what went by in the last minute. @param {number[]} samples */
export function sparkline(samples) {
  const top = Math.max(1, ...samples);
  const points = samples.map((value, at) => `${at * 2},${24 - (value / top) * 22}`).join(" ");
  return html`<svg class="spark" viewBox="0 0 120 26" width="120" height="26" role="img" aria-label="Events a second, the last minute">
    <polyline points=${points} fill="none" stroke="currentColor" stroke-width="1.5"></polyline></svg>`;
}
