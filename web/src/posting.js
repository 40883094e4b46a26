/**
 * Posting a comment: its id, and what an error means for it. Pure.
 *
 * A comment keeps its id over every attempt, so that one that arrived and was not answered is not doubled.
 */

export const ATTEMPTS_MAX = 6;
const BACKOFF_FIRST_MS = 300;
const BACKOFF_MAX_MS = 5_000;

const SLOW_MODE = 1003;
const RATE_LIMITED = 1004;
/** The SDK's own codes: time-out, transport closed, disconnected, unsubscribed meanwhile. */
const SDK_CODES_BELOW = 100;

/**
 * A UUID of version 7: its time lets the server refuse one that is too old to be held against repeats.
 *
 * @param {number} now     milliseconds since 1970
 * @param {Uint8Array} random  10 bytes
 */
export function uuid7(now = Date.now(), random = crypto.getRandomValues(new Uint8Array(10))) {
  const time = now.toString(16).padStart(12, "0");
  const rest = Uint8Array.from(random);
  rest[0] = (rest[0] & 0x0f) | 0x70;
  rest[2] = (rest[2] & 0x3f) | 0x80;
  const hex = time + Array.from(rest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [8, 12, 16, 20, 32].map((end, i, ends) => hex.slice(ends[i - 1] ?? 0, end)).join("-");
}

/**
 * What to do about a publish that failed.
 *
 * @param {{code?: number, message?: string, temporary?: boolean, wait?: number}} error
 * @param {number} attempt  1 for the first
 * @returns {{kind: "retry", afterMs: number} | {kind: "refused", message: string, waitSeconds: number}}
 */
export function judge(error, attempt) {
  const code = error?.code ?? 0;
  const message = error?.message ?? "The comment was not sent.";
  if (code === SLOW_MODE || code === RATE_LIMITED) {
    return { kind: "refused", message, waitSeconds: waitSeconds(error) };
  }
  const temporary = error?.temporary === true || code < SDK_CODES_BELOW;
  if (temporary && attempt < ATTEMPTS_MAX) return { kind: "retry", afterMs: backoff(attempt) };
  return { kind: "refused", message: temporary ? unanswered(code, message) : message, waitSeconds: 0 };
}

/** Seconds to wait, from the error's `wait` or its words ("Wait 12 s."); 1 where neither says. */
export function waitSeconds(error) {
  if (Number.isFinite(error?.wait)) return Math.max(1, Math.ceil(error.wait));
  const found = /wait (\d+(?:\.\d+)?) ?s/i.exec(error?.message ?? "");
  return Math.max(1, Math.ceil(Number(found?.[1] ?? 1)));
}

function backoff(attempt) {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (attempt - 1));
}

function unanswered(code, message) {
  return code < SDK_CODES_BELOW ? "No answer from the server: it is not known whether the comment arrived." : message;
}
