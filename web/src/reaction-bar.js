/** Templates of the reaction buttons, and of what floats up. What counts is in `reactions`. */
import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { picture, short } from "./reactions.js";

/**
 * @param {readonly string[]} emoji
 * @param {Record<string, number> | null} totals
 * @param {boolean} shut   nothing can be tapped
 * @param {(emoji: string) => void} tap
 */
export function reactionBar(emoji, totals, shut, tap) {
  const all = [...new Set([...emoji, ...Object.keys(totals ?? {})])];
  return html`<div class="reactions" part="reactions" role="group" aria-label="Reactions">
    ${all.map((each) => {
      const total = totals?.[each] ?? 0;
      return html`<button
        type="button" class="reaction" ?disabled=${shut} data-emoji=${each} @click=${() => tap(each)}
        aria-label=${total ? `${each}, ${total.toLocaleString()} so far` : each}
      ><span aria-hidden="true">${picture(each)}</span>${total ? html`<b aria-hidden="true">${short(total)}</b>` : nothing}</button>`;
    })}
  </div>`;
}

/**
 * @param {{key: number, emoji: string, x: number, drift: number, delay: number}[]} floating
 * @param {(key: number) => void} gone
 */
export function floatLayer(floating, gone) {
  return html`<div class="floats" aria-hidden="true">
    ${repeat(floating, ({ key }) => key, ({ key, emoji, x, drift, delay }) => html`<span
      class="float" style=${`inset-inline-end:${x}%;--drift:${drift}px;animation-delay:${delay}ms`}
      @animationend=${() => gone(key)}
    >${picture(emoji)}</span>`)}
  </div>`;
}
