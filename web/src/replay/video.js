/** A replay in step with a `<video>` (or `<audio>`): whatever is done to it, the edge is told. */
import { ReplayConnection } from "./connection.js";

/** What the server plays at; a video may be slower or faster still. */
const [SPEED_MIN, SPEED_MAX] = [0.25, 16];
const EVENTS = ["play", "playing", "pause", "waiting", "seeking", "seeked", "ratechange", "ended"];
/** A video's clock and the edge's drift apart: it is told from time to time. */
const SYNC_MS = 10_000;
/** `HTMLMediaElement.HAVE_FUTURE_DATA`: below it a video that is not paused stands all the same. */
const HAVE_FUTURE_DATA = 3;

/** @param {HTMLMediaElement} element @returns {import("./connection.js").Video} */
export function stateOf(element) {
  const { currentTime, playbackRate, paused, seeking, ended, readyState } = element;
  const speed = Math.min(SPEED_MAX, Math.max(SPEED_MIN, playbackRate || 1));
  return { positionMs: currentTime * 1000, speed, paused: paused || seeking || ended || readyState < HAVE_FUTURE_DATA };
}

export class VideoConnection extends ReplayConnection {
  #element;
  #timer;
  #told = () => this.tell();

  /** @param {HTMLMediaElement} element @param {object} options of `ReplayConnection`, but for `video` */
  constructor(element, options) {
    super({ ...options, video: () => stateOf(element) });
    this.#element = element;
    for (const name of EVENTS) element.addEventListener(name, this.#told);
    this.#timer = setInterval(this.#told, SYNC_MS);
  }

  close() {
    clearInterval(this.#timer);
    for (const name of EVENTS) this.#element.removeEventListener(name, this.#told);
    super.close();
  }
}
