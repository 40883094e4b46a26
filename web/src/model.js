/**
 * What the list shows: rows made of events, with deletes, clears, pins, holes and the cap. Pure.
 *
 * @typedef {object} CommentRow
 * @property {"comment"} kind
 * @property {string} key       unique in the list: epoch and seq
 * @property {string} id
 * @property {number} seq
 * @property {{id: string, name: string, role: string}} user
 * @property {string} text
 * @property {string} [sticker]
 * @property {number} copies    how many said the same
 * @property {number} at        milliseconds since 1970
 * @property {boolean} late     was said while this viewer was away
 * @property {boolean} [mine]   this viewer's own, shown to them alone: the selection left it out
 *
 * @typedef {{kind: "hole", key: string, from: number, to: number, reason: string}} HoleRow
 * @typedef {{kind: "note", key: string, text: string, back?: boolean}} NoteRow
 *
 * @typedef {object} Model
 * @property {(CommentRow | HoleRow | NoteRow)[]} rows  oldest first, at most `rowsMax`
 * @property {number} rowsMax
 * @property {CommentRow | null} pinned
 * @property {number} viewers      -1: not known yet
 * @property {boolean} stale       the edge's feed is behind
 * @property {boolean} ended
 * @property {number} slowSeconds  0: slow mode is off
 * @property {{shown: number, omitted: number} | null} sampling  recent counts; null: not sampled
 * @property {Record<string, number> | null} reactions  totals by emoji; null: not known yet
 */

import { merged } from "./reactions.js";

export const ROWS_MAX = 200;
/** How much of the recent counts a sampled publication keeps. */
const SAMPLING_MEMORY = 0.95;

/** @returns {Model} */
export function emptyModel(rowsMax = ROWS_MAX) {
  return {
    rows: [], rowsMax, pinned: null, viewers: -1, stale: false, ended: false, slowSeconds: 0, sampling: null,
    reactions: null,
  };
}

/**
 * Take an applied publication (see `position.apply`).
 *
 * @param {Model} model
 * @param {string} epoch
 * @param {{after: number, events: object[], hole: object | null, omitted: number}} applied
 * @param {{viewers?: number, sampled?: boolean, stale?: boolean}} publication
 * @param {boolean} late  whether it is caught up
 * @returns {Model}
 */
export function take(model, epoch, applied, publication = {}, late = false) {
  const next = { ...model, rows: [...model.rows] };
  if (Number.isFinite(publication.viewers)) next.viewers = publication.viewers;
  if (publication.reactions) next.reactions = merged(model.reactions, publication.reactions);
  next.stale = publication.stale === true;
  next.sampling = publication.sampled ? sampling(model.sampling, applied) : null;
  if (applied.hole) next.rows.push(holeRow(epoch, applied.hole));
  for (const event of applied.events) takeEvent(next, epoch, event, late);
  if (next.rows.length > next.rowsMax) next.rows.splice(0, next.rows.length - next.rowsMax);
  return next;
}

/**
 * Note that the viewer was away: what follows, up to now, is caught up.
 *
 * @param {Model} model
 * @param {string} epoch
 * @param {number} seq  where they were
 * @param {number} awayMs
 * @returns {Model}
 */
export function away(model, epoch, seq, awayMs) {
  const seconds = Math.max(1, Math.round(awayMs / 1000));
  const long = seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
  const note = { kind: "note", key: `${epoch}:${seq}:away`, text: `You were away for ${long}. Meanwhile:`, back: true };
  const rows = model.rows.filter((row) => row.key !== note.key);
  return { ...model, rows: [...rows, note].slice(-model.rowsMax) };
}

/** One of how many comments is shown on a sampled stream; 1 where all are. */
export function oneOf(model) {
  if (!model.sampling || model.sampling.shown <= 0) return 1;
  return Math.max(1, Math.round((model.sampling.shown + model.sampling.omitted) / model.sampling.shown));
}

/** Show a viewer's own comment that a sampled stream's selection left out; nobody else sees it. */
export function keep(model, { id, text, user, at }) {
  if (model.rows.some((row) => row.kind === "comment" && row.id === id)) return model;
  const row = { ...commentRow(`own:${id}`, { id, seq: 0, user, text, at }), late: false, mine: true };
  const rows = [...model.rows, row];
  return { ...model, rows: rows.slice(-model.rowsMax) };
}

/** Take an own comment back that was kept: it was refused after all. */
export function drop(model, id) {
  return { ...model, rows: model.rows.filter((row) => !(row.mine && row.id === id)) };
}

function takeEvent(model, epoch, event, late) {
  const key = `${epoch}:${event.seq}`;
  switch (event.type) {
    case "comment":
      remove(model, (row) => row.mine === true && row.id === event.id);
      model.rows.push(commentRow(key, event, late));
      break;
    case "delete":
      remove(model, (row) => row.id === event.target);
      break;
    case "clear":
      remove(model, (row) => row.user.id === event.target && row.seq <= event.seq);
      break;
    case "pin":
      // Sampling may have left the comment out here: the pin has it, unless it was taken away since.
      model.pinned = event.comment
        ? commentRow(`${epoch}:${event.comment.seq}`, event.comment, late)
        : model.rows.find((row) => row.kind === "comment" && row.id === event.target) ?? null;
      break;
    case "unpin":
      model.pinned = null;
      break;
    case "slow":
      slow(model, key, event.seconds ?? 0);
      break;
    case "settings":
    case "open":
      if (Number.isFinite(event.settings?.slow_mode_seconds)) slow(model, key, event.settings.slow_mode_seconds);
      if (event.type === "open") model.ended = false;
      break;
    case "end":
      model.ended = true;
      model.rows.push({ kind: "note", key, text: "The stream has ended." });
      break;
    default: // bans and the like bind their target; they change nothing here
  }
}

function commentRow(key, { id, seq, user, text, sticker, copies = 1, at }, late) {
  return { kind: "comment", key, id, seq, user, text, sticker, copies, at, late };
}

/** A hole's row is named after its place, so that an announcement that comes twice shows once. */
function holeRow(epoch, { from, to, reason }) {
  return { kind: "hole", key: `${epoch}:${from}-${to}:${reason}`, from, to, reason };
}

/** Take comments away, the pinned one included. */
function remove(model, hidden) {
  model.rows = model.rows.filter((row) => row.kind !== "comment" || !hidden(row));
  if (model.pinned && hidden(model.pinned)) model.pinned = null;
}

function slow(model, key, seconds) {
  if (seconds === model.slowSeconds) return;
  model.slowSeconds = seconds;
  const text = seconds > 0 ? `Slow mode is on: one comment every ${seconds} s.` : "Slow mode is off.";
  model.rows.push({ kind: "note", key, text });
}

function sampling(before, { events, omitted }) {
  const shown = events.filter((event) => event.type === "comment").length;
  if (!before) return { shown, omitted };
  return {
    shown: before.shown * SAMPLING_MEMORY + shown,
    omitted: before.omitted * SAMPLING_MEMORY + omitted,
  };
}
