/**
 * Where a viewer is in a stream's history, and what a publication means there. Pure.
 *
 * A publication covers the range (from, to]. One that starts at the position is applied, one that overlaps
 * it is trimmed, one that starts beyond it is a gap: what lies between has to be asked for, or announced.
 *
 * @typedef {object} Position
 * @property {string | null} epoch  null: never subscribed
 * @property {number | null} seq    everything up to here is known; null: joined, nothing came yet
 * @property {number} floor         while `seq` is null: where the stream was when we joined
 *
 * @typedef {{from: number, to: number, reason: string}} Hole
 *
 * @typedef {object} Publication    as it comes over the wire
 * @property {number} from
 * @property {number} to
 * @property {object[]} events      ascending by `seq`
 * @property {number} [omitted]
 * @property {number} [viewers]
 * @property {boolean} [sampled]
 * @property {boolean} [stale]
 * @property {Hole} [hole]
 */

/** @type {Position} */
export const NOWHERE = Object.freeze({ epoch: null, seq: null, floor: 0 });

/**
 * Take the reply to a subscribe.
 *
 * In the same epoch a position never goes back: a seq has one content, so what comes again is trimmed.
 *
 * @param {Position} position
 * @param {{epoch: string, offset: number}} reply
 * @returns {Position}
 */
export function subscribed(position, { epoch, offset }) {
  if (position.epoch === epoch) return position;
  return { epoch, seq: null, floor: offset };
}

/**
 * Apply a publication.
 *
 * @param {Position} position
 * @param {Publication} publication
 * @returns {{kind: "applied", position: Position, after: number, events: object[], hole: Hole | null,
 *            omitted: number, trimmed: number}
 *          | {kind: "gap", gap: {from: number, to: number}}
 *          | {kind: "malformed"}}
 *   `after`: the seq before the first new one; `omitted`: new seqs that are not shown to this viewer;
 *   `trimmed`: events that were known already
 */
export function apply(position, publication) {
  if (!wellFormed(publication)) return { kind: "malformed" };
  const { from, to, events } = publication;
  const after = position.seq ?? Math.min(from, position.floor);
  if (from > after) return { kind: "gap", gap: { from: after, to: from } };

  const fresh = ascending(events, after);
  const seq = Math.max(after, to);
  const hole = publication.hole ? trimHole(publication.hole, after) : null;
  const holeSpan = hole ? Math.max(0, Math.min(hole.to, seq) - hole.from) : 0;
  return {
    kind: "applied",
    position: { ...position, seq },
    after,
    events: fresh,
    hole,
    omitted: Math.max(0, seq - after - fresh.length - holeSpan),
    trimmed: events.length - fresh.length,
  };
}

/**
 * Give up on a gap that nobody could fill: go on behind it. The caller shows it as a hole.
 *
 * @param {Position} position
 * @param {{from: number, to: number}} gap
 * @returns {Position}
 */
export function skip(position, gap) {
  return { ...position, seq: Math.max(position.seq ?? 0, gap.to) };
}

/**
 * The position to resume from, as the SDK's `since`; null: nowhere yet, subscribe afresh.
 *
 * @param {Position} position
 * @returns {{epoch: string, offset: number} | null}
 */
export function since(position) {
  if (position.epoch === null) return null;
  return { epoch: position.epoch, offset: position.seq ?? position.floor };
}

function wellFormed(publication) {
  if (typeof publication !== "object" || publication === null) return false;
  const { from, to, events } = publication;
  return Number.isSafeInteger(from) && Number.isSafeInteger(to) && from <= to && Array.isArray(events);
}

/** Events behind `after`, each seq once, in order; a repeated or misplaced one is dropped. */
function ascending(events, after) {
  let last = after;
  return events.filter((event) => {
    if (!(event.seq > last)) return false;
    last = event.seq;
    return true;
  });
}

/** The part of a hole that is news at `after`. An empty hole (a doubt, a new epoch) stays as it is. */
function trimHole(hole, after) {
  if (hole.from === hole.to) return hole.to >= after ? hole : null;
  const from = Math.max(hole.from, after);
  return from < hole.to ? { ...hole, from } : null;
}
