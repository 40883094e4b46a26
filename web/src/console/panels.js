/** Templates of the panels beside the live list. */
import { html, nothing } from "lit";
import { FIELDS, valueOf } from "./form.js";

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "short" });

export const PANELS = [
  ["held", "Held"], ["bans", "Bans"], ["words", "Words"], ["settings", "Settings"], ["audit", "Audit"],
];

export function clock(at) {
  return html`<time datetime=${new Date(at).toISOString()}>${TIME.format(at)}</time>`;
}

/** @param {import("./desk.js").Desk} desk */
export function held(desk) {
  if (!desk.held.length) return empty("Nothing waits for you.");
  return html`<ul class="cards">${desk.held.map((each) => html`<li class="card" data-id=${each.id}>
    <p class="said"><bdi class="name">${each.user.name}</bdi> ${clock(each.at)} <span class="why">${each.why || "held"}</span></p>
    <p class="text" dir="auto">${each.sticker ? html`<i>${each.sticker}</i> ` : nothing}${each.text}</p>
    <p class="buttons">
      <button class="good" data-act="approve" @click=${() => desk.approve(each)}>Approve</button>
      <button class="bad" data-act="reject" @click=${() => desk.reject(each)}>Reject</button>
      <button data-act="timeout" @click=${() => desk.ban(each.user, "timeout", 600)}>Time out 10 min</button>
      <button data-act="ban" @click=${() => desk.ban(each.user, "ban")}>Ban</button>
    </p></li>`)}</ul>`;
}

/** @param {import("./desk.js").Desk} desk */
export function bans(desk) {
  return html`<form class="line" @submit=${(event) => addBan(event, desk)}>
      <label>User <input name="user" required maxlength="128" autocomplete="off"></label>
      <label>Kind <select name="kind">${["ban", "timeout", "shadow", "hold"].map((kind) => html`<option>${kind}</option>`)}</select></label>
      <label>Seconds <input name="seconds" type="number" min="1" placeholder="for good"></label>
      <label>Reason <input name="reason" maxlength="500" autocomplete="off"></label>
      <button>Add</button>
    </form>
    ${desk.bans.length ? html`<table><thead><tr><th>User</th><th>Kind</th><th>Until</th><th>Reason</th><th></th></tr></thead>
      <tbody>${desk.bans.map((each) => html`<tr data-user=${each.user}>
        <td><bdi>${each.user}</bdi></td><td>${each.kind}</td>
        <td>${each.until === null ? "for good" : DATE.format(each.until)}</td><td dir="auto">${each.reason ?? ""}</td>
        <td><button data-act="unban" @click=${() => desk.unban(each.user)}>Lift</button></td></tr>`)}</tbody></table>`
      : empty("Nobody is banned.")}`;
}

function addBan(event, desk) {
  event.preventDefault();
  const data = new FormData(event.target);
  const user = String(data.get("user"));
  desk.ban({ id: user, name: user }, String(data.get("kind")), Number(data.get("seconds")) || undefined, String(data.get("reason")) || undefined);
  event.target.reset();
}

/** @param {import("./desk.js").Desk} desk @param {{save: (event: Event) => void, attempt: (event: Event) => void}} on */
export function words(desk, on) {
  if (!desk.settings) return empty("…");
  const { words: listed = [], words_action: action = "reject" } = desk.settings.settings;
  return html`<form class="stack" @submit=${on.save}>
      <label for="words">This stream's list: a word or phrase a line; <code>*part*</code> anywhere, <code>!word</code> an
        exception, <code>/pattern/</code> a regular expression</label>
      <textarea id="words" name="words" rows="12" spellcheck="false" .value=${listed.join("\n")}></textarea>
      <label class="line">A comment with one of them is <select name="action">
        <option value="reject" ?selected=${action === "reject"}>refused</option>
        <option value="hold" ?selected=${action === "hold"}>held for review</option></select></label>
      <p class="buttons"><button type="button" data-act="try" @click=${on.attempt}>Try on the last comments</button>
        <button class="good" data-act="save-words">Save</button></p>
    </form>
    <div role="status" aria-live="polite">${desk.trial ? trial(desk.trial) : nothing}</div>`;
}

function trial({ looked_at: lookedAt, count, caught, faults }) {
  return html`${faults.map((fault) => html`<p class="fault">Rule ${1 + Number(fault.at.split(".").at(-1))}: ${fault.detail}</p>`)}
    <p class="result" data-count=${count}>Would have caught <b>${count}</b> of the last ${lookedAt} comments${count ? ":" : "."}</p>
    <ul class="cards">${caught.map(({ comment, rule, disguises }) => html`<li class="card">
      <p class="said"><bdi class="name">${comment.user.name}</bdi> ${clock(comment.at)}
        <span class="why">${rule}${disguises.length ? ` (${disguises.join(", ")})` : ""}</span></p>
      <p class="text" dir="auto">${comment.text}</p></li>`)}</ul>`;
}

/** @param {import("./desk.js").Desk} desk @param {{save: (event: Event) => void, end: () => void}} on */
export function settings(desk, on) {
  if (!desk.settings) return empty("…");
  return html`<form class="fields" @submit=${on.save}>${FIELDS.map((field) => html`<label for=${`f-${field.name}`}>${field.label}</label>
      <span>${input(field, valueOf(desk.settings, field))}${field.hint ? html` <small>${field.hint}</small>` : nothing}</span>`)}
      <p class="buttons"><button class="good" data-act="save-settings">Save</button>
        <button type="button" class="bad" data-act="end" @click=${on.end}>End the stream…</button></p></form>`;
}

function input({ name, kind, max, choices }, value) {
  const id = `f-${name}`;
  switch (kind) {
    case "number": return html`<input id=${id} name=${name} type="number" min="0" max=${max} .value=${String(value)}>`;
    case "flag": return html`<input id=${id} name=${name} type="checkbox" .checked=${value}>`;
    case "choice": return html`<select id=${id} name=${name} .value=${value}>${choices.map((each) => html`<option ?selected=${each === value}>${each}</option>`)}</select>`;
    case "users": return html`<textarea id=${id} name=${name} rows="3" spellcheck="false" .value=${value.join("\n")}></textarea>`;
    default: return html`<input id=${id} name=${name} maxlength="200" .value=${value}>`;
  }
}

/** @param {import("./desk.js").Desk} desk */
export function audit(desk) {
  if (!desk.audit.length) return empty("Nothing was done yet.");
  return html`<table><thead><tr><th>When</th><th>Who</th><th>What</th><th>On</th><th>Outcome</th></tr></thead>
    <tbody>${desk.audit.map((each) => html`<tr class=${each.outcome}><td>${clock(each.at)}</td>
      <td><bdi>${each.actor}</bdi> <small>${each.role}</small></td><td>${each.action}</td>
      <td class="on" dir="auto">${[each.target, each.seconds === null ? null : `${each.seconds} s`, each.reason, each.settings].filter((part) => part).join(" · ")}</td>
      <td>${each.refusal ?? each.outcome}</td></tr>`)}</tbody></table>`;
}

function empty(text) {
  return html`<p class="empty">${text}</p>`;
}
