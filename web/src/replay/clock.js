/**
 * Where a video is: a position that goes on at a speed, or stands. Pure; `now` is in milliseconds.
 *
 * @typedef {object} Clock
 * @property {number} positionMs  where it was at `since`
 * @property {number} since
 * @property {number} speed
 * @property {boolean} paused
 * @property {number} durationMs  it stops there
 */

export const SPEEDS = [0.5, 1, 1.5, 2, 4, 8];

/** @returns {Clock} */
export function stopped(durationMs = 0) {
  return { positionMs: 0, since: 0, speed: 1, paused: true, durationMs };
}

/** The position. @param {Clock} clock */
export function at(clock, now) {
  const gone = clock.paused ? 0 : Math.max(0, now - clock.since) * clock.speed;
  return clamp(clock.positionMs + gone, clock.durationMs);
}

/** Whether it has come to its end by itself. @param {Clock} clock */
export function over(clock, now) {
  return !clock.paused && at(clock, now) >= clock.durationMs;
}

/**
 * Go on otherwise: what is not named stays as it is.
 *
 * @param {Clock} clock
 * @param {{positionMs?: number, speed?: number, paused?: boolean, durationMs?: number}} change
 * @returns {Clock}
 */
export function changed(clock, now, change) {
  const durationMs = change.durationMs ?? clock.durationMs;
  const positionMs = clamp(change.positionMs ?? at(clock, now), durationMs);
  return { positionMs, since: now, speed: change.speed ?? clock.speed, paused: change.paused ?? clock.paused, durationMs };
}

/** The next speed up (`step` 1) or down (-1). */
export function nextSpeed(speed, step) {
  const index = SPEEDS.findIndex((each) => each >= speed);
  return SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, (index < 0 ? SPEEDS.length - 1 : index) + step))];
}

/** `1:02:03`, or `2:03` where it is less than an hour. */
export function clockText(ms) {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** The same for those who hear it: `1 hour 2 minutes 3 seconds`. */
export function spokenText(ms) {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  const parts = [[Math.floor(seconds / 3600), "hour"], [Math.floor(seconds / 60) % 60, "minute"], [seconds % 60, "second"]];
  const said = parts.filter(([value]) => value).map(([value, unit]) => `${value} ${unit}${value === 1 ? "" : "s"}`);
  return said.join(" ") || "0 seconds";
}

function clamp(value, most) {
  return Math.min(Math.max(0, value), most);
}
