/** The replay page's pure parts, and its connection against a client that a test plays. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { emptyModel, take } from "../src/model.js";
import { barsPath, busiest, heights, rateAt } from "../src/replay/bars.js";
import { SPEEDS, at, changed, clockText, nextSpeed, over, spokenText, stopped } from "../src/replay/clock.js";
import { ReplayConnection } from "../src/replay/connection.js";
import { gone } from "../src/replay/gone.js";
import { VideoConnection, stateOf } from "../src/replay/video.js";

const comment = (seq, by = "bo") => ({ type: "comment", seq, id: `id-${seq}`, user: { id: by, name: by, role: "viewer" }, text: `${seq}`, at: seq * 1000 });

test("a video goes on at its speed, stands while it is paused, and stops at its end", () => {
  let clock = changed(stopped(10_000), 0, { paused: false, speed: 2 });
  assert.equal(at(clock, 1_500), 3_000);
  clock = changed(clock, 1_500, { paused: true });
  assert.equal(at(clock, 99_000), 3_000);
  clock = changed(clock, 99_000, { paused: false, speed: 1 });
  assert.equal(at(clock, 100_000), 4_000);
  assert.ok(!over(clock, 100_000));
  assert.equal(at(clock, 200_000), 10_000);
  assert.ok(over(clock, 200_000));
});

test("a position stays within the video", () => {
  const clock = stopped(10_000);
  assert.equal(changed(clock, 0, { positionMs: -5 }).positionMs, 0);
  assert.equal(changed(clock, 0, { positionMs: 99_999 }).positionMs, 10_000);
  assert.equal(changed({ ...clock, positionMs: 9_000 }, 0, { durationMs: 5_000 }).positionMs, 5_000);
});

test("speeds go up and down, and end somewhere", () => {
  assert.equal(nextSpeed(1, 1), 1.5);
  assert.equal(nextSpeed(1, -1), 0.5);
  assert.equal(nextSpeed(SPEEDS[0], -1), SPEEDS[0]);
  assert.equal(nextSpeed(SPEEDS.at(-1), 1), SPEEDS.at(-1));
});

test("times for the eye and for the ear", () => {
  assert.deepEqual([0, 61_999, 3_723_000].map(clockText), ["0:00", "1:01", "1:02:03"]);
  assert.deepEqual([0, 61_999, 3_600_000].map(spokenText), ["0 seconds", "1 minute 1 second", "1 hour"]);
});

test("bars are as high as their root, what is not nothing can be seen, and nothing has none", () => {
  assert.deepEqual(heights([0, 25, 100]), [0, 0.5, 1]);
  assert.equal(heights([1, 100_000])[0], 0.06);
  assert.equal(barsPath([0, 0], 100, 10), "");
  assert.equal(barsPath([0, 4], 100, 10), "M50 10v-10h36V10z");
});

test("the busiest part, and how busy a part is", () => {
  assert.equal(busiest([1, 5, 2], 1_000), 1_000);
  assert.equal(busiest([0, 0], 1_000), null);
  assert.equal(rateAt([1, 5, 2], 30_000, 31_000), 10);
  assert.equal(rateAt([], 1, 5), 0);
});

test("what was taken away leaves the list and the pin", () => {
  let model = take(emptyModel(), "e", { after: 0, events: [comment(1), comment(2, "eve"), comment(3, "eve"), { type: "pin", seq: 4, target: "id-2" }], hole: null, omitted: 0 });
  model = gone(model, { ids: ["id-1"], users: { eve: 2_500 } });
  assert.deepEqual(model.rows.map(({ seq }) => seq), [3]);
  assert.equal(model.pinned, null);
  assert.deepEqual(gone(model, {}).rows, model.rows);
});

class FakeClient extends EventEmitter {
  calls = [];
  answer = async () => ({ data: {} });
  connect() {
    this.emit("state", { newState: "connecting" });
  }
  disconnect() {
    this.emit("disconnected", { code: 0, reason: "" });
  }
  newSubscription(channel, options) {
    this.subscription = Object.assign(new EventEmitter(), { channel, options, subscribe() {} });
    return this.subscription;
  }
  rpc(method, data) {
    this.calls.push([method, data]);
    return this.answer();
  }
}

function started() {
  const client = new FakeClient();
  const films = [];
  const video = { positionMs: 1234.5, speed: 2, paused: true };
  const replay = new ReplayConnection({
    url: "ws://edge", stream: "s", onChange() {}, video: () => video, onFilm: (film) => films.push(film), makeClient: () => client,
  });
  replay.connect();
  const reply = (more = {}) =>
    client.subscription.emit("subscribed", {
      streamPosition: { epoch: "e-0", offset: 0 }, recovered: false, data: { starts_at: 5, duration_ms: 9_000 }, ...more,
    });
  const say = (from, to, more = {}) => {
    const events = Array.from({ length: to - from }, (_, i) => comment(from + 1 + i));
    client.subscription.emit("publication", { data: { from, to, events, omitted: 0, ...more } });
  };
  return { client, replay, films, reply, say };
}
const shown = (replay) => replay.model.rows.map((row) => row.seq);

test("it asks for the video's place, and shows what comes", async () => {
  const { client, replay, films, reply, say } = started();
  assert.equal(client.subscription.channel, "replay:s");
  assert.deepEqual(await client.subscription.options.getData(), { position_ms: 1235, speed: 2, paused: true });
  assert.equal(replay.status, "connecting");
  reply();
  assert.equal(replay.status, "live");
  assert.deepEqual(films, [{ startsAt: 5, durationMs: 9_000 }]);
  say(0, 2, { seek: true });
  say(2, 3);
  assert.deepEqual(shown(replay), [1, 2, 3]);
  assert.equal(replay.tally.count, 3);
});

test("a jump empties the list, forth and back; what overlaps is shown once", () => {
  const { replay, reply, say } = started();
  reply();
  say(0, 3, { seek: true });
  say(50, 52, { seek: true });
  assert.deepEqual(shown(replay), [51, 52]);
  say(0, 2, { seek: true });
  say(1, 4);
  assert.deepEqual(shown(replay), [1, 2, 3, 4]);
  assert.equal(replay.tally.gaps, 0);
});

test("what was pinned where a jump ends is shown, also when it is older than the list, and goes when it is taken away", () => {
  const { replay, reply, say } = started();
  reply();
  say(50, 52, { seek: true, pinned: comment(3) });
  assert.deepEqual([replay.model.pinned.id, replay.model.pinned.text], ["id-3", "3"]);
  say(52, 53);
  assert.equal(replay.model.pinned.id, "id-3");
  say(53, 53, { gone: { ids: ["id-3"] } });
  assert.equal(replay.model.pinned, null);
  say(60, 61, { seek: true, pinned: null });
  assert.equal(replay.model.pinned, null);
});

test("what is taken away goes, a hole is shown, and a stall is told", () => {
  const { replay, reply, say } = started();
  reply();
  say(0, 3, { seek: true });
  say(3, 3, { gone: { ids: ["id-2"], users: {} } });
  assert.deepEqual(shown(replay), [1, 3]);
  say(3, 3, { stale: true });
  assert.ok(replay.model.stale);
  say(3, 10, { events: [], hole: { from: 3, to: 10, reason: "late" } });
  assert.equal(replay.model.rows.at(-1).kind, "hole");
  assert.ok(!replay.model.stale);
});

test("who comes back keeps the list, and says where the video is", async () => {
  const { client, replay, reply, say } = started();
  reply();
  say(0, 3, { seek: true });
  client.emit("state", { newState: "connecting" });
  assert.equal(replay.status, "connecting");
  assert.equal(await replay.tell(), null);
  assert.deepEqual(client.calls, []);
  reply({ recovered: true, streamPosition: { epoch: "e-0", offset: 3 } });
  assert.deepEqual(client.calls, [["replay", { channel: "replay:s", position_ms: 1235, speed: 2, paused: true }]]);
  say(3, 4);
  assert.deepEqual(shown(replay), [1, 2, 3, 4]);
  client.answer = async () => ({ data: { starts_at: 5, duration_ms: 12_000 } });
  assert.deepEqual(await replay.tell(), { startsAt: 5, durationMs: 12_000 });
});

test("a refusal is for good, a fault is tried again, and a histogram may not be known", async () => {
  const { client, replay, reply } = started();
  client.subscription.emit("error", { error: { message: "the archive is away" } });
  assert.deepEqual([replay.status, replay.reason], ["connecting", "the archive is away"]);
  client.subscription.emit("unsubscribed", { code: 102, reason: "nothing is archived" });
  assert.deepEqual([replay.status, replay.reason], ["refused", "nothing is archived"]);
  reply();
  client.answer = async () => ({ data: { bucket_ms: 10, counts: [1, 2], exact: true, starts_at: 5 } });
  assert.deepEqual(await replay.histogram(2), { bucketMs: 10, counts: [1, 2], exact: true, startsAt: 5 });
  client.answer = async () => Promise.reject(new Error("timeout"));
  assert.equal(await replay.histogram(2), null);
  await replay.tell();
});

class FakeVideo extends EventTarget {
  currentTime = 1.5;
  playbackRate = 1;
  paused = false;
  seeking = false;
  ended = false;
  readyState = 4;
}

test("a video's place, also while it waits for data, and at speeds that the edge does not have", () => {
  const video = new FakeVideo();
  assert.deepEqual(stateOf(video), { positionMs: 1500, speed: 1, paused: false });
  for (const change of [{ paused: true }, { seeking: true }, { ended: true }, { readyState: 2 }]) {
    assert.ok(stateOf(Object.assign(new FakeVideo(), change)).paused);
  }
  assert.deepEqual([0.1, 99, 0].map((playbackRate) => stateOf(Object.assign(video, { playbackRate })).speed), [0.25, 16, 1]);
});

test("what is done to a video is told, until the connection is closed", () => {
  const [client, video] = [new FakeClient(), new FakeVideo()];
  const replay = new VideoConnection(video, { url: "ws://edge", stream: "s", onChange() {}, makeClient: () => client });
  replay.connect();
  client.subscription.emit("subscribed", { streamPosition: { epoch: "e-0", offset: 0 }, recovered: false, data: { starts_at: 0, duration_ms: 1 } });
  video.currentTime = 60;
  video.dispatchEvent(new Event("seeked"));
  assert.deepEqual(client.calls, [["replay", { channel: "replay:s", position_ms: 60_000, speed: 1, paused: false }]]);
  replay.close();
  video.dispatchEvent(new Event("pause"));
  assert.equal(client.calls.length, 1);
});
