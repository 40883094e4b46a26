import type { Status } from "./connection.js";

export const TEXT_CHARS_MAX: number;

/** What a viewer has and where it is. `gaps` and `duplicates` count what must not be: both are 0. */
export interface Snapshot {
  state: Status;
  reason: string;
  seq: number;
  epoch: string;
  count: number;
  gaps: number;
  duplicates: number;
  seqs: number[];
  [more: string]: unknown;
}

/**
 * `<live-comments stream="…" url="wss://…" token="…">`: a live chat, read and written.
 *
 * Fires `live-change` when something changed, at most once a frame.
 */
export class LiveComments extends HTMLElement {
  stream?: string;
  /** default: this host's edge */
  url?: string;
  /** none: a guest, who reads */
  token?: string;
  theme?: "light" | "dark";
  heading: string;
  /** called when the token has expired */
  getToken?: () => Promise<string>;
  emoji: string[];
  /** a replay, in step with that video: a selector, or the element */
  video?: string | HTMLVideoElement;
  /** shows another connection, as the replay page does */
  makeConnection?: (options: object) => unknown;
  /** where a stream that has ended is watched again */
  replayHref?: string;
  /** Comments a second over the last minute; null without a stream. */
  readonly pace: unknown;
  goOffline(): void;
  goOnline(): void;
  snapshot(): Snapshot;
}

declare global {
  interface HTMLElementTagNameMap {
    "live-comments": LiveComments;
  }
  interface HTMLElementEventMap {
    "live-change": CustomEvent<void>;
  }
}
