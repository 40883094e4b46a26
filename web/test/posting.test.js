import assert from "node:assert/strict";
import { test } from "node:test";
import { ATTEMPTS_MAX, judge, uuid7, waitSeconds } from "../src/posting.js";

test("an id is a UUID of version 7 with its time in front", () => {
  const id = uuid7(0x0123456789ab, new Uint8Array(10).fill(255));
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.ok(id.startsWith("01234567-89ab-7"));
  assert.notEqual(uuid7(), uuid7());
});

test("a temporary error and a lost connection are tried again, with longer and longer pauses, not for ever", () => {
  const pauses = [1, 2, 3].map((attempt) => judge({ code: 1010, temporary: true }, attempt));
  assert.ok(pauses.every(({ kind }) => kind === "retry"));
  assert.ok(pauses[0].afterMs < pauses[1].afterMs && pauses[1].afterMs < pauses[2].afterMs);
  assert.equal(judge({ code: 1 }, 1).kind, "retry");
  assert.equal(judge({ code: 1010, temporary: true }, ATTEMPTS_MAX).kind, "refused");
  assert.match(judge({ code: 2 }, ATTEMPTS_MAX).message, /not known/);
});

test("a refusal is final, and says why", () => {
  assert.deepEqual(judge({ code: 1002, message: "You are banned." }, 1), {
    kind: "refused", message: "You are banned.", waitSeconds: 0,
  });
});

test("rate limits and slow mode say how long to wait", () => {
  assert.equal(judge({ code: 1003, message: "Slow mode is on. Wait 12 s.", temporary: true }, 1).waitSeconds, 12);
  assert.equal(waitSeconds({ wait: 2.2 }), 3);
  assert.equal(waitSeconds({ message: "too fast" }), 1);
});
