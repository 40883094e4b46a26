import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Api, ApiError } from "../src/console/api.js";
import { Desk } from "../src/console/desk.js";
import { FIELDS, changed, lines, valueOf } from "../src/console/form.js";

const FOUND = { title: "T", moderators: ["eve"], settings: { slow_mode_seconds: 5, review: true, links: "hold", members: [] } };

const asIs = (name) => {
  const value = valueOf(FOUND, FIELDS.find((field) => field.name === name));
  return { value: Array.isArray(value) ? value.join("\n") : String(value), checked: value === true };
};

test("a form that nobody touched changes nothing", () => {
  assert.deepEqual(changed(FOUND, asIs), {});
});

test("only what is said otherwise is sent, in its own type", () => {
  const said = { slow_mode_seconds: { value: "30" }, review: { checked: false }, moderators: { value: " eve \n\nbob" }, links: { value: "allow" } };
  assert.deepEqual(changed(FOUND, (name) => said[name] ?? asIs(name)), {
    slow_mode_seconds: 30, review: false, links: "allow", moderators: ["eve", "bob"],
  });
});

test("lines are trimmed, and empty ones are none", () => {
  assert.deepEqual(lines("  a b \n\n c"), ["a b", "c"]);
});

test("a request has the token, a key of its own when it changes something, and names are escaped", async () => {
  const asked = [];
  const api = new Api("s", "tok", async (url, options) => {
    asked.push([url, options]);
    return { ok: true, json: async () => ({}) };
  });
  await api.ban("a/b", { kind: "ban" });
  await api.held();
  assert.equal(asked[0][0], "/v1/streams/s/bans/a%2Fb");
  assert.equal(asked[0][1].headers.Authorization, "Bearer tok");
  assert.match(asked[0][1].headers["Idempotency-Key"], /^[0-9a-f-]{36}$/);
  assert.equal(asked[1][1].headers["Idempotency-Key"], undefined);
});

test("a refusal is told in the server's words, silence in ours", async () => {
  const api = new Api("s", "t", async () => ({ ok: false, status: 422, json: async () => ({ detail: "words: rule 1: …" }) }));
  await assert.rejects(api.save({}), (error) => error instanceof ApiError && error.status === 422 && /rule 1/.test(error.message));
  const dead = new Api("s", "t", async () => { throw new TypeError("fetch failed"); });
  await assert.rejects(dead.held(), (error) => error.status === 0);
});

/** A desk over an API that remembers what it was asked. */
function desk(answers = {}) {
  const asked = [];
  const api = new Proxy({}, {
    get: (_, name) => async (...all) => {
      asked.push([name, ...all]);
      const answer = answers[name];
      if (answer instanceof Error) throw answer;
      return answer ?? { held: [], bans: [], entries: [], url: "ws://x", events_per_second: 1, settings: {} };
    },
  });
  const connection = { model: { rows: [], rowsMax: 0 }, status: "live", connect() {}, close() {} };
  return { asked, made: new Desk("s", "t", () => {}, { api, makeConnection: () => connection }) };
}

beforeEach(() => {
  globalThis.document = { visibilityState: "visible" };
});

test("a desk that may not be used says why", async () => {
  const { made } = desk({ settings: new ApiError(403, "You may not moderate this stream.") });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(made.state, "refused");
  assert.match(made.error, /may not moderate/);
  made.close();
});

test("what is approved leaves the queue at once, and a refusal is a toast", async () => {
  const { made, asked } = desk({ approve: new ApiError(422, "no such comment waits") });
  await new Promise((resolve) => setImmediate(resolve));
  made.held = [{ id: "1", user: { id: "a", name: "A" } }, { id: "2", user: { id: "b", name: "B" } }];
  const approving = made.approve(made.held[0]);
  assert.deepEqual(made.held.map(({ id }) => id), ["2"]);
  await approving;
  assert.deepEqual(asked.filter(([name]) => name === "approve"), [["approve", "1"]]);
  assert.deepEqual([made.toast.text, made.toast.bad], ["no such comment waits", true]);
  made.close();
});

test("an answer that was under way does not bring an approved one back", async () => {
  const rows = [{ id: "1", user: { id: "a", name: "A" } }, { id: "2", user: { id: "b", name: "B" } }];
  const { made } = desk({ held: { held: rows } });
  await new Promise((resolve) => setImmediate(resolve));
  made.held = rows;
  await made.approve(rows[0]);
  await made.look("held");
  assert.deepEqual(made.held.map(({ id }) => id), ["2"]);
  made.close();
});

test("a ban can be undone from its toast", async () => {
  const { made, asked } = desk();
  await new Promise((resolve) => setImmediate(resolve));
  await made.ban({ id: "a", name: "Ann" }, "timeout", 600);
  assert.equal(made.toast.text, "Timed out Ann for 600 s");
  await made.toast.undo();
  assert.deepEqual(asked.filter(([name]) => name === "ban" || name === "unban"), [
    ["ban", "a", { kind: "timeout", seconds: 600 }], ["unban", "a"],
  ]);
  made.close();
});
