/**
 * `<live-comments stream="…" url="wss://…" token="…">`: a live chat, read and written.
 *
 * Everything that is decided is in `connection`, `model` and `position`; this renders it, once a frame at
 * most. Theme it with the CSS variables of `styles.js`; `theme="light|dark"` overrides the system's choice.
 *
 * `video="#player"` (a selector, or the element as a property): a replay, in step with that video; nothing can be
 * written then. `replay-href`: where a stream that has ended is watched again. `makeConnection` (function): shows
 * another connection, as the replay page does.
 *
 * Properties: `stream`, `url` (default: this host's edge), `token` (none: a guest, read-only), `getToken`
 * (function, called when the token has expired), `heading`, `pace` (read-only). Methods: `goOffline()`,
 * `goOnline()`, `snapshot()`. Event `live-change`: something changed, at most once a frame.
 */
import { LitElement, html, nothing } from "lit";
import { guard } from "lit/directives/guard.js";
import { live } from "lit/directives/live.js";
import { repeat } from "lit/directives/repeat.js";
import { Announcer } from "./announcer.js";
import { LiveConnection } from "./connection.js";
import { oneOf } from "./model.js";
import { floatLayer, reactionBar } from "./reaction-bar.js";
import { EMOJI, FLOATING_MAX } from "./reactions.js";
import { VideoConnection } from "./replay/video.js";
import { pendingTemplate, rowTemplate } from "./rows.js";
import { styles } from "./styles.js";

export const TEXT_CHARS_MAX = 500;
/** Below this many characters left, the input says how many. */
const TEXT_CHARS_WARN = 80;
/** How near the end, in pixels, still counts as the end. */
const STICK_PX = 48;

const STATES = { live: "Live", connecting: "Connecting…", offline: "Offline", refused: "Disconnected" };

export class LiveComments extends LitElement {
  static styles = styles;
  static properties = {
    stream: {},
    url: {},
    token: {},
    theme: { reflect: true },
    heading: {},
    getToken: { attribute: false },
    emoji: { attribute: false },
    video: {},
    makeConnection: { attribute: false },
    replayHref: { attribute: "replay-href" },
    _status: { state: true },
  };

  #connection = null;
  #stuck = true;
  #unseen = 0;
  #lastCount = 0;
  #refusal = "";
  #waitUntil = 0;
  #waitTimer = null;
  #draft = "";
  #announcer = new Announcer();
  #floating = [];
  #floated = 0;

  constructor() {
    super();
    this.heading = "Live chat";
    this.emoji = EMOJI;
  }

  connectedCallback() {
    super.connectedCallback();
    if (this.hasUpdated) this.#open(); // it was taken out and put back; at first, `willUpdate` opens
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#connection?.close();
    this.#connection = null;
    clearInterval(this.#waitTimer);
  }

  /** Drop the connection, keeping the place. */
  goOffline() {
    this.#connection?.disconnect();
  }

  /** Come back to where it was left. */
  goOnline() {
    this.#connection?.connect();
  }

  /** What this viewer has and where it is, as plain data. */
  snapshot() {
    const connection = this.#connection;
    if (!connection) return { state: "offline", reason: "", seq: 0, epoch: "", count: 0, gaps: 0, duplicates: 0, seqs: [] };
    const { status, reason, position, tally, model, lastCatchUp, me, readOnly } = connection;
    const { count, omitted, gaps, healed, holes, trimmed, duplicates, malformed, seqs } = tally;
    return {
      state: status, reason, me, readOnly, lastCatchUp, viewers: model.viewers, rows: model.rows.length,
      seq: position.seq ?? position.floor, epoch: position.epoch ?? "",
      count, omitted, gaps, healed, holes, trimmed, duplicates, malformed, seqs,
    };
  }

  /** Comments a second over the last minute; null without a stream. @returns {import("./pace.js").Pace | null} */
  get pace() {
    return this.#connection?.pace ?? null;
  }

  /** One render a frame, however many publications came. */
  async scheduleUpdate() {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    super.scheduleUpdate();
  }

  willUpdate(changed) {
    if (!this.hasUpdated || ["stream", "url", "token", "video"].some((name) => changed.has(name))) this.#open();
  }

  updated() {
    if (this.#stuck) this.#scrollToEnd();
    this.dispatchEvent(new CustomEvent("live-change", { bubbles: true, composed: true }));
  }

  #open() {
    this.#connection?.close();
    this.#connection = null;
    [this.#unseen, this.#lastCount, this.#refusal, this.#stuck] = [0, 0, "", true];
    if (!this.stream) return;
    const video = typeof this.video === "string" ? document.querySelector(this.video) : this.video;
    const make = this.makeConnection ?? ((each) => (video ? new VideoConnection(video, each) : new LiveConnection(each)));
    this.#connection = make({
      url: this.url || edgeHere(),
      stream: this.stream,
      token: this.token,
      getToken: this.getToken,
      onChange: () => this.#changed(),
      onNotice: (message) => this.#refuse(message, 0),
      onReactions: (came) => this.#float(came),
    });
    this.#connection.connect();
  }

