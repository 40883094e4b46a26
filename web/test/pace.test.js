import assert from "node:assert/strict";
import { test } from "node:test";
import { Away, Pace, SECONDS } from "../src/pace.js";

const NOW = 1_000_000_500; // half a second into a second
const said = (at, type = "comment") => ({ type, at });

test("comments count in the second in which they were said", () => {
  const pace = new Pace();
  pace.take([said(NOW), said(NOW - 200), said(NOW - 2_000), said(NOW, "delete")], NOW);
  const seconds = pace.seconds(NOW);
  assert.equal(seconds.length, SECONDS);
  assert.deepEqual(seconds.slice(-3), [1, 0, 2]);
  assert.deepEqual(pace.seconds(NOW + 1_000).slice(-4), [1, 0, 2, 0]);
});

test("what is caught up late falls where it belongs", () => {
  const pace = new Pace();
  pace.take([said(NOW - 30_000)], NOW);
  assert.equal(pace.seconds(NOW)[SECONDS - 31], 1);
});

test("the rate is the mean of the last whole seconds", () => {
  const pace = new Pace();
  for (let i = 0; i <= 5; i += 1) pace.take([said(NOW - i * 1000), said(NOW - i * 1000)], NOW);
  assert.equal(pace.rate(NOW), 2);
});

test("times that cannot be, and old ones, are not kept", () => {
  const pace = new Pace();
  pace.take([said(NOW + 60_000), said(undefined), said(NaN), said("x")], NOW);
  for (let i = 0; i < 1_000; i += 1) pace.take([said(NOW - i * 1_000)], NOW);
  assert.equal(pace.seconds(NOW).reduce((a, b) => a + b), SECONDS);
});

test("a stretch without a connection covers its seconds, open or closed", () => {
  const away = new Away();
  away.at(true, NOW);
  assert.equal(away.now, false);
  away.at(false, NOW);
  away.at(false, NOW + 1_000);
  assert.equal(away.now, true);
  assert.equal(away.covers(SECONDS - 1, NOW + 3_000), true);
  assert.equal(away.covers(SECONDS - 4, NOW + 3_000), true);
  assert.equal(away.covers(SECONDS - 5, NOW + 3_000), false);
  away.at(true, NOW + 3_000);
  assert.equal(away.covers(SECONDS - 1, NOW + 4_000), false);
  assert.equal(away.covers(SECONDS - 2, NOW + 4_000), true);
  away.at(true, NOW + 3_000 + SECONDS * 1_000);
  assert.deepEqual(away.stretches, []);
});
