/**
 * One viewer of one stream, over the official `centrifuge` client: I/O around `position`, `model` and `posting`.
 *
 * The SDK reconnects and resumes; this holds what it delivers against the position, asks again for what is
 * missing, and keeps what the element shows. `onChange` is called after every change, any number of times a
 * frame.
 */
import { Centrifuge, SubscriptionState } from "centrifuge";
import { away, drop, emptyModel, keep, take } from "./model.js";
import { ATTEMPTS_MAX, judge, uuid7 } from "./posting.js";
import { NOWHERE, apply, since, skip, subscribed } from "./position.js";
import { Pace } from "./pace.js";
import { floats } from "./reactions.js";
import { Tally, catchUp } from "./tally.js";

/** How often one gap is asked for again before it is shown as a hole. */
export const HEALS_MAX = 3;
/** Own comments on their way; beyond it the input says no. */
export const PENDING_MAX = 20;
/** How long an accepted comment waits, dimmed, for its turn in the order before it is taken off the list. */
const ACCEPTED_SHOWN_MS = 10_000;
/** An absence of less than this is not worth a line in the list. */
const AWAY_SHOWN_MS = 1_000;
/** How long it may take until a sampled stream's selection would have shown it. */
const SELECTED_MS = 2_000;
/** How long a comment waits for a connection and its answer: less than the server's window for repeats. */
const POST_MS_MAX = 100_000;
const RECONNECT_MIN_MS = 200;
const RECONNECT_MAX_MS = 5_000;

/**
 * @typedef {"offline" | "connecting" | "live" | "refused"} Status
 *   offline: on request; refused: the server said no for good, `reason` says why
 * @typedef {{id: string, text: string, state: "sending" | "retrying" | "accepted"}} Pending
 * @typedef {{kind: "accepted", id: string}
 *         | {kind: "refused", id: string, message: string, waitSeconds: number}} Posted
 */
export class LiveConnection {
  /** @type {Status} */
  status = "offline";
  reason = "";
  /** This viewer's user id, once connected. */
  me = "";
  model = emptyModel();
  position = NOWHERE;
  tally = new Tally();
  pace = new Pace();
  /** @type {Pending[]} */
  pending = [];
  /** The last return, or null. @type {import("./tally.js").CatchUp | null} */
  lastCatchUp = null;

  #options;
  #client;
  #subscription = null;
  #heals = { seq: -1, count: 0 };
  #returning = null;
  #timers = new Set();
  /** When the connection was lost or left, and when the way back began (`performance.now()`). */
  #left = null;
  #begun = 0;

  /**
   * @param {object} options
   * @param {string} options.url     WebSocket address of the edge
   * @param {string} options.stream
   * @param {string} [options.token] none: a guest, who reads
   * @param {() => Promise<string>} [options.getToken]  called when the token has expired
   * @param {() => void} options.onChange
   * @param {(message: string) => void} [options.onNotice]  a comment was refused after it was accepted
   * @param {(emoji: string[]) => void} [options.onReactions]  reactions that came: what may float up
   * @param {(url: string, options: object) => Centrifuge} [options.makeClient]  for tests
   */
  constructor(options) {
    this.#options = options;
    const settings = {
      name: "live-comments",
      minReconnectDelay: RECONNECT_MIN_MS,
      maxReconnectDelay: RECONNECT_MAX_MS,
      ...(options.token ? { token: options.token } : {}),
      ...(options.token && options.getToken ? { getToken: options.getToken } : {}),
    };
    this.#client = (options.makeClient ?? ((url, each) => new Centrifuge(url, each)))(options.url, settings);
    this.#client.on("state", () => this.#look());
    this.#client.on("connected", (context) => this.#connected(context));
    this.#client.on("disconnected", ({ code, reason }) => this.#ended(code, reason));
  }

  get readOnly() {
    return !this.#options.token;
  }