  #changed() {
    const { count } = this.#connection?.tally ?? { count: 0 };
    const came = count - this.#lastCount;
    this.#lastCount = count;
    if (!this.#stuck) this.#unseen += came;
    this.#announcer.came(came, performance.now());
    this.requestUpdate();
  }

  render() {
    const connection = this.#connection;
    if (!connection) return html`<p class="empty">No stream is chosen.</p>`;
    const { model } = connection;
    return html`
      ${this.#header(connection)} ${this.#banners(model)}
      <div class="body">
        <div
          id="log" class="log" part="log" role="log" tabindex="0" aria-label="Comments"
          aria-live=${this.#announcer.busy ? "off" : "polite"} aria-relevant="additions"
          @scroll=${this.#scrolled} @keydown=${this.#logKey}
        >
          <div class="rows">
            ${model.rows.length ? nothing : html`<p class="empty">${emptyText(connection)}</p>`}
            ${repeat(model.rows, (row) => row.key, (row) => guard([row, connection.me], () => rowTemplate(row, connection.me)))}
            ${repeat(connection.pending, ({ id }) => id, pendingTemplate)}
          </div>
        </div>
        ${this.#stuck ? nothing : this.#newButton()}
        ${floatLayer(this.#floating, (key) => this.#landed(key))}
      </div>
      ${connection.replayed ? nothing : this.#below(connection)}
      <p class="unseen" role="status">${this.#announcer.words}</p>
    `;
  }

