import type { Applied, User } from "./position.js";

export interface CommentRow {
  kind: "comment";
  /** unique in the list: epoch and seq */
  key: string;
  id: string;
  seq: number;
  user: User;
  text: string;
  sticker?: string;
  /** how many said the same */
  copies: number;
  [more: string]: unknown;
}

export interface HoleRow {
  kind: "hole";
  key: string;
  from: number;
  to: number;
  reason: string;
}

export interface NoteRow {
  kind: "note";
  key: string;
  text: string;
  back?: boolean;
}

/** What is on the screen. Immutable: every function returns another one. */
export interface Model {
  /** oldest first, at most `rowsMax` */
  rows: (CommentRow | HoleRow | NoteRow)[];
  rowsMax: number;
  pinned: CommentRow | null;
  /** -1: not known yet */
  viewers: number;
  /** the edge's feed is behind */
  stale: boolean;
  ended: boolean;
  /** 0: slow mode is off */
  slowSeconds: number;
  /** recent counts; null: not sampled */
  sampling: { shown: number; omitted: number } | null;
  [more: string]: unknown;
}

export const ROWS_MAX: number;
export function emptyModel(rowsMax?: number): Model;
export function take(
  model: Model,
  epoch: string,
  applied: Applied,
  publication?: { viewers?: number; sampled?: boolean; stale?: boolean },
  late?: boolean,
): Model;
export function away(model: Model, epoch: string, seq: number, awayMs: number): Model;
/** One of how many comments is shown on a sampled stream; 1 where all are. */
export function oneOf(model: Model): number;
export function keep(model: Model, comment: { id: string; text: string; user: User; at: number }): Model;
export function drop(model: Model, id: string): Model;
