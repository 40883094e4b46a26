/** The histogram of a time-line, as shapes. Pure. */

/**
 * Heights of bars, 0 to 1. A square root, so that the quiet parts can be seen beside the busiest.
 *
 * @param {number[]} counts
 */
export function heights(counts) {
  const most = Math.max(1, ...counts);
  return counts.map((count) => (count ? Math.max(0.06, Math.sqrt(count / most)) : 0));
}

/**
 * Bars as one SVG path in a box of `width` × `height`, standing on its lower edge.
 *
 * @param {number[]} counts
 */
export function barsPath(counts, width, height) {
  const step = width / Math.max(1, counts.length);
  const thick = step * 0.72;
  return heights(counts)
    .map((tall, i) => (tall ? `M${round(i * step)} ${height}v${round(-tall * height)}h${round(thick)}V${height}z` : ""))
    .join("");
}

/** Where most was said: the middle of the busiest part, in ms; null where nothing was. */
export function busiest(counts, bucketMs) {
  const most = Math.max(0, ...counts);
  return most ? counts.indexOf(most) * bucketMs : null;
}

/** Comments a minute in the part of a position. */
export function rateAt(counts, bucketMs, positionMs) {
  const count = counts[Math.floor(positionMs / bucketMs)] ?? 0;
  return (count * 60_000) / bucketMs;
}

function round(value) {
  return Math.round(value * 100) / 100;
}