  #below(connection) {
    const { model } = connection;
    return html`
      ${reactionBar(this.emoji, model.reactions, connection.readOnly || connection.status !== "live", (emoji) => connection.react(emoji))}
      ${this.#composer(connection)} ${this.#footer(connection)}
    `;
  }

  #header({ status, reason, model, replayed }) {
    return html`<header part="header">
      <h2>${this.heading}</h2>
      ${model.viewers >= 0
        ? html`<span class="viewers" title="Viewers">${eyeIcon}${number(model.viewers)}
            <span class="unseen">${model.viewers === 1 ? "viewer" : "viewers"}</span></span>`
        : nothing}
      <span class="state ${status}" role="status" title=${reason || nothing}>${replayed && status === "live" ? "Replay" : STATES[status]}</span>
    </header>`;
  }

  #banners(model) {
    const one = oneOf(model);
    return html`
      ${model.stale ? html`<p class="banner warn" role="status">Comments are delayed: the server is catching up.</p>` : nothing}
      ${model.sampling
        ? html`<p class="banner">${one > 1 ? `1 of ${number(one)} shown` : "A selection is shown"}<span>
            · this stream is busy; you always see your own</span></p>`
        : nothing}
      ${model.pinned
        ? html`<div class="banner pinned"><b>Pinned · <bdi>${model.pinned.user.name}</bdi></b>
            <span dir="auto">${model.pinned.text}</span></div>`
        : nothing}
    `;
  }

  /** Let emoji rise; not for those who asked for less motion. */
  #float(came) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches || document.hidden) return;
    for (const emoji of came.slice(0, FLOATING_MAX - this.#floating.length)) {
      const [x, drift, delay] = [4 + Math.random() * 22, (Math.random() - 0.5) * 60, Math.random() * 400];
      this.#floated += 1;
      this.#floating = [...this.#floating, { key: this.#floated, emoji, x, drift, delay }];
    }
    this.requestUpdate();
  }

  #landed(key) {
    this.#floating = this.#floating.filter((each) => each.key !== key);
    this.requestUpdate();
  }

  #newButton() {
    const words = this.#unseen === 1 ? "1 new comment" : `${number(this.#unseen)} new comments`;
    return html`<button class="new" @click=${this.#toEnd}>
      <span aria-hidden="true">↓</span> ${this.#unseen ? words : "Latest comments"}
    </button>`;
  }

  #composer(connection) {
    const seconds = Math.ceil((this.#waitUntil - performance.now()) / 1000);
    const { readOnly, model } = connection;
    const shut = readOnly || model.ended;
    const hint = model.ended ? "The stream has ended" : readOnly ? "You are watching as a guest" : "Say something…";
    const left = TEXT_CHARS_MAX - this.#draft.length;
    return html`<form part="composer" @submit=${this.#submit}>
      ${model.ended && this.replayHref
        ? html`<p class="again"><a href=${this.replayHref}>Watch it again, with what was said</a></p>`
        : nothing}
      ${this.#refusal
        ? html`<p class="refusal" role="alert">${this.#refusal}
            <button type="button" aria-label="Dismiss" @click=${() => this.#refuse("", 0)}>×</button></p>`
        : nothing}
      <div class="field">
        <input
          id="text" dir="auto" autocomplete="off" enterkeyhint="send" aria-label="Your comment"
          maxlength=${TEXT_CHARS_MAX} placeholder=${hint} ?disabled=${shut}
          .value=${live(this.#draft)} @input=${this.#typed} @keydown=${this.#inputKey}
        />
        ${left <= TEXT_CHARS_WARN ? html`<span class="left" aria-hidden="true">${left}</span>` : nothing}
        <button
          class="send" part="send" ?disabled=${shut || seconds > 0 || !this.#draft.trim()}
          aria-label=${seconds > 0 ? `Send, in ${seconds} seconds` : "Send"}
        >${seconds > 0 ? html`<span class="wait">${seconds}</span>` : sendIcon}</button>
      </div>
    </form>`;
  }

  #footer({ position, model, readOnly }) {
    return html`<footer part="footer">
      <span>${model.slowSeconds ? `Slow mode · ${model.slowSeconds} s` : readOnly ? "Read-only" : "Be kind"}</span>
      <code title="Position in the stream: sequence number and epoch"
        >seq ${number(position.seq ?? position.floor)}${position.epoch ? html` · ${position.epoch}` : nothing}</code>
    </footer>`;
  }

  async #submit(event) {
    event.preventDefault();
    const text = this.#draft.trim();
    if (!text || performance.now() < this.#waitUntil) return;
    this.#setDraft("");
    this.#refuse("", 0);
    this.#toEnd();
    const posted = await this.#connection.post(text);
    if (posted.kind === "accepted") return;
    this.#refuse(posted.message, posted.waitSeconds);
    if (!this.#draft) this.#setDraft(text); // nobody types a refused comment again
  }

  #refuse(message, waitSeconds) {
    this.#refusal = message;
    if (waitSeconds > 0) this.#countDown(waitSeconds);
    this.requestUpdate();
  }

  #countDown(seconds) {
    this.#waitUntil = performance.now() + seconds * 1000;
    clearInterval(this.#waitTimer);
    this.#waitTimer = setInterval(() => {
      if (performance.now() >= this.#waitUntil) {
        clearInterval(this.#waitTimer);
        this.#refusal = "";
      }
      this.requestUpdate();
    }, 250);
  }

  #typed(event) {
    this.#draft = event.target.value;
    this.requestUpdate();
  }

  /** Enter sends what is typed, even before the button that it would press was rendered anew. */
  #inputKey(event) {
    if (event.key === "Enter" && !event.isComposing) this.#submit(event);
  }

  #setDraft(text) {
    this.#draft = text;
    this.requestUpdate();
  }

  #scrolled(event) {
    const { scrollHeight, scrollTop, clientHeight } = event.target;
    const atEnd = scrollHeight - scrollTop - clientHeight < STICK_PX;
    if (atEnd === this.#stuck) return;
    this.#stuck = atEnd;
    if (atEnd) this.#unseen = 0;
    this.requestUpdate();
  }

  #logKey(event) {
    if (event.key !== "End") return;
    event.preventDefault();
    this.#toEnd();
  }

  #toEnd() {
    [this.#stuck, this.#unseen] = [true, 0];
    this.#scrollToEnd();
    this.requestUpdate();
  }

  #scrollToEnd() {
    const log = this.renderRoot.querySelector("#log");
    if (log) log.scrollTop = log.scrollHeight;
  }
}

const eyeIcon = html`<svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true">
  <path fill="none" stroke="currentColor" stroke-width="2" d="M2 12s3.6-6.5 10-6.5S22 12 22 12s-3.6 6.5-10 6.5S2 12 2 12Z" />
  <circle cx="12" cy="12" r="3" fill="currentColor" />
</svg>`;

const sendIcon = html`<svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true">
  <path fill="currentColor" d="M3.4 20.4 21 12.9a1 1 0 0 0 0-1.8L3.4 3.6a.6.6 0 0 0-.8.7L4.6 11l8.4 1-8.4 1-2 6.7a.6.6 0 0 0 .8.7Z" />
</svg>`;

function emptyText({ status, reason, replayed }) {
  if (status === "refused") return `The server ended the connection: ${reason || "no reason given"}.`;
  if (replayed && status === "live") return "Nobody has said anything yet.";
  return status === "live" ? "No comments yet. Say the first word." : "Waiting for the stream…";
}

function number(value) {
  return value.toLocaleString();
}

/** The WebSocket address of the edge that served this page. */
function edgeHere() {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/connection/websocket`;
}

if (!customElements.get("live-comments")) customElements.define("live-comments", LiveComments);
