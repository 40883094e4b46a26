/**
 * `<live-board>`: the streams that are watched now, for operators: viewers, comments in and shown, delays, the
 * state of sampling and whether its lanes are fair. Asks the API every two seconds; needs a platform token.
 */
import { LitElement, css, html, nothing, svg } from "lit";
import { SAMPLES_MAX, look, path, spread } from "./history.js";

const ASK_MS = 2_000;
const TOKEN = "livecomments.platform-token";
const [WIDTH, HEIGHT] = [150, 34];
const WHY = { viewers: "many viewers", latency: "served late", setting: "switched on" };

class LiveBoard extends LitElement {
  static properties = { _rows: { state: true }, _fault: { state: true }, _hour: { state: true } };

  #history = new Map();
  #timer = null;

  constructor() {
    super();
    this._rows = null;
    this._fault = "";
    this._hour = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.#ask();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  async #ask() {
    clearTimeout(this.#timer);
    const token = sessionStorage.getItem(TOKEN);
    if (!token) return;
    try {
      const answer = await fetch("v1/live", { headers: { Authorization: `Bearer ${token}` } });
      if (answer.status === 401 || answer.status === 403) {
        sessionStorage.removeItem(TOKEN);
        this._fault = "That token may not see this. It takes one of the platform.";
        this._rows = null;
        return;
      }
      if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
      const { streams } = await answer.json();
      this.#history = look(this.#history, streams);
      [this._rows, this._fault] = [streams, ""];
    } catch (error) {
      this._fault = `No answer: ${error.message}. Asking again…`;
    }
    this.#timer = setTimeout(() => this.#ask(), ASK_MS);
  }

  /** Show what was counted of a stream in the last hour, where the stage `analyse` runs; again hides it. */
  async #show(stream) {
    if (this._hour?.stream === stream) {
      this._hour = null;
      return;
    }
    this._hour = { stream, picture: null, words: "Asking…" };
    let shown;
    try {
      const headers = { Authorization: `Bearer ${sessionStorage.getItem(TOKEN)}` };
      const answer = await fetch(`v1/streams/${encodeURIComponent(stream)}/analytics.svg`, { headers });
      shown = answer.ok
        ? { stream, picture: `data:image/svg+xml,${encodeURIComponent(await answer.text())}`, words: "" }
        : { stream, picture: null, words: answer.status === 404 ? "Nothing was counted." : `The API answered ${answer.status}.` };
    } catch (error) {
      shown = { stream, picture: null, words: `No answer: ${error.message}.` };
    }
    if (this._hour?.stream === stream) this._hour = shown;
  }

