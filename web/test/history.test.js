import assert from "node:assert/strict";
import { test } from "node:test";
import { SAMPLES_MAX, look, path, spread } from "../src/board/history.js";

const row = (id, viewers = 1) => ({ id, viewers, arrivals_per_s: 0, shown_per_s: 0, p99_ms: null });

test("each stream keeps its last looks, and no more", () => {
  let history = new Map();
  for (let n = 0; n < SAMPLES_MAX + 10; n += 1) history = look(history, [row("a", n)]);
  const { rows } = history.get("a");
  assert.equal(rows.length, SAMPLES_MAX);
  assert.equal(rows.at(-1).viewers, SAMPLES_MAX + 9);
});

test("a stream that is away for a moment keeps its curve; one that is gone is forgotten", () => {
  let history = look(new Map(), [row("a"), row("b")]);
  history = look(history, [row("b")]);
  history = look(history, [row("a"), row("b")]);
  assert.equal(history.get("a").rows.length, 2);
  for (let n = 0; n < 20; n += 1) history = look(history, [row("b")]);
  assert.deepEqual([...history.keys()], ["b"]);
});

test("a curve ends at the right, is capped at the top, and breaks where nothing is known", () => {
  const wide = SAMPLES_MAX - 1;
  assert.equal(path([0, 5, 20], 10, wide, 10), `M${wide - 2} 10L${wide - 1} 5L${wide} 0`);
  assert.equal(path([1, null, 1], 1, wide, 10), `M${wide - 2} 0M${wide} 0`);
  assert.equal(path([], 1, wide, 10), "");
});

test("lanes are held against their mean; none where nothing was shown", () => {
  assert.deepEqual(spread([2, 4, 3]), { mean: 3, least: 2, most: 4 });
  assert.equal(spread([0, 0]), null);
});
