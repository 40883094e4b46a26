/**
 * Emoji reactions: totals as the server counts them, and what floats up when they grow. Pure.
 *
 * The server tells totals, never steps: what is missed in between is in the next ones, and nothing has to be
 * added up. What floats is the difference to the totals before, thinned out.
 */

/** What can be tapped, unless the page says otherwise; the server has a list too. */
export const EMOJI = ["❤", "👍", "😂", "😮", "😢", "👏", "🔥", "🎉"];
/** Of one emoji at once, however many were tapped. */
export const FLOATS_MAX = 6;
/** On the screen at once. */
export const FLOATING_MAX = 40;

/**
 * @param {Record<string, number> | null} before  totals; null: none are known yet
 * @param {Record<string, number>} now
 * @returns {string[]}  emoji that float up, most of those that grew most
 */
export function floats(before, now) {
  if (!before) return [];
  return Object.entries(now).flatMap(([emoji, total]) => {
    const more = total - (before[emoji] ?? 0);
    const count = more > 0 ? Math.min(FLOATS_MAX, Math.ceil(Math.log2(more + 1))) : 0;
    return Array(count).fill(emoji);
  });
}

/** Totals are totals: none of them goes back, whatever comes late. */
export function merged(before, now) {
  const next = { ...before };
  for (const [emoji, total] of Object.entries(now)) {
    if (Number.isFinite(total)) next[emoji] = Math.max(next[emoji] ?? 0, total);
  }
  return next;
}

/** As a picture: some emoji are old characters, and text unless told otherwise. */
export function picture(emoji) {
  return emoji.length === 1 ? `${emoji}\uFE0F` : emoji;
}

const SHORT = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

/** 12,345 → "12.3K". */
export function short(total) {
  return SHORT.format(total);
}
