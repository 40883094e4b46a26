/** What was seen of each stream over the last minutes, and curves of it. Pure. */

export const SAMPLES_MAX = 90;
/** Streams that are gone are forgotten after so many looks. */
const GONE_LOOKS = 15;

/**
 * @typedef {{id: string, viewers: number, arrivals_per_s: number, shown_per_s: number, p99_ms: number | null}} Row
 * @typedef {Map<string, {rows: Row[], missed: number}>} History
 */

/**
 * Add a look at all streams.
 *
 * @param {History} history
 * @param {Row[]} rows
 * @returns {History}
 */
export function look(history, rows) {
  const next = new Map();
  for (const [id, { rows: past, missed }] of history) {
    if (missed < GONE_LOOKS) next.set(id, { rows: past, missed: missed + 1 });
  }
  for (const row of rows) {
    const past = next.get(row.id)?.rows ?? [];
    next.set(row.id, { rows: [...past, row].slice(-SAMPLES_MAX), missed: 0 });
  }
  return next;
}

/**
 * A curve as an SVG path in a box of `width` × `height`; null where nothing is known is a break.
 *
 * @param {(number | null)[]} values  oldest first
 * @param {number} top  what the box's upper edge stands for
 */
export function path(values, top, width, height) {
  const step = width / (SAMPLES_MAX - 1);
  const start = width - step * (values.length - 1);
  let drawing = false;
  return values
    .map((value, i) => {
      if (value === null) {
        drawing = false;
        return "";
      }
      const command = drawing ? "L" : "M";
      drawing = true;
      return `${command}${round(start + i * step)} ${round(height - (Math.min(value, top) / top) * height)}`;
    })
    .join("");
}

/** How unequal lanes are: the most and the fewest against the mean, and bars for each. */
export function spread(lanes) {
  const total = lanes.reduce((sum, each) => sum + each, 0);
  if (!total) return null;
  const mean = total / lanes.length;
  return { mean, least: Math.min(...lanes), most: Math.max(...lanes) };
}

function round(value) {
  return Math.round(value * 10) / 10;
}
