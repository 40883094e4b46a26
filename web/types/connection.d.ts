import type { Model } from "./model.js";
import type { Position } from "./position.js";

/** offline: on request; refused: the server said no for good, `reason` says why */
export type Status = "offline" | "connecting" | "live" | "refused";

export type Posted =
  | { kind: "accepted"; id: string }
  | { kind: "refused"; id: string; message: string; waitSeconds: number };

export interface Pending {
  id: string;
  text: string;
  state: "sending" | "retrying" | "accepted";
}

export interface ConnectionOptions {
  /** WebSocket address of the edge */
  url: string;
  stream: string;
  /** none: a guest, who reads */
  token?: string;
  /** called when the token has expired */
  getToken?: () => Promise<string>;
  onChange: () => void;
  /** a comment was refused after it was accepted */
  onNotice?: (message: string) => void;
  /** reactions that came: what may float up */
  onReactions?: (emoji: string[]) => void;
}

export const HEALS_MAX: number;
export const PENDING_MAX: number;

/** One stream over one connection, without a screen: for another element than `<live-comments>`. */
export class LiveConnection {
  constructor(options: ConnectionOptions);
  readonly status: Status;
  readonly reason: string;
  /** This viewer's user id, once connected. */
  readonly me: string;
  readonly model: Model;
  readonly position: Position;
  readonly pending: Pending[];
  readonly readOnly: boolean;
  connect(): void;
  disconnect(): void;
  close(): void;
  /** Settles when the comment is durable, or refused; the same id is used for every attempt. */
  post(text: string): Promise<Posted>;
}
