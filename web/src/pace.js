/**
 * Comments a second over the last minute, by the time they were said: what is caught up falls where it
 * belongs, and fills the hole that being away left. Pure; time (milliseconds since 1970) is an argument.
 */

export const SECONDS = 60;
/** Over so many whole seconds the rate is a mean. */
const RATE_SECONDS = 5;
/** How far a server's clock may be ahead of this one before its times are not believed. */
const AHEAD_MS_MAX = 5_000;

export class Pace {
  #counts = new Map();

  /** Take events that were shown. */
  take(events, now) {
    for (const { type, at } of events) {
      if (type !== "comment" || !(at <= now + AHEAD_MS_MAX)) continue;
      const second = Math.floor(at / 1000);
      this.#counts.set(second, (this.#counts.get(second) ?? 0) + 1);
    }
    if (this.#counts.size > 2 * SECONDS) this.#forget(now);
  }

  /** Counts of the last minute, oldest first; the last is the second that runs. */
  seconds(now) {
    const last = Math.floor(now / 1000);
    return Array.from({ length: SECONDS }, (_, i) => this.#counts.get(last - SECONDS + 1 + i) ?? 0);
  }

  /** The mean of the last whole seconds. */
  rate(now) {
    const counts = this.seconds(now).slice(-1 - RATE_SECONDS, -1);
    return counts.reduce((sum, count) => sum + count, 0) / RATE_SECONDS;
  }

  #forget(now) {
    const first = Math.floor(now / 1000) - SECONDS;
    for (const second of this.#counts.keys()) if (second < first) this.#counts.delete(second);
  }
}

/**
 * Stretches without a connection.
 *
 * `now` in milliseconds since 1970, as above.
 */
export class Away {
  /** Oldest first; `to` is null while it lasts. @type {{from: number, to: number | null}[]} */
  stretches = [];

  get now() {
    return this.stretches.at(-1)?.to === null;
  }

  /** Take the news whether there is a connection. */
  at(online, now) {
    if (!online && !this.now) this.stretches.push({ from: now, to: null });
    else if (online && this.now) this.stretches.at(-1).to = now;
    const first = now - SECONDS * 1000;
    this.stretches = this.stretches.filter(({ to }) => to === null || to > first);
  }

  /** Whether a second (as `Pace.seconds` numbers them: 0 to SECONDS - 1) lies in one. */
  covers(i, now) {
    const from = (Math.floor(now / 1000) - SECONDS + 1 + i) * 1000;
    return this.stretches.some((away) => away.from < from + 1000 && (away.to ?? now) >= from);
  }
}
