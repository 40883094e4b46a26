/** Comments a second over the last minute, from a running count. Pure; time (milliseconds) is an argument. */

export const SECONDS = 60;

export class Pace {
  /** Oldest first; the last is the second that runs. */
  seconds = new Array(SECONDS).fill(0);
  #second = null;
  #count = 0;

  /** The last whole second's. */
  get now() {
    return this.seconds[SECONDS - 2];
  }

  /** Take the running count. */
  at(count, now) {
    const second = Math.floor(now / 1000);
    this.#second ??= second;
    for (let i = Math.min(second - this.#second, SECONDS); i > 0; i -= 1) {
      this.seconds.shift();
      this.seconds.push(0);
    }
    this.#second = second;
    this.seconds[SECONDS - 1] += Math.max(0, count - this.#count);
    this.#count = count;
  }
}
