import assert from "node:assert/strict";
import { test } from "node:test";
import { drop, keep, away, emptyModel, oneOf, take } from "../src/model.js";

const user = (id) => ({ id, name: id.toUpperCase(), role: "viewer" });
const comment = (seq, by = "ana") => ({ type: "comment", seq, id: `id-${seq}`, user: user(by), text: `text ${seq}`, at: 1000 });
const applied = (events, more = {}) => ({ after: 0, events, hole: null, omitted: 0, ...more });
const fed = (...events) => take(emptyModel(), "e-0", applied(events));
const ids = (model) => model.rows.map(({ id }) => id);

test("comments become rows, in order, each under a key of its own", () => {
  const model = fed(comment(1), comment(2));
  assert.deepEqual(ids(model), ["id-1", "id-2"]);
  assert.equal(new Set(model.rows.map(({ key }) => key)).size, 2);
  assert.equal(model.rows[0].copies, 1);
});

test("a model is not changed by what follows", () => {
  const before = fed(comment(1));
  take(before, "e-0", applied([comment(2)]));
  assert.deepEqual(ids(before), ["id-1"]);
});

test("the list is bounded, and keeps the newest", () => {
  const model = take(emptyModel(3), "e-0", applied([1, 2, 3, 4, 5].map((seq) => comment(seq))));
  assert.deepEqual(ids(model), ["id-3", "id-4", "id-5"]);
});

test("a delete takes one comment away, a clear all of a user's up to it", () => {
  let model = fed(comment(1), comment(2, "eve"), comment(3, "eve"), { type: "delete", seq: 4, target: "id-1" });
  assert.deepEqual(ids(model), ["id-2", "id-3"]);
  model = take(model, "e-0", applied([{ type: "clear", seq: 5, target: "eve" }, comment(6, "eve")]));
  assert.deepEqual(ids(model), ["id-6"]);
});

test("an own comment that was left out is kept once, whoever says so first", () => {
  const mine = { ...comment(5), seq: 5 };
  const model = keep(fed(comment(1)), mine);
  assert.equal(keep(model, mine), model);
  assert.deepEqual(model.rows.map((row) => row.id), ["id-1", "id-5"]);
  assert.deepEqual(take(model, "e-0", applied([comment(5)])).rows.map((row) => row.mine ?? false), [false, false]);
});

test("a pin shows until it is unpinned, replaced or deleted", () => {
  let model = fed(comment(1), comment(2), { type: "pin", seq: 3, target: "id-1" });
  assert.equal(model.pinned.id, "id-1");
  model = take(model, "e-0", applied([{ type: "pin", seq: 4, target: "id-2" }]));
  assert.equal(model.pinned.id, "id-2");
  assert.equal(take(model, "e-0", applied([{ type: "unpin", seq: 5 }])).pinned, null);
  assert.equal(take(model, "e-0", applied([{ type: "delete", seq: 5, target: "id-2" }])).pinned, null);
  const left = { ...comment(3), id: "left out", text: "not dealt to me" };
  model = take(model, "e-0", applied([{ type: "pin", seq: 6, target: left.id, comment: left }]));
  assert.equal(model.pinned.text, "not dealt to me");
  assert.equal(take(model, "e-0", applied([{ type: "clear", seq: 7, target: left.user.id }])).pinned, null);
});

test("slow mode and the end are told once, in the list", () => {
  let model = fed({ type: "slow", seq: 1, seconds: 30 }, { type: "slow", seq: 2, seconds: 30 });
  assert.equal(model.slowSeconds, 30);
  assert.equal(model.rows.length, 1);
  model = take(model, "e-0", applied([{ type: "settings", seq: 3, settings: { slow_mode_seconds: 0 } }, { type: "end", seq: 4 }]));
  assert.equal(model.slowSeconds, 0);
  assert.equal(model.ended, true);
  assert.equal(model.rows.length, 3);
});

test("bans change nothing that is shown", () => {
  assert.deepEqual(ids(fed(comment(1, "eve"), { type: "ban", seq: 2, target: "eve" })), ["id-1"]);
});

test("a hole is a row, before what follows it, and one that comes twice has one key", () => {
  const hole = { from: 3, to: 9, reason: "window" };
  const model = take(emptyModel(), "e-0", applied([comment(10)], { hole }));
  assert.deepEqual(model.rows.map(({ kind }) => kind), ["hole", "comment"]);
  assert.equal(model.rows[0].key, take(emptyModel(), "e-0", applied([], { hole })).rows[0].key);
});

test("what was missed while away is marked, behind a line that says so", () => {
  let model = away(fed(comment(1)), "e-0", 1, 12_300);
  model = take(model, "e-0", applied([comment(2)]), {}, true);
  model = take(model, "e-0", applied([comment(3)]));
  assert.deepEqual(model.rows.map(({ kind }) => kind), ["comment", "note", "comment", "comment"]);
  assert.match(model.rows[1].text, /away for 12 s/);
  assert.deepEqual(model.rows.filter(({ kind }) => kind === "comment").map(({ late }) => late), [false, true, false]);
  assert.match(away(emptyModel(), "e-0", 1, 300_000).rows[0].text, /5 min/);
});

test("being away twice at one place is one line", () => {
  assert.equal(away(away(emptyModel(), "e-0", 1, 2_000), "e-0", 1, 9_000).rows.length, 1);
});

test("viewers, staleness and sampling follow the publication", () => {
  let model = take(emptyModel(), "e-0", applied([comment(1)], { omitted: 9 }), { viewers: 7, sampled: true, stale: true });
  assert.equal(model.viewers, 7);
  assert.equal(model.stale, true);
  assert.equal(oneOf(model), 10);
  model = take(model, "e-0", applied([]), {});
  assert.equal(model.viewers, 7);
  assert.equal(model.stale, false);
  assert.equal(oneOf(model), 1);
});

test("an own comment that a selection left out is kept, until the log shows it or it is refused", () => {
  const mine = { id: "m1", text: "mine", user: { id: "me", name: "Me", role: "viewer" }, at: 1 };
  const kept = keep(emptyModel(), mine);
  assert.deepEqual(kept.rows.map(({ text, mine: own }) => [text, own]), [["mine", true]]);
  const shown = take(kept, "e-0", applied([{ ...comment(5), id: "m1", text: "mine" }]));
  assert.deepEqual(shown.rows.map(({ seq, mine: own }) => [seq, own]), [[5, undefined]]);
  assert.deepEqual(drop(kept, "m1").rows, []);
  assert.equal(drop(shown, "m1").rows.length, 1, "what everybody sees is not taken back");
  const cleared = take(kept, "e-0", applied([{ type: "clear", seq: 9, target: "me" }]));
  assert.deepEqual(cleared.rows, []);
});

test("reactions are totals that only grow", () => {
  let model = take(emptyModel(), "e-0", applied([]), { reactions: { "❤": 3 } });
  assert.deepEqual(model.reactions, { "❤": 3 });
  model = take(model, "e-0", applied([]), {});
  assert.deepEqual(model.reactions, { "❤": 3 });
  model = take(model, "e-0", applied([]), { reactions: { "❤": 2, "🔥": 1 } });
  assert.deepEqual(model.reactions, { "❤": 3, "🔥": 1 });
});