  #signIn(event) {
    event.preventDefault();
    sessionStorage.setItem(TOKEN, new FormData(event.target).get("token").trim());
    this._fault = "";
    this.#ask();
  }

  render() {
    return html`
      <header><h1>Live streams</h1><span role="status">${this._fault || this.#summary()}</span></header>
      ${this._rows === null && !sessionStorage.getItem(TOKEN) ? this.#form() : this.#table()}
    `;
  }

  #summary() {
    if (!this._rows) return "";
    const viewers = this._rows.reduce((sum, row) => sum + row.viewers, 0);
    const sampled = this._rows.filter((row) => row.sampled).length;
    return `${number(this._rows.length)} watched · ${number(viewers)} viewers · ${number(sampled)} sampled`;
  }

  #form() {
    return html`<form @submit=${this.#signIn}>
      <label>A platform token <input name="token" type="password" required autocomplete="off" /></label>
      <button>Look</button>
      <p><code>livecomments token --user ops --role platform</code> prints one.</p>
    </form>`;
  }

  #table() {
    if (!this._rows) return html`<p class="empty">Asking…</p>`;
    if (!this._rows.length) return html`<p class="empty">Nobody watches anything now.</p>`;
    return html`<div class="scroll"><table>
      <thead><tr>
        <th scope="col">Stream</th><th scope="col">Viewers</th><th scope="col">Comments a second</th>
        <th scope="col">Delay, 99%</th><th scope="col">Sampling</th><th scope="col">Lanes, 10 s</th>
      </tr></thead>
      <tbody>${this._rows.map((row) => this.#row(row))}</tbody>
    </table></div>`;
  }

  #row(row) {
    const past = this.#history.get(row.id)?.rows ?? [];
    const of = (name) => past.map((each) => each[name]);
    return html`<tr data-stream=${row.id}>
      <th scope="row"><button class="name" title="The last hour" aria-expanded=${this._hour?.stream === row.id}
          @click=${() => this.#show(row.id)}>${row.id}</button><small>${row.edges} ${row.edges === 1 ? "edge" : "edges"}</small></th>
      <td><b>${number(row.viewers)}</b>${row.users === null ? nothing : html`<small>${number(row.users)} users</small>`}
        ${plot("Viewers", [["a", of("viewers")]])}</td>
      <td><b>${number(row.arrivals_per_s)}</b> in, <b class="shown">${number(row.shown_per_s)}</b> shown
        ${plot("Comments in and shown", [["a", of("arrivals_per_s")], ["b", of("shown_per_s")]])}</td>
      <td><b>${row.p99_ms === null ? "–" : `${number(row.p99_ms)} ms`}</b>${row.queue_ms === null
        ? nothing
        : html`<small>queue ${number(row.queue_ms)} ms</small>`}
        ${plot("Delay", [["a", of("p99_ms")]], 300)}</td>
      <td>${row.sampled
        ? html`<span class="on">${WHY[row.why] ?? row.why}</span><small>${row.rate.toFixed(1)}/s a viewer</small>`
        : html`<span class="off">all is shown</span>`}</td>
      <td>${lanes(row)}</td>
    </tr>
    ${this._hour?.stream === row.id
      ? html`<tr class="hour"><td colspan="6">${this._hour.picture
          ? html`<img src=${this._hour.picture} alt="What was said in the last hour, by the minute" />`
          : this._hour.words}</td></tr>`
      : nothing}`;
  }

  static styles = css`
    :host { --a: light-dark(#5b4bea, #8b7dff); --b: light-dark(#0c8a53, #3ddc97); --muted: light-dark(#686a7c, #9496aa);
      --line: light-dark(#e5e5ee, #2a2c39); display: block; max-inline-size: 1280px; margin: auto; padding: 20px; }
    header { display: flex; align-items: baseline; gap: 16px; }
    h1 { font-size: 1.4em; margin: 0 auto 16px 0; }
    [role="status"], small, .off, thead, .empty { color: var(--muted); }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; inline-size: 100%; background: light-dark(#fff, #14151d); border-radius: 14px; }
    th, td { text-align: start; padding: 10px 14px; vertical-align: top; border-block-end: 1px solid var(--line); }
    tbody tr:last-child > * { border: 0; }
    thead th { font-weight: 500; font-size: 0.86em; white-space: nowrap; }
    tbody th { font-weight: 620; overflow-wrap: anywhere; }
    small { display: block; font-weight: 400; }
    b, small { font-variant-numeric: tabular-nums; }
    td small { display: inline; margin-inline-start: 8px; }
    .shown { color: var(--b); }
    .on { padding: 2px 10px; border-radius: 99px; background: color-mix(in srgb, var(--a) 18%, transparent); font-weight: 600; }
    svg { display: block; margin-block-start: 4px; inline-size: 150px; block-size: 34px; overflow: visible; }
    path { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
    .line-a { stroke: var(--a); } .line-b { stroke: var(--b); }
    rect { fill: var(--a); } .limit { stroke: var(--line); stroke-dasharray: 3 3; }
    form { display: grid; gap: 10px; max-inline-size: 420px; }
    input { display: block; inline-size: 100%; box-sizing: border-box; font: inherit; padding: 8px; }
    button { font: inherit; padding: 8px; }
    .name { border: 0; padding: 0; background: none; color: inherit; text-align: start; cursor: pointer; text-decoration: underline dotted; }
    .hour img { max-inline-size: 100%; border-radius: 8px; }
  `;
}

/** Curves of the last three minutes under one scale; `limit` draws a line. */
function plot(words, curves, limit = null) {
  const top = Math.max(1, limit ?? 0, ...curves.flatMap(([, values]) => values.map((each) => each ?? 0)));
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${`${words} over the last ${(SAMPLES_MAX * ASK_MS) / 60_000} minutes`}>
    ${limit === null ? nothing : svg`<path class="limit" d="M0 ${HEIGHT - (limit / top) * HEIGHT}H${WIDTH}" />`}
    ${curves.map(([name, values]) => svg`<path class=${`line-${name}`} d=${path(values, top, WIDTH, HEIGHT)} />`)}
  </svg>`;
}

/** A bar a lane: level bars are fair. */
function lanes(row) {
  const found = row.sampled ? spread(row.lanes) : null;
  if (!found) return html`<span class="off">–</span>`;
  const wide = WIDTH / row.lanes.length;
  return html`<b>${found.least}–${found.most}</b><small>mean ${found.mean.toFixed(1)}</small>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Comments of each lane in ten seconds">
      ${row.lanes.map((count, i) => {
        const height = (count / found.most) * HEIGHT;
        return svg`<rect x=${i * wide} y=${HEIGHT - height} width=${wide * 0.7} height=${height} />`;
      })}
    </svg>`;
}

function number(value) {
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });
}

customElements.define("live-board", LiveBoard);
