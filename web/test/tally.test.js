import assert from "node:assert/strict";
import { test } from "node:test";
import { SEQS_MAX, Tally, catchUp } from "../src/tally.js";

const applied = (seqs, more = {}) => ({ events: seqs.map((seq) => ({ seq, type: "comment" })), hole: null, omitted: 0, trimmed: 0, ...more });

test("comments, holes and what was left out are counted", () => {
  const tally = new Tally();
  tally.take("e-0", applied([1, 2], { omitted: 3, trimmed: 1 }));
  tally.take("e-0", { ...applied([7]), events: [{ seq: 7, type: "delete" }], hole: { from: 5, to: 6 } });
  assert.equal(tally.count, 2);
  assert.deepEqual(tally.seqs, [1, 2, 7]);
  assert.deepEqual([tally.omitted, tally.trimmed, tally.holes, tally.duplicates], [3, 1, 1, 0]);
});

test("a seq that is applied twice is a duplicate, in its epoch alone", () => {
  const tally = new Tally();
  tally.take("e-0", applied([1, 2]));
  tally.take("e-0", applied([2]));
  assert.equal(tally.duplicates, 1);
  tally.take("e-1", applied([1, 2]));
  assert.equal(tally.duplicates, 1);
  assert.deepEqual(tally.seqs, [1, 2]);
});

test("the list of seqs is bounded", () => {
  const tally = new Tally();
  tally.take("e-0", applied(Array.from({ length: SEQS_MAX + 10 }, (_, i) => i + 1)));
  assert.equal(tally.seqs.length, SEQS_MAX);
  assert.equal(tally.seqs.at(-1), SEQS_MAX + 10);
});

test("a return is what came between", () => {
  const tally = new Tally();
  tally.take("e-0", applied([1, 2]));
  const before = { ...tally };
  tally.take("e-0", applied([3, 4, 5]));
  assert.deepEqual(catchUp(before, tally, 2, 5, 0, true), {
    from: 2, to: 5, comments: 3, missing: 0, gaps: 0, recovered: true,
  });
});
