/** Templates of the list's rows. Names and texts get their own direction, whatever the page's. */
import { html, nothing } from "lit";

const BADGES = { creator: "Creator", moderator: "Mod", platform: "Staff" };
/** Colours of names; `styles.js` has a class for each. */
export const HUES = 12;
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/**
 * @param {import("./model.js").Model["rows"][number]} row
 * @param {string} me  this viewer's user id
 */
export function rowTemplate(row, me) {
  switch (row.kind) {
    case "comment":
      return comment(row, me !== "" && row.user.id === me);
    case "hole":
      return html`<div class="divider hole" title=${`seq ${row.from + 1} to ${row.to}`}><span>${holeWords(row)}</span></div>`;
    default:
      return html`<div class="divider ${row.back ? "back" : "note"}"><span>${row.text}</span></div>`;
  }
}

/** @param {import("./connection.js").Pending} pending */
export function pendingTemplate({ text, state }) {
  return html`<div class="row pending" aria-busy=${state !== "accepted"}>
    <span class="avatar" aria-hidden="true"></span>
    <div class="said"><span class="who">${state === "retrying" ? "Trying again…" : "Sending…"}</span>
      <span class="text" dir="auto">${text}</span></div>
  </div>`;
}

function comment(row, own) {
  const { user, text, sticker, copies, at, seq } = row;
  const badge = BADGES[user.role];
  const name = user.name || user.id;
  const classes = `row h${hue(user.id)} ${badge ? `by-${user.role}` : ""} ${own ? "own" : ""} ${row.late ? "late" : ""}`;
  return html`<div
    class=${classes} data-seq=${seq || nothing} data-id=${row.id}
    title=${row.mine ? "Everybody got a selection, which left this one out. You see your own." : nothing}
  >
    <span class="avatar" aria-hidden="true">${initial(name)}</span>
    <div class="said">
      <span class="who"><bdi class="name">${name}</bdi>${badge ? html`<span class="badge">${badge}</span>` : nothing}${own
        ? html`<span class="badge you">You</span>`
        : nothing}</span>
      <span class="text" dir="auto">${sticker ? html`<span class="sticker">${sticker}</span> ` : nothing}${text}</span>${copies > 1
        ? html`<span class="copies" title=${`${copies} said the same`}>×${copies}</span>`
        : nothing}
    </div>
    <time datetime=${new Date(at).toISOString()}>${clock(at)}</time>
  </div>`;
}

/** What is missing, in words. */
export function holeWords({ from, to, reason }) {
  const count = to - from;
  if (reason === "epoch") return "The stream's history starts anew here";
  if (count === 0) return "It is not known whether comments are missing here";
  const what = count === 1 ? "1 comment" : `${count.toLocaleString()} comments`;
  if (reason === "late") return `${what} skipped, to stay live`;
  return reason === "slow" ? `${what} skipped: your connection was slow` : `${what} not loaded`;
}

/** Which of the colours a user has, the same everywhere: FNV-1a of the id. */
export function hue(id) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % HUES;
}

function initial(name) {
  const first = [...name.replace(/^@/, "")][0] ?? "?";
  return first.toLocaleUpperCase();
}

function clock(at) {
  return CLOCK.format(at);
}
