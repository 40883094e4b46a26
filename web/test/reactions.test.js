import assert from "node:assert/strict";
import test from "node:test";
import { FLOATS_MAX, floats, merged, picture, short } from "../src/reactions.js";

test("the first totals float nothing: they are the past", () => {
  assert.deepEqual(floats(null, { "❤": 5_000 }), []);
});

test("what grew floats, thinned out", () => {
  assert.deepEqual(floats({ "❤": 10 }, { "❤": 11 }), ["❤"]);
  assert.deepEqual(floats({ "❤": 10, "🔥": 1 }, { "❤": 10, "🔥": 4 }), ["🔥", "🔥"]);
  assert.equal(floats({}, { "🎉": 1e9 }).length, FLOATS_MAX);
});

test("totals never go back", () => {
  assert.deepEqual(merged({ "❤": 9, "🔥": 2 }, { "❤": 3, "🔥": 5, "👍": 1 }), { "❤": 9, "🔥": 5, "👍": 1 });
  assert.deepEqual(merged(null, { "❤": 1 }), { "❤": 1 });
  assert.deepEqual(merged({ "❤": 1 }, { "❤": "many" }), { "❤": 1 });
});

test("what was a character before it was an emoji is shown as a picture", () => {
  assert.equal(picture("❤"), "❤\uFE0F");
  assert.equal(picture("🔥"), "🔥");
});

test("large totals are written short", () => {
  assert.equal(short(7), "7");
  assert.match(short(12_345), /^12[.,]3/);
});
