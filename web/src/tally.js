/**
 * What a viewer has seen, counted: for the page's figures and for the tests that hold it to "no gap, no repeat".
 *
 * Mutable on purpose: it takes every event, and is read once a frame.
 */

export const SEQS_MAX = 5_000;

export class Tally {
  /** Comments that were shown. */
  count = 0;
  /** Seqs that this viewer was not meant to see (sampling, deleted comments). */
  omitted = 0;
  /** Stretches that were missing, not announced, and that nobody could fill. */
  gaps = 0;
  /** Gaps that were filled by asking again. */
  healed = 0;
  /** Holes that the edge announced. */
  holes = 0;
  /** Events that came again and were trimmed: no fault. */
  trimmed = 0;
  /** Seqs that were applied twice: a fault, always 0. */
  duplicates = 0;
  /** Publications that made no sense. */
  malformed = 0;
  /** Seqs applied, in order, the last `SEQS_MAX`. */
  seqs = [];
  #epoch = null;
  #last = -1;

  /**
   * @param {string} epoch
   * @param {{events: object[], hole: object | null, omitted: number, trimmed: number}} applied
   */
  take(epoch, applied) {
    if (epoch !== this.#epoch) [this.#epoch, this.#last, this.seqs] = [epoch, -1, []];
    for (const { seq, type } of applied.events) {
      if (seq <= this.#last) this.duplicates += 1;
      this.#last = Math.max(this.#last, seq);
      this.seqs.push(seq);
      if (type === "comment") this.count += 1;
    }
    if (this.seqs.length > SEQS_MAX) this.seqs.splice(0, this.seqs.length - SEQS_MAX);
    this.omitted += applied.omitted;
    this.trimmed += applied.trimmed;
    if (applied.hole) this.holes += 1;
  }
}

/**
 * What coming back brought.
 *
 * @typedef {{from: number, to: number, comments: number, missing: number, gaps: number, recovered: boolean}} CatchUp
 *
 * @param {Tally} before  figures when the connection came back (a copy)
 * @param {Tally} after
 * @param {number} from   position before
 * @param {number} to     position now
 * @param {number} missing  seqs in announced holes
 * @param {boolean} recovered  whether the edge had everything
 * @returns {CatchUp}
 */
export function catchUp(before, after, from, to, missing, recovered) {
  return {
    from, to, missing, recovered, comments: after.count - before.count, gaps: after.gaps - before.gaps,
  };
}
