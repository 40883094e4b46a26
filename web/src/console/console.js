/** `<moderator-console>`: sign in with a moderator's token, see the stream, act on it; mouse or keyboard. */
import { LitElement, html, nothing } from "lit";
import { Desk } from "./desk.js";
import { changed, lines } from "./form.js";
import { ACTIONS, list, sparkline } from "./live.js";
import { PANELS, audit, bans, held, settings, words } from "./panels.js";

const KEPT = "livecomments-console";
/** Further from the end than this, new comments do not scroll the list. */
const NEAR_PX = 80;

class ModeratorConsole extends LitElement {
  static properties = { desk: { state: true }, panel: { state: true }, chosen: { state: true }, help: { state: true } };

  constructor() {
    super();
    this.desk = null;
    this.panel = "held";
    this.chosen = "";
    this.help = false;
  }

  /** In the page itself: its style sheet and its labels are the page's. */
  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.keys = (event) => this.#key(event);
    document.addEventListener("keydown", this.keys);
    const given = new URLSearchParams(location.hash.slice(1));
    // A token in the address would stay in the history.
    if (location.hash) history.replaceState(null, "", location.pathname + location.search);
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    const [stream, token] = [given.get("stream") ?? kept?.stream, given.get("token") ?? kept?.token];
    if (stream && token) this.#signIn(stream, token);
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.keys);
    this.desk?.close();
    super.disconnectedCallback();
  }

  render() {
    if (!this.desk || this.desk.state !== "on") return this.#door();
    const { desk } = this;
    return html`<header>
        <h1>${desk.settings?.title || desk.stream}</h1>
        <span class="state ${desk.live}">${desk.stats.state === "ended" ? "ended" : desk.live}</span>
        <dl class="rates">
          <div><dt>Viewers</dt><dd data-rate="viewers">${desk.stats.viewers ?? "–"}</dd></div>
          <div><dt>Events a second</dt><dd data-rate="events">${desk.stats.events_per_second.toFixed(1)}</dd></div>
          <div><dt>Held</dt><dd data-rate="held">${desk.held.length}</dd></div>
          ${desk.stats.sampled ? html`<div><dt>Shown</dt><dd>a sample</dd></div>` : nothing}
        </dl>${sparkline(desk.samples)}
        <button @click=${() => (this.help = !this.help)} aria-expanded=${this.help}>Keys</button>
        <button @click=${() => this.#signOut()}>Sign out</button>
      </header>
      ${this.help ? this.#keysHelp() : nothing}
      ${desk.error ? html`<p class="banner" role="alert">${desk.error}</p>` : nothing}
      <main>
        <section class="live" aria-label="Live stream" @focusin=${(event) => this.#focused(event)}>${this.#pinned()}${list(desk, this.chosen || this.#newest())}</section>
        <section class="side">
          <div role="tablist" aria-label="Panels" @keydown=${(event) => this.#tabKey(event)}>${PANELS.map(([name, label]) => html`<button
            role="tab" id=${`tab-${name}`} aria-controls="panel" aria-selected=${name === this.panel} tabindex=${name === this.panel ? 0 : -1}
            @click=${() => this.#show(name)}>${label}${name === "held" && desk.held.length ? html` <b>${desk.held.length}</b>` : nothing}</button>`)}</div>
          <div role="tabpanel" id="panel" aria-labelledby=${`tab-${this.panel}`}>${this.#panel()}</div>
        </section>
      </main>
      <div class="toast ${desk.toast?.bad ? "bad" : ""}" role="status" aria-live="polite">${desk.toast ? html`<span>${desk.toast.text}</span>
        ${desk.toast.undo ? html`<button data-act="undo" @click=${desk.toast.undo}>Undo</button>` : nothing}
        <button aria-label="Dismiss" @click=${desk.dismiss}>×</button>` : nothing}</div>
      <dialog id="end"><form method="dialog" @submit=${(event) => event.submitter?.value === "end" && desk.end()}>
        <p>End the stream? Nothing more is accepted; what was written stays readable.</p>
        <p class="buttons"><button class="bad" value="end">End it</button><button value="no">No</button></p></form></dialog>`;
  }

  updated() {
    const scroller = this.querySelector(".rows");
    if (scroller && this.atEnd !== false) scroller.scrollTop = scroller.scrollHeight;
    if (scroller && !scroller.watched) {
      scroller.watched = true;
      scroller.addEventListener("scroll", () => {
        this.atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX;
      });
    }
  }

  #door() {
    const refused = this.desk?.state === "refused";
    return html`<form class="door" @submit=${(event) => this.#submitted(event)}>
      <h1>Moderator console</h1>
      <label>Stream <input name="stream" required pattern="[A-Za-z0-9._~\\-]{1,128}" autocomplete="off"></label>
      <label>Token of a creator or moderator <input name="token" required type="password" autocomplete="off"></label>
      <button class="good">Sign in</button>
      ${refused ? html`<p class="fault" role="alert">${this.desk.error}</p>` : nothing}
      <p><small>On your own machine: <code>livecomments token --user me --stream demo --role moderator</code></small></p>
    </form>`;
  }

  #keysHelp() {
    return html`<ul class="keys"><li><kbd>↑</kbd> <kbd>↓</kbd> choose a comment</li>
      ${ACTIONS.map(([, key, label]) => html`<li><kbd>${key}</kbd> ${label}</li>`)}
      <li><kbd>a</kbd> <kbd>x</kbd> approve, reject what waits longest</li><li><kbd>1</kbd>–<kbd>5</kbd> panels</li><li><kbd>u</kbd> undo</li></ul>`;
  }

  #pinned() {
    const { pinned } = this.desk.model;
    return pinned ? html`<p class="pin">Pinned: <bdi class="name">${pinned.user.name}</bdi> <span dir="auto">${pinned.text}</span>
      <button data-act="unpin" @click=${() => this.desk.unpin()}>Unpin</button></p>` : nothing;
  }

  #panel() {
    switch (this.panel) {
      case "bans": return bans(this.desk);
      case "words": return words(this.desk, { save: (event) => this.#saveWords(event), attempt: () => this.#tryWords() });
      case "settings": return settings(this.desk, {
        save: (event) => this.#saveSettings(event), end: () => this.querySelector("#end").showModal(),
      });
      case "audit": return audit(this.desk);
      default: return held(this.desk);
    }
  }

  #show(panel) {
    this.panel = panel;
    this.desk.trial = null;
    this.desk.look(panel);
  }

  #tabKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = PANELS.map(([name]) => name);
    this.#show(names[(names.indexOf(this.panel) + step + names.length) % names.length]);
    this.updateComplete.then(() => this.querySelector(`#tab-${this.panel}`).focus());
  }

  #words() {
    return lines(this.querySelector("#words").value);
  }

  #tryWords() {
    this.desk.tryWords(this.#words());
  }

  #saveWords(event) {
    event.preventDefault();
    this.desk.save({ words: this.#words(), words_action: event.target.elements.action.value });
  }

  #saveSettings(event) {
    event.preventDefault();
    const { elements } = event.target;
    const what = changed(this.desk.settings, (name) => elements[name]);
    if (Object.keys(what).length) this.desk.save(what);
  }

  #submitted(event) {
    event.preventDefault();
    const data = new FormData(event.target);
    this.#signIn(String(data.get("stream")), String(data.get("token")).trim());
  }

  #signIn(stream, token) {
    this.desk?.close();
    sessionStorage.setItem(KEPT, JSON.stringify({ stream, token }));
    this.desk = new Desk(stream, token, () => this.requestUpdate());
  }

  #signOut() {
    sessionStorage.removeItem(KEPT);
    this.desk.close();
    this.desk = null;
  }

  #comments() {
    return this.desk.model.rows.filter((row) => row.kind === "comment");
  }

  #newest() {
    return this.#comments().at(-1)?.key ?? "";
  }

  #focused(event) {
    const key = event.target.closest("[data-key]")?.dataset.key;
    if (key) this.chosen = key;
  }

  #key(event) {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || this.desk?.state !== "on") return;
    const { desk } = this;
    const action = ACTIONS.find(([, key]) => key === event.key);
    const panel = PANELS[Number(event.key) - 1];
    if (event.key === "ArrowUp" || event.key === "ArrowDown") this.#choose(event.key === "ArrowUp" ? -1 : 1, event);
    else if (action) this.#onChosen(action[3]);
    else if (event.key === "a" && desk.held.length) desk.approve(desk.held[0]);
    else if (event.key === "x" && desk.held.length) desk.reject(desk.held[0]);
    else if (event.key === "u") desk.toast?.undo?.();
    else if (panel) this.#show(panel[0]);
  }

  #choose(step, event) {
    if (event.target.closest?.("[role=tablist]")) return;
    event.preventDefault();
    const keys = this.#comments().map((row) => row.key);
    const at = keys.indexOf(this.chosen);
    const next = keys[at < 0 ? keys.length - 1 : Math.min(keys.length - 1, Math.max(0, at + step))];
    if (!next) return;
    this.chosen = next;
    this.updateComplete.then(() => this.querySelector(`[data-key="${CSS.escape(next)}"]`)?.focus());
  }

  /** The row that the keyboard is on, and no other: a list that moves must not change whom a key hits. */
  #onChosen(what) {
    const focused = document.activeElement?.closest?.("[data-key]")?.dataset.key;
    const row = this.#comments().find(({ key }) => key === focused);
    if (row) what(this.desk, row);
  }
}

customElements.define("moderator-console", ModeratorConsole);