  /** Go online, or back online: the SDK resumes from where it was. */
  connect() {
    if (!this.#subscription) this.#subscribe(null);
    this.#subscription.subscribe(); // the server may have ended it; otherwise this does nothing
    this.#begun = performance.now();
    this.#client.connect();
  }

  /** Go offline, keeping the position. */
  disconnect() {
    this.#client.disconnect();
  }

  /** End it for good. */
  close() {
    this.#options = { ...this.#options, onChange: () => {}, onNotice: () => {}, onReactions: () => {} };
    for (const timer of this.#timers) clearTimeout(timer);
    this.#client.disconnect();
  }

  /**
   * Post a comment; settles when it is durable, or refused. The same id is used for every attempt. While
   * the connection is away the comment waits for it.
   *
   * @param {string} text
   * @returns {Promise<Posted>}
   */
  async post(text) {
    const id = uuid7();
    if (this.pending.length >= PENDING_MAX) {
      return { kind: "refused", id, message: "Too many comments are on their way.", waitSeconds: 1 };
    }
    this.#setPending(id, { id, text, state: "sending" });
    const deadline = performance.now() + POST_MS_MAX;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#subscription.ready(Math.max(1, deadline - performance.now()));
        await this.#subscription.publish({ id, text });
        this.#accepted(id);
        return { kind: "accepted", id };
      } catch (error) {
        const verdict = judge(error, performance.now() < deadline ? attempt : ATTEMPTS_MAX);
        if (verdict.kind === "refused") {
          this.#setPending(id, null);
          return { ...verdict, id };
        }
        this.#setPending(id, { id, text, state: "retrying" });
        await new Promise((resolve) => setTimeout(resolve, verdict.afterMs));
      }
    }
  }

  /** Tap on an emoji. It may get lost; nobody waits for it. */
  react(emoji) {
    this.#subscription?.publish({ reaction: emoji }).catch(() => {});
  }

