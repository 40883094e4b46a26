/**
 * How a screen reader hears of comments: each one while they are few, a count now and then while they are
 * many. Pure; time (milliseconds) is an argument.
 */

const WINDOW_MS = 10_000;
/** More comments than this a window are counted, not read out. */
export const READ_OUT_MAX = 10;

export class Announcer {
  /** Whether there are too many to read out. */
  busy = false;
  /** What to say instead. */
  words = "";
  #start = null;
  #count = 0;

  /** Take the news that `count` comments came. */
  came(count, now) {
    this.#start ??= now;
    if (now - this.#start >= WINDOW_MS) {
      this.busy = this.#count > READ_OUT_MAX;
      this.words = this.busy ? `${this.#count} new comments` : "";
      [this.#start, this.#count] = [now, 0];
    }
    this.#count += count;
    if (this.#count > READ_OUT_MAX) this.busy = true;
  }
}
