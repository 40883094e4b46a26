/** Where a viewer is in a stream's history. */
export interface Position {
  /** null: never subscribed */
  epoch: string | null;
  /** everything up to here is known; null: joined, nothing came yet */
  seq: number | null;
  /** while `seq` is null: where the stream was when we joined */
  floor: number;
}

/** A range (from, to] that is not shown although it was there. */
export interface Hole {
  from: number;
  to: number;
  reason: string;
}

export interface User {
  id: string;
  name: string;
  role: "viewer" | "creator" | "moderator" | "platform";
}

/** One event of a stream; which further fields it has follows from `type` (docs/protocol.md). */
export interface Event {
  type: string;
  seq: number;
  at?: number;
  id?: string;
  user?: User;
  text?: string;
  target?: string;
  [more: string]: unknown;
}

/** One window of a stream, as it comes over the wire: it covers (from, to]. */
export interface Publication {
  from: number;
  to: number;
  events: Event[];
  omitted?: number;
  viewers?: number;
  sampled?: boolean;
  stale?: boolean;
  hole?: Hole;
}

export interface Applied {
  kind: "applied";
  position: Position;
  /** the seq before the first new one */
  after: number;
  events: Event[];
  hole: Hole | null;
  /** new seqs that are not shown to this viewer */
  omitted: number;
  /** events that were known already */
  trimmed: number;
}

export interface Gap {
  from: number;
  to: number;
}

export const NOWHERE: Readonly<Position>;
export function subscribed(position: Position, reply: { epoch: string; offset: number }): Position;
export function apply(
  position: Position,
  publication: Publication,
): Applied | { kind: "gap"; gap: Gap } | { kind: "malformed" };
export function skip(position: Position, gap: Gap): Position;
export function since(position: Position): { epoch: string; offset: number } | null;
