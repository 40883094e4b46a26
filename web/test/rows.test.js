import assert from "node:assert/strict";
import { test } from "node:test";
import { Announcer, READ_OUT_MAX } from "../src/announcer.js";
import { HUES, holeWords, hue } from "../src/rows.js";

test("a hole is said in words", () => {
  assert.equal(holeWords({ from: 4, to: 5, reason: "window" }), "1 comment not loaded");
  assert.match(holeWords({ from: 0, to: 1200, reason: "slow" }), /1.200 comments skipped/);
  assert.match(holeWords({ from: 5, to: 5, reason: "unknown" }), /not known/);
  assert.match(holeWords({ from: 0, to: 9, reason: "epoch" }), /starts anew/);
});

test("a user has one colour everywhere", () => {
  assert.equal(hue("ana"), hue("ana"));
  const used = new Set(Array.from({ length: 500 }, (_, i) => hue(`user-${i}`)));
  assert.equal(used.size, HUES);
});

test("few comments are read out, many are counted, and few again are read out", () => {
  const announcer = new Announcer();
  announcer.came(3, 0);
  assert.equal(announcer.busy, false);
  announcer.came(READ_OUT_MAX, 1_000);
  assert.equal(announcer.busy, true);
  announcer.came(1, 10_000);
  assert.match(announcer.words, /13 new comments/);
  announcer.came(1, 20_000);
  assert.equal(announcer.busy, false);
  assert.equal(announcer.words, "");
});
