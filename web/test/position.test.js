import assert from "node:assert/strict";
import { test } from "node:test";
import { NOWHERE, apply, since, skip, subscribed } from "../src/position.js";

const event = (seq, type = "comment") => ({ type, seq, id: `id-${seq}` });
const events = (...seqs) => seqs.map((seq) => event(seq));
const at = (seq, epoch = "e-0") => ({ epoch, seq, floor: 0 });
const seqs = (result) => result.events.map(({ seq }) => seq);

test("a first subscribe joins at the reply, and the last comments may be older", () => {
  const joined = subscribed(NOWHERE, { epoch: "e-0", offset: 20 });
  assert.deepEqual(since(joined), { epoch: "e-0", offset: 20 });
  const result = apply(joined, { from: 10, to: 20, events: events(11, 15, 20) });
  assert.equal(result.kind, "applied");
  assert.deepEqual(seqs(result), [11, 15, 20]);
  assert.equal(result.position.seq, 20);
  assert.equal(result.omitted, 7);
});

test("nowhere yet is nowhere to resume from", () => {
  assert.equal(since(NOWHERE), null);
});

test("a position never goes back in its epoch, and starts over in another", () => {
  assert.equal(subscribed(at(9), { epoch: "e-0", offset: 4 }).seq, 9);
  assert.deepEqual(subscribed(at(9), { epoch: "e-1", offset: 4 }), { epoch: "e-1", seq: null, floor: 4 });
});

test("a publication that starts at the position is applied", () => {
  const result = apply(at(5), { from: 5, to: 7, events: events(6, 7) });
  assert.deepEqual(seqs(result), [6, 7]);
  assert.equal(result.omitted, 0);
  assert.equal(result.trimmed, 0);
});

test("one that overlaps is trimmed, per seq", () => {
  const result = apply(at(6), { from: 4, to: 8, events: events(5, 6, 7, 8) });
  assert.deepEqual(seqs(result), [7, 8]);
  assert.equal(result.trimmed, 2);
});

test("one that is known changes nothing", () => {
  const result = apply(at(9), { from: 4, to: 8, events: events(5, 8) });
  assert.deepEqual(seqs(result), []);
  assert.equal(result.position.seq, 9);
});

test("one that starts beyond is a gap", () => {
  assert.deepEqual(apply(at(5), { from: 7, to: 8, events: events(8) }), { kind: "gap", gap: { from: 5, to: 7 } });
  assert.equal(skip(at(5), { from: 5, to: 7 }).seq, 7);
});

test("events out of order and repeats within a publication are dropped", () => {
  assert.deepEqual(seqs(apply(at(0), { from: 0, to: 4, events: events(1, 3, 2, 3, 4) })), [1, 3, 4]);
});

test("an announced hole is the part of it that is news, and is not counted as omitted", () => {
  const hole = { from: 2, to: 8, reason: "window" };
  const result = apply(at(5), { from: 2, to: 10, events: events(9, 10), hole });
  assert.deepEqual(result.hole, { from: 5, to: 8, reason: "window" });
  assert.equal(result.omitted, 0);
  assert.equal(apply(at(8), { from: 2, to: 10, events: events(9, 10), hole }).hole, null);
});

test("a doubt, which is an empty hole, is kept", () => {
  const hole = { from: 5, to: 5, reason: "unknown" };
  assert.deepEqual(apply(at(5), { from: 5, to: 5, events: [], hole }).hole, hole);
});

test("what makes no sense is malformed", () => {
  for (const bad of [null, 7, {}, { from: 2, to: 1, events: [] }, { from: 0, to: 1 }, { from: "0", to: 1, events: [] }]) {
    assert.equal(apply(at(0), bad).kind, "malformed");
  }
});

test("however a history is cut, repeated and shuffled, every seq is applied once or is a gap", () => {
  let seed = 12345;
  const random = (n) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
  for (let round = 0; round < 300; round += 1) {
    let position = { epoch: "e-0", seq: 0, floor: 0 };
    const seen = [];
    for (let step = 0; step < 40; step += 1) {
      const from = Math.max(0, position.seq + random(7) - 4);
      const to = from + random(5);
      const result = apply(position, { from, to, events: Array.from({ length: to - from }, (_, i) => event(from + 1 + i)) });
      if (result.kind === "gap") {
        assert.ok(result.gap.from === position.seq && result.gap.to > result.gap.from);
        continue;
      }
      position = result.position;
      seen.push(...seqs(result));
    }
    assert.deepEqual(seen, Array.from({ length: position.seq }, (_, i) => i + 1), `seed ${seed}`);
  }
});
