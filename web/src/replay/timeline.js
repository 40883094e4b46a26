/**
 * `<replay-timeline>`: where a video is, over a histogram of its comments; a slider for mouse, touch and keys.
 *
 * Properties: `counts` and `bucketMs` (the histogram), `duration` and `position` (ms). Event `seek`, with
 * `detail.positionMs`: the viewer wants to be elsewhere.
 */
import { LitElement, css, html, nothing, svg } from "lit";
import { guard } from "lit/directives/guard.js";
import { live } from "lit/directives/live.js";
import { barsPath, rateAt } from "./bars.js";
import { clockText, spokenText } from "./clock.js";

const [WIDTH, HEIGHT] = [1000, 60];
/** What arrows and page keys move by. */
const STEPS_MS = { ArrowLeft: -5_000, ArrowRight: 5_000, ArrowDown: -5_000, ArrowUp: 5_000, PageDown: -60_000, PageUp: 60_000 };

class ReplayTimeline extends LitElement {
  static properties = {
    counts: { attribute: false },
    bucketMs: { attribute: false },
    duration: { type: Number },
    position: { type: Number },
    _hover: { state: true },
  };

  constructor() {
    super();
    [this.counts, this.bucketMs, this.duration, this.position, this._hover] = [[], 1, 0, 0, null];
  }

  render() {
    const share = this.duration ? Math.min(1, this.position / this.duration) : 0;
    const scale = this.bucketMs * this.counts.length;
    // The last part of the histogram ends a little behind the stream's last moment.
    const width = this.duration && scale ? (WIDTH * scale) / this.duration : WIDTH;
    const bars = guard([this.counts, width], () => svg`<path d=${barsPath(this.counts, width, HEIGHT)} />`);
    return html`
      <div class="box" style="--at:${share * 100}%" @pointermove=${this.#hovered} @pointerleave=${() => (this._hover = null)}>
        <svg class="bars all" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">${bars}</svg>
        <svg class="bars played" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">${bars}</svg>
        <i class="head"></i>
        <input
          type="range" min="0" max=${this.duration} step="any" .value=${live(String(this.position))} aria-label="Position in the stream"
          aria-valuetext=${`${spokenText(this.position)} of ${spokenText(this.duration)}`}
          @input=${(event) => this.#seek(Number(event.target.value))} @keydown=${this.#key}
        />
        ${this._hover === null ? nothing : this.#tip()}
      </div>`;
  }

  #tip() {
    const rate = Math.round(rateAt(this.counts, this.bucketMs, this._hover));
    return html`<span class="tip" style="--tip:${(this._hover / this.duration) * 100}%"
      >${clockText(this._hover)}<small>${rate.toLocaleString()} a minute</small></span>`;
  }

  #hovered(event) {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    this._hover = this.duration ? Math.min(1, Math.max(0, (event.clientX - left) / width)) * this.duration : null;
  }

  #key(event) {
    const step = STEPS_MS[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation(); // the page has keys of its own
    this.#seek(this.position + step);
  }

  #seek(to) {
    const positionMs = Math.min(Math.max(0, to), this.duration);
    this.position = positionMs;
    this.dispatchEvent(new CustomEvent("seek", { detail: { positionMs }, bubbles: true }));
  }

  static styles = css`
    :host { display: block; }
    .box { position: relative; block-size: 64px; border-radius: 10px; }
    .bars { position: absolute; inset: 0; inline-size: 100%; block-size: calc(100% - 4px); fill: currentColor; }
    .all { color: color-mix(in srgb, var(--muted) 38%, transparent); border-block-end: 4px solid color-mix(in srgb, var(--muted) 25%, transparent); }
    .played { color: var(--accent); clip-path: inset(0 calc(100% - var(--at)) 0 0); border-block-end: 4px solid var(--accent); }
    .bars { box-sizing: content-box; border-radius: 2px; }
    .head { position: absolute; inset-block: 0 -2px; left: var(--at); inline-size: 2px; margin-inline-start: -1px; background: var(--text); border-radius: 2px; pointer-events: none; }
    .head::after { content: ""; position: absolute; inset-block-end: -4px; left: -6px; inline-size: 14px; block-size: 14px; border-radius: 50%; background: var(--text); box-shadow: 0 1px 5px #0006; }
    input { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; margin: 0; opacity: 0; cursor: pointer; }
    .box:has(input:focus-visible) { outline: 2px solid var(--accent); outline-offset: 6px; }
    .tip {
      position: absolute; inset-block-end: calc(100% + 6px); left: clamp(44px, var(--tip), calc(100% - 44px)); translate: -50%; padding: 3px 9px;
      border-radius: 8px; background: var(--text); color: var(--card); font-size: 12px; font-weight: 650; white-space: nowrap;
      text-align: center; pointer-events: none; font-variant-numeric: tabular-nums;
    }
    .tip small { display: block; font-size: 11px; font-weight: 500; opacity: 0.75; }
  `;
}

customElements.define("replay-timeline", ReplayTimeline);
