/**
 * A replay of one stream, over the official `centrifuge` client; `<live-comments>` shows it as it shows a live one.
 *
 * The edge plays in step with what `tell` says of the video. `onChange` is called after every change.
 */
import { Centrifuge } from "centrifuge";
import { emptyModel, take } from "../model.js";
import { NOWHERE, apply, skip } from "../position.js";
import { Tally } from "../tally.js";
import { gone } from "./gone.js";

/**
 * @typedef {{positionMs: number, speed: number, paused: boolean}} Video  where it is, and how it goes on
 * @typedef {{startsAt: number, durationMs: number}} Film
 * @typedef {{bucketMs: number, counts: number[], exact: boolean}} Histogram
 */
export class ReplayConnection {
  /** @type {"offline" | "connecting" | "live" | "refused"} */
  status = "offline";
  reason = "";
  me = "";
  model = emptyModel();
  position = NOWHERE;
  tally = new Tally();
  pace = null;
  pending = [];
  lastCatchUp = null;
  readOnly = true;
  /** It is not live: nothing can be written. */
  replayed = true;

  #options;
  #client;
  #subscription;

  /**
   * @param {object} options  of `LiveConnection`, and:
   * @param {() => Video} options.video  asked whenever the edge has to know
   * @param {(film: Film, connection: ReplayConnection) => void} [options.onFilm]  it has begun, or begun again
   * @param {(url: string, options: object) => Centrifuge} [options.makeClient]  for tests
   */
  constructor(options) {
    this.#options = options;
    const settings = { name: "replay", ...(options.token ? { token: options.token, getToken: options.getToken } : {}) };
    this.#client = (options.makeClient ?? ((url, each) => new Centrifuge(url, each)))(options.url, settings);
    this.#client.on("state", ({ newState }) => newState === "connecting" && this.#setStatus("connecting"));
    this.#client.on("disconnected", ({ code, reason }) => this.#ended(code, reason));
    this.#subscription = this.#client.newSubscription(this.channel, { getData: async () => asked(options.video()) });
    this.#subscription.on("subscribed", (context) => this.#subscribed(context));
    this.#subscription.on("unsubscribed", ({ code, reason }) => this.#ended(code, reason));
    this.#subscription.on("error", ({ error }) => this.#setStatus("connecting", error?.message ?? ""));
    this.#subscription.on("publication", ({ data }) => this.#publication(data));
  }

  get channel() {
    return `replay:${this.#options.stream}`;
  }

  connect() {
    this.#subscription.subscribe();
    this.#client.connect();
  }

  disconnect() {
    this.#client.disconnect();
  }

  /** End it for good. */
  close() {
    this.#options = { ...this.#options, onChange: () => {}, onFilm: () => {} };
    this.#client.disconnect();
  }

  /**
   * Tell the edge where the video is, and how it goes on. A call that is lost is made up for on return.
   *
   * @returns {Promise<Film | null>} how long it is now, of a stream that goes on
   */
  async tell() {
    if (this.status !== "live") return null;
    try {
      const { data } = await this.#client.rpc("replay", { channel: this.channel, ...asked(this.#options.video()) });
      return { startsAt: data.starts_at, durationMs: data.duration_ms };
    } catch {
      return null; // the connection was lost: `#subscribed` tells it again
    }
  }

  /** Count the comments over the stream's time. @returns {Promise<Histogram | null>} null: not known now */
  async histogram(buckets) {
    try {
      const { data } = await this.#client.rpc("replay.histogram", { channel: this.channel, buckets });
      return { bucketMs: data.bucket_ms, counts: data.counts, exact: data.exact, startsAt: data.starts_at };
    } catch {
      return null;
    }
  }

  #subscribed({ streamPosition, recovered, data }) {
    const epoch = streamPosition?.epoch ?? "";
    if (!recovered) {
      this.model = emptyModel();
      this.position = { epoch, seq: streamPosition?.offset ?? 0, floor: 0 };
    }
    this.#setStatus("live");
    // Who comes back is taken to be at the last comment: the video may have gone on.
    if (recovered) this.tell();
    this.#options.onFilm?.({ startsAt: data.starts_at, durationMs: data.duration_ms }, this);
  }

  #publication(data) {
    if (data?.seek) {
      this.model = emptyModel();
      this.position = { ...this.position, seq: data.from };
    }
    if (data?.gone) this.model = gone(this.model, data.gone);
    let result = apply(this.position, data);
    if (result.kind === "gap") {
      this.tally.gaps += 1;
      this.position = skip(this.position, result.gap);
      result = apply(this.position, data);
    }
    if (result.kind === "applied") {
      this.position = result.position;
      this.tally.count += result.events.filter(({ type }) => type === "comment").length;
      this.model = take(this.model, this.position.epoch, result, data);
      if ("pinned" in data) this.model = { ...this.model, pinned: this.#row(data.pinned) };
    }
    this.#options.onChange();
  }

  /** A comment as the list has it. */
  #row(comment) {
    if (!comment) return null;
    const alone = { after: 0, events: [comment], hole: null, omitted: 0 };
    return take(emptyModel(), this.position.epoch, alone).rows[0] ?? null;
  }

  #ended(code, reason) {
    if (code === 0) this.#setStatus("offline");
    else this.#setStatus("refused", reason);
  }

  #setStatus(status, reason = "") {
    [this.status, this.reason] = [status, reason];
    this.#options.onChange();
  }
}

/** As the protocol names it. */
function asked({ positionMs, speed, paused }) {
  return { position_ms: Math.round(positionMs), speed, paused };
}