  #subscribe(from) {
    const channel = `stream:${this.#options.stream}`;
    const old = this.#subscription;
    this.#subscription = null; // so that its end is not taken for ours
    if (old) this.#client.removeSubscription(old);
    const subscription = this.#client.newSubscription(channel, from ? { since: from } : {});
    this.#subscription = subscription;
    const mine = (handle) => (context) => subscription === this.#subscription && handle(context);
    subscription.on("state", mine(() => this.#look()));
    subscription.on("subscribed", mine((context) => this.#subscribed(context)));
    subscription.on("unsubscribed", mine(({ code, reason }) => this.#ended(code, reason)));
    subscription.on("publication", mine(({ data }) => this.#publication(data)));
    subscription.subscribe();
  }

  #connected({ data }) {
    this.me = data?.user ?? "";
    if (this.readOnly || !this.me) return;
    const channel = `user:${this.me}`;
    if (this.#client.getSubscription(channel)) return;
    const notices = this.#client.newSubscription(channel);
    notices.on("publication", (context) => this.#notice(context.data));
    notices.subscribe();
  }

  #subscribed({ streamPosition, wasRecovering, recovered }) {
    const before = this.position;
    this.position = subscribed(before, { epoch: streamPosition?.epoch ?? "", offset: streamPosition?.offset ?? 0 });
    if (wasRecovering) this.#watchReturn(before.seq ?? before.floor, recovered);
    this.#left = null;
    this.#look();
  }

  /** The SDK hands out what was missed right behind the reply, so a turn of the event loop later it is here. */
  #watchReturn(from, recovered) {
    if (this.#returning) return; // asked again for a gap: still the same return
    const awayMs = this.#left === null ? 0 : performance.now() - this.#left;
    this.#returning = { from, recovered, before: { ...this.tally }, missing: 0 };
    if (awayMs >= AWAY_SHOWN_MS) this.model = away(this.model, this.position.epoch, from, awayMs);
    setTimeout(() => {
      const { before, missing, ...back } = this.#returning;
      this.#returning = null;
      const to = this.position.seq ?? this.position.floor;
      const tookMs = performance.now() - this.#begun;
      this.lastCatchUp = { ...catchUp(before, this.tally, back.from, to, missing, back.recovered), awayMs, tookMs };
      this.#changed();
    }, 0);
  }

  #publication(data) {
    const result = apply(this.position, data);
    switch (result.kind) {
      case "malformed":
        this.tally.malformed += 1;
        return;
      case "gap":
        this.#heal(result.gap, data);
        return;
      default:
        this.#applied(result, data);
    }
  }

  #applied(result, data) {
    if (this.#heals.count && result.position.seq > this.#heals.seq) {
      this.tally.healed += 1;
      this.#heals = { seq: -1, count: 0 };
    }
    this.position = result.position;
    this.tally.take(result.position.epoch, result);
    if (this.#returning && result.hole) this.#returning.missing += result.hole.to - result.hole.from;
    const before = this.model.reactions;
    this.model = take(this.model, result.position.epoch, result, data, this.#returning !== null);
    if (this.model.reactions !== before) {
      const came = floats(before, this.model.reactions);
      if (came.length) this.#options.onReactions?.(came);
    }
    this.pace.take(result.events, Date.now());
    this.#arrived(result.events);
    this.#changed();
  }

  /** Ask for what is missing, a few times; then show the gap and go on. */
  #heal(gap, data) {
    const count = this.#heals.seq === gap.from ? this.#heals.count : 0;
    if (count < HEALS_MAX) {
      this.#heals = { seq: gap.from, count: count + 1 };
      this.#subscribe(since(this.position));
      return;
    }
    this.#heals = { seq: -1, count: 0 };
    this.tally.gaps += 1;
    const hole = { ...gap, reason: "gap" };
    const shown = { after: gap.from, events: [], hole, omitted: 0 };
    this.position = skip(this.position, gap);
    this.model = take(this.model, this.position.epoch, shown, this.model);
    this.#publication(data);
  }

  #notice(data) {
    if (data?.type === "own") {
      this.#own(data);
      return;
    }
    if (typeof data?.id === "string") {
      this.model = drop(this.model, data.id);
      this.#setPending(data.id, null);
    }
    const message = data?.message ?? data?.reason;
    if (typeof message === "string") this.#options.onNotice?.(message);
  }

  /** A comment of this viewer that the selection left out: nobody else sees it; its author does, in every window. */
  #own({ stream, comment, id }) {
    if (stream !== this.#options.stream) return;
    this.#setPending(id, null);
    if (comment) this.model = keep(this.model, comment);
    this.#changed();
  }

  #accepted(id) {
    const waiting = this.pending.find((each) => each.id === id);
    if (!waiting) return; // it came back in the stream before the reply
    this.#setPending(id, { ...waiting, state: "accepted" });
    const sampling = this.model.sampling !== null;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const left = this.pending.find((each) => each.id === id);
      // A selection that left it out is no reason for its author not to see it.
      if (left && sampling) this.model = keep(this.model, { ...left, user: this.#self(), at: Date.now() });
      this.#setPending(id, null);
    }, sampling ? SELECTED_MS : ACCEPTED_SHOWN_MS);
    this.#timers.add(timer);
  }

  /** This viewer, as their own comments name them. */
  #self() {
    return { id: this.me, name: nameIn(this.#options.token), role: "viewer" };
  }

  #arrived(events) {
    if (!this.pending.length) return;
    const ids = new Set(events.map((event) => event.id));
    this.pending = this.pending.filter(({ id }) => !ids.has(id));
  }

  /** Add, change (or with null remove) an own comment on its way. */
  #setPending(id, pending) {
    const others = this.pending.filter((each) => each.id !== id);
    const place = this.pending.findIndex((each) => each.id === id);
    if (pending) others.splice(place < 0 ? others.length : place, 0, pending);
    this.pending = others;
    this.#changed();
  }

  #look() {
    const client = this.#client.state;
    if (client !== "connected" && this.status === "live") this.#left = this.#begun = performance.now();
    if (client === "disconnected" && this.status !== "refused") this.#setStatus("offline");
    else if (client === "connecting") this.#setStatus("connecting");
    else if (client === "connected") {
      const on = this.#subscription?.state === SubscriptionState.Subscribed;
      if (on) this.#setStatus("live");
      else if (this.status !== "refused") this.#setStatus("connecting");
    }
  }

  /** Codes below 100 are the SDK's, above them the server's. 0: asked for. */
  #ended(code, reason) {
    if (code === 0) this.#setStatus("offline");
    else this.#setStatus("refused", reason);
  }

  #setStatus(status, reason = "") {
    [this.status, this.reason] = [status, reason];
    this.#changed();
  }

  #changed() {
    this.#options.onChange();
  }
}

/** The display name in a token, "" where there is none; the server checks tokens, this only reads one. */
function nameIn(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (each) => each.charCodeAt(0))));
    return typeof claims.name === "string" ? claims.name : "";
  } catch {
    return "";
  }
}
