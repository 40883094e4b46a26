/**
 * What a moderator has on the desk: the live stream, what waits, who is banned, how the stream is set.
 *
 * I/O around `Api` and `LiveConnection`; `onChange` is called after every change. What changes by itself is
 * asked for every second while the page is seen; the rest when its panel is opened and after each action.
 */
import { LiveConnection } from "../connection.js";
import { emptyModel } from "../model.js";
import { Api, ApiError } from "./api.js";

export const ROWS_MAX = 500;
const POLL_MS = 1_000;
const SAMPLES_MAX = 60;
const TOAST_MS = 6_000;
/** How long after an action its effect is looked for in what the server projects. */
const PROJECTED_MS = 400;
/** How long one that was answered stays out of the queue, whatever an answer says that was under way. */
const ANSWERED_MS = 3_000;

/** @typedef {{text: string, bad: boolean, undo?: () => void}} Toast */

export class Desk {
  /** @type {"signing in" | "on" | "refused"} */
  state = "signing in";
  error = "";
  stats = { viewers: null, events_per_second: 0, sampled: false, state: "open", seq: 0 };
  /** Events a second, the newest last. @type {number[]} */
  samples = [];
  held = [];
  bans = [];
  audit = [];
  settings = null;
  /** @type {{looked_at: number, count: number, caught: object[], faults: object[]} | null} */
  trial = null;
  /** @type {Toast | null} */
  toast = null;
  busy = false;

  #api;
  #connection = null;
  #onChange;
  #timer = 0;
  #toastTimer = 0;
  /** Id → when. @type {Map<string, number>} */
  #answered = new Map();

  /**
   * @param {string} stream
   * @param {string} token
   * @param {() => void} onChange
   * @param {{api?: Api, makeConnection?: (options: object) => LiveConnection}} [parts] for tests
   */
  constructor(stream, token, onChange, parts = {}) {
    this.stream = stream;
    this.#onChange = onChange;
    this.#api = parts.api ?? new Api(stream, token);
    this.#open(token, parts.makeConnection ?? ((options) => new LiveConnection(options)));
  }

  /** The comments, oldest first. */
  get model() {
    return this.#connection?.model ?? emptyModel();
  }

  get live() {
    return this.#connection?.status ?? "connecting";
  }

  close() {
    clearInterval(this.#timer);
    clearTimeout(this.#toastTimer);
    this.#connection?.close();
    this.#onChange = () => {};
  }

  // On comments and their authors.

  remove = (row) => this.#act(`Deleted a comment of ${row.user.name}`, () => this.#api.remove(row.id));
  pin = (row) => this.#act("Pinned", () => this.#api.pin(row.id, row.seq), this.unpin);
  withdraw = (row) => this.#act(`Took a comment of ${row.user.name} down for review`, () => this.#api.withdraw(row.id, row.seq));
  unpin = () => this.#act("Unpinned", () => this.#api.unpin());
  clear = (user) => this.#act(`Cleared what ${user.name} wrote`, () => this.#api.clear(user.id));
  unban = (user) => this.#act(`Lifted the ban of ${user}`, () => this.#api.unban(user));

  /** @param {{id: string, name: string}} user @param {string} kind @param {number} [seconds] @param {string} [reason] */
  ban(user, kind, seconds, reason) {
    const words = { ban: "Banned", timeout: "Timed out", shadow: "Shadow-banned", hold: "Holding comments of" };
    const long = seconds ? ` for ${seconds} s` : "";
    const ban = { kind, ...(seconds ? { seconds } : {}), ...(reason ? { reason } : {}) };
    return this.#act(`${words[kind]} ${user.name}${long}`, () => this.#api.ban(user.id, ban), () => this.unban(user.id));
  }

  approve = (held) => this.#answer(held, "Approved", () => this.#api.approve(held.id));
  reject = (held) => this.#answer(held, "Rejected", () => this.#api.remove(held.id));

  // On the stream.

  end = () => this.#act("Ended the stream", () => this.#api.end());

  async save(changed) {
    await this.#act("Saved", () => this.#api.save(changed));
    await this.look("settings");
  }

  /** Hold a list against the last comments; changes nothing. @param {string[]} words */
  async tryWords(words) {
    this.trial = await this.#try(() => this.#api.tryWords(words));
    this.#changed();
  }

  /** Ask for what a panel shows. @param {string} panel */
  async look(panel) {
    const found = await this.#try(async () => {
      switch (panel) {
        case "bans": return { bans: (await this.#api.bans()).bans };
        case "audit": return { audit: (await this.#api.audit()).entries };
        case "words":
        case "settings": return { settings: await this.#api.settings() };
        default: return { held: this.#waiting(await this.#api.held()) };
      }
    });
    if (found) Object.assign(this, found);
    this.#changed();
  }

  dismiss = () => {
    this.toast = null;
    this.#changed();
  };

  async #open(token, makeConnection) {
    try {
      const [edge] = await Promise.all([this.#api.edge(), this.#api.settings().then((found) => (this.settings = found))]);
      this.#connection = makeConnection({ url: edge.url, stream: this.stream, token, onChange: () => this.#changed() });
      this.#connection.model.rowsMax = ROWS_MAX;
      this.#connection.connect();
      this.state = "on";
      this.#timer = setInterval(() => this.#poll(), POLL_MS);
      await this.#poll();
    } catch (error) {
      this.state = "refused";
      this.error = error.message;
    }
    this.#changed();
  }

  async #poll() {
    if (document.visibilityState === "hidden") return;
    try {
      const [stats, held] = await Promise.all([this.#api.stats(), this.#api.held()]);
      this.stats = stats;
      this.samples = [...this.samples, stats.events_per_second].slice(-SAMPLES_MAX);
      this.held = this.#waiting(held);
      this.error = "";
    } catch (error) {
      this.error = error.message;
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
        clearInterval(this.#timer);
        this.state = "refused";
      }
    }
    this.#changed();
  }

  /** What was answered leaves the queue at once; should the server say no, the next look brings it back. */
  /** What of a queue was not answered just now: a second click must not meet another comment's fate. */
  #waiting({ held }) {
    for (const [id, at] of this.#answered) if (Date.now() - at > ANSWERED_MS) this.#answered.delete(id);
    return held.filter((each) => !this.#answered.has(each.id));
  }

  #answer(held, words, ask) {
    this.#answered.set(held.id, Date.now());
    this.held = this.#waiting(this);
    return this.#act(`${words} a comment of ${held.user.name}`, ask);
  }

  async #act(words, ask, undo) {
    this.busy = true;
    this.#changed();
    const done = await this.#try(ask);
    this.busy = false;
    if (done) this.#say({ text: words, bad: false, ...(undo ? { undo } : {}) });
    this.#changed();
    if (done) setTimeout(() => Promise.all([this.#poll(), this.look("bans")]), PROJECTED_MS);
    return Boolean(done);
  }

  async #try(ask) {
    try {
      return await ask();
    } catch (error) {
      this.#say({ text: error.message, bad: true });
      return null;
    }
  }

  #say(toast) {
    clearTimeout(this.#toastTimer);
    this.toast = toast;
    this.#toastTimer = setTimeout(this.dismiss, TOAST_MS);
  }

  #changed() {
    this.#onChange();
  }
}
