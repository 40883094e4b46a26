/** `connection` against a client that a test plays: what it makes of what the SDK delivers. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { HEALS_MAX, LiveConnection, PENDING_MAX } from "../src/connection.js";

class FakeSubscription extends EventEmitter {
  state = "unsubscribed";
  published = [];
  answer = async () => ({});
  constructor(channel, options) {
    super();
    Object.assign(this, { channel, options });
  }
  subscribe() {
    if (this.state === "unsubscribed") this.#enter("subscribing");
  }
  async ready() {}
  publish(data) {
    this.published.push(data);
    return this.answer(data);
  }
  /** The server's reply, as the SDK tells it. */
  reply(offset, more = {}) {
    this.#enter("subscribed");
    this.emit("subscribed", { streamPosition: { epoch: "e-0", offset }, wasRecovering: false, recovered: false, ...more });
  }
  say(from, to, more = {}) {
    const events = Array.from({ length: to - from }, (_, i) => comment(from + 1 + i));
    this.emit("publication", { data: { from, to, events, viewers: 3, ...more } });
  }
  #enter(state) {
    this.state = state;
    this.emit("state", {});
  }
}

class FakeClient extends EventEmitter {
  state = "disconnected";
  made = [];
  connect() {
    this.enter("connecting");
    this.enter("connected");
    this.emit("connected", { data: { user: "ana" } });
  }
  disconnect() {
    for (const each of this.made) if (each.state === "subscribed") each.state = "subscribing";
    this.enter("disconnected");
    this.emit("disconnected", { code: 0, reason: "disconnect called" });
  }
  newSubscription(channel, options = {}) {
    const subscription = new FakeSubscription(channel, options);
    this.made.push(subscription);
    return subscription;
  }
  getSubscription(channel) {
    return this.made.findLast((each) => each.channel === channel) ?? null;
  }
  removeSubscription() {}
  enter(state) {
    this.state = state;
    this.emit("state", {});
  }
}

const comment = (seq) => ({ type: "comment", seq, id: `id-${seq}`, user: { id: "bo", name: "Bo", role: "viewer" }, text: `${seq}`, at: Date.now() });
const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

function started(options = {}) {
  const client = new FakeClient();
  const live = new LiveConnection({ url: "ws://edge", stream: "s", token: "t", onChange() {}, makeClient: () => client, ...options });
  live.connect();
  return { client, live, subscription: client.getSubscription("stream:s") };
}

test("it goes live with the subscription, and shows what comes", () => {
  const { live, subscription } = started();
  assert.equal(live.status, "connecting");
  subscription.reply(10);
  assert.equal(live.status, "live");
  subscription.say(0, 10);
  subscription.say(10, 12);
  assert.equal(live.position.seq, 12);
  assert.equal(live.model.rows.length, 12);
  assert.deepEqual([live.tally.gaps, live.tally.duplicates, live.model.viewers], [0, 0, 3]);
  assert.equal(live.me, "ana");
});

test("going offline keeps the place, and coming back tells what was missed", async () => {
  const { live, subscription } = started();
  subscription.reply(0);
  subscription.say(0, 5);
  live.disconnect();
  assert.equal(live.status, "offline");
  live.connect();
  subscription.reply(5, { wasRecovering: true, recovered: true });
  subscription.say(5, 9);
  await turn();
  assert.equal(live.status, "live");
  const { from, to, comments, missing, gaps, recovered } = live.lastCatchUp;
  assert.deepEqual({ from, to, comments, missing, gaps, recovered }, { from: 5, to: 9, comments: 4, missing: 0, gaps: 0, recovered: true });
  assert.deepEqual(live.model.rows.map(({ late }) => late), [...Array(5).fill(false), ...Array(4).fill(true)]);
  subscription.say(9, 10);
  assert.equal(live.model.rows.at(-1).late, false);
});

test("a hole that the edge announces is shown, and counted as missing", async () => {
  const { live, subscription } = started();
  subscription.reply(0);
  subscription.say(0, 2);
  live.disconnect();
  live.connect();
  subscription.reply(90, { wasRecovering: true });
  subscription.say(2, 90, { events: [comment(90)], hole: { from: 2, to: 80, reason: "window" } });
  await turn();
  assert.deepEqual([live.lastCatchUp.missing, live.lastCatchUp.comments, live.tally.holes], [78, 1, 1]);
  assert.ok(live.model.rows.some(({ kind }) => kind === "hole"));
});

test("a gap is asked for again from the position, and healed", () => {
  const { client, live, subscription } = started();
  subscription.reply(0);
  subscription.say(0, 3);
  subscription.say(5, 6);
  const second = client.getSubscription("stream:s");
  assert.notEqual(second, subscription);
  assert.deepEqual(second.options.since, { epoch: "e-0", offset: 3 });
  subscription.say(6, 7); // what the old one says does not count any more
  second.reply(3, { wasRecovering: true, recovered: true });
  second.say(3, 7);
  assert.equal(live.position.seq, 7);
  assert.deepEqual([live.tally.healed, live.tally.gaps, live.tally.duplicates], [1, 0, 0]);
});

test("a gap that nobody can fill is shown after a few tries", () => {
  const { client, live, subscription } = started();
  subscription.reply(0);
  subscription.say(0, 3);
  for (let i = 0; i <= HEALS_MAX; i += 1) {
    const now = client.getSubscription("stream:s");
    if (i) now.reply(3, { wasRecovering: true, recovered: true });
    now.say(5, 6);
  }
  assert.equal(live.tally.gaps, 1);
  assert.equal(live.position.seq, 6);
  assert.deepEqual(live.model.rows.map(({ kind }) => kind), ["comment", "comment", "comment", "hole", "comment"]);
});

test("a comment is posted under one id until it is accepted, and waits in the list until it comes", async () => {
  const { live, subscription } = started();
  subscription.reply(0);
  let tries = 0;
  subscription.answer = async () => {
    tries += 1;
    if (tries === 1) throw { code: 1010, temporary: true, message: "not known" };
  };
  const posted = await live.post("hi");
  assert.equal(posted.kind, "accepted");
  assert.equal(subscription.published.length, 2);
  assert.equal(subscription.published[0].id, subscription.published[1].id);
  assert.deepEqual(live.pending.map(({ state }) => state), ["accepted"]);
  subscription.emit("publication", { data: { from: 0, to: 1, events: [{ ...comment(1), id: posted.id }] } });
  assert.deepEqual(live.pending, []);
  live.close();
});

test("a refusal takes the comment off the list and says why", async () => {
  const { live, subscription } = started();
  subscription.reply(0);
  subscription.answer = async () => {
    throw { code: 1002, message: "You are banned." };
  };
  const posted = await live.post("hi");
  assert.deepEqual([posted.kind, posted.message, live.pending.length], ["refused", "You are banned.", 0]);
});

test("no more comments than a few wait at once", async () => {
  const { live, subscription } = started();
  subscription.reply(0);
  subscription.answer = () => new Promise(() => {});
  for (let i = 0; i < PENDING_MAX; i += 1) live.post(`${i}`);
  assert.equal((await live.post("one too many")).kind, "refused");
});

test("a notice takes back what was accepted", () => {
  let said = "";
  const { client, live, subscription } = started({ onNotice: (message) => (said = message) });
  subscription.reply(0);
  client.getSubscription("user:ana").emit("publication", { data: { id: "x", message: "Not allowed here." } });
  assert.equal(said, "Not allowed here.");
  assert.deepEqual(live.pending, []);
});

test("what the server ends for good is refused, with its reason", () => {
  const { client, live, subscription } = started();
  subscription.reply(0);
  client.state = "disconnected";
  client.emit("disconnected", { code: 4500, reason: "invalid token" });
  assert.deepEqual([live.status, live.reason], ["refused", "invalid token"]);
});

test("a guest reads, and has no notices", () => {
  const { client, live } = started({ token: "" });
  assert.equal(live.readOnly, true);
  assert.equal(client.getSubscription("user:ana"), null);
});

test("what makes no sense is counted and passed over", () => {
  const { live, subscription } = started();
  subscription.reply(0);
  subscription.emit("publication", { data: { from: 3, to: 1 } });
  subscription.say(0, 1);
  assert.deepEqual([live.tally.malformed, live.tally.count], [1, 1]);
});
