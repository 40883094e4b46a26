/**
 * The page at `/replay`: a stream that is over, with its comments in step with a stand-in for its video.
 *
 * `?stream=` names the stream, `?t=` where to begin, in seconds. Keys: space or K plays and pauses, J and L skip 10 s,
 * the arrows 5 s, 0 to 9 go to a tenth of it, < and > change the speed. `window.__replay` has its state, for tests.
 */
import "../live-comments.js";
import "./timeline.js";
import { byId, developmentToken, drawCrowd, query, setText, setUpTheme, stream, user } from "../site.js";
import { busiest } from "./bars.js";
import { SPEEDS, at, changed, clockText, nextSpeed, over, stopped } from "./clock.js";
import { ReplayConnection } from "./connection.js";

/** Bars of the time-line. */
const BUCKETS = 120;
/** While the viewer drags, the edge is told at most this often. */
const TELL_MS = 150;
const PLAY = "M7 4.5v15l13-7.5z";
const PAUSE = "M6 5h4.2v14H6zM13.8 5H18v14h-4.2z";
const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const chat = byId("chat");
const timeline = byId("timeline");
let clock = { ...stopped(Infinity), positionMs: Math.max(0, Number(query.get("t")) * 1000 || 0) };
let film = null;
let connection = null;
let busyMs = null;
let telling = null;
let shownPaused = null;

/** Where the video is now. A page with a real video asks that. */
function video() {
  return { positionMs: at(clock, performance.now()), speed: clock.speed, paused: clock.paused };
}

function change(what) {
  clock = changed(clock, performance.now(), what);
  telling ??= setTimeout(tell, TELL_MS);
  show();
}

async function tell() {
  telling = null;
  const found = await connection?.tell();
  if (!found || found.durationMs <= film.durationMs) return;
  film = found; // the stream goes on
  clock = changed(clock, performance.now(), { durationMs: film.durationMs });
  show();
}

const go = (positionMs) => change({ positionMs });
const skip = (ms) => go(video().positionMs + ms);

function toggle() {
  const ended = video().positionMs >= clock.durationMs;
  change(clock.paused ? { paused: false, ...(ended ? { positionMs: 0 } : {}) } : { paused: true });
}

async function begun(found, by) {
  const first = film === null;
  [film, connection] = [found, by];
  clock = changed(clock, performance.now(), { durationMs: found.durationMs, ...(first ? { paused: false } : {}) });
  if (first) by.tell();
  for (const id of ["play", "back", "forth"]) byId(id).disabled = false;
  const histogram = await by.histogram(BUCKETS);
  if (histogram) showHistogram(histogram);
  show();
}

function showHistogram({ counts, bucketMs, exact }) {
  [timeline.counts, timeline.bucketMs] = [counts, bucketMs];
  const total = counts.reduce((sum, each) => sum + each, 0);
  busyMs = busiest(counts, bucketMs);
  byId("busiest").hidden = busyMs === null;
  const comments = `${exact ? "" : "about "}${total.toLocaleString()} ${total === 1 ? "comment" : "comments"}`;
  setText(byId("fact"), `${comments} in ${clockText(film.durationMs)}`);
}

function show() {
  const { positionMs, paused } = video();
  const chatNow = chat.snapshot();
  window.__replay = { ...chatNow, positionMs, paused, speed: clock.speed, durationMs: film?.durationMs ?? null, bars: timeline.counts.length };
  if (film) {
    [timeline.duration, timeline.position] = [film.durationMs, positionMs];
    setText(byId("position"), clockText(positionMs));
    setText(byId("duration"), clockText(film.durationMs));
    setText(byId("when"), WHEN.format(film.startsAt + positionMs));
  } else if (chatNow.state === "refused") {
    setText(byId("fact"), `There is no replay: ${chatNow.reason || "the edge said no"}.`);
  } else if (chatNow.reason) {
    setText(byId("fact"), `Not now: ${chatNow.reason}. Trying again…`);
  }
  if (paused !== shownPaused) showPaused(paused);
  if (Number(byId("speed").value) !== clock.speed) byId("speed").value = String(clock.speed);
}

function showPaused(paused) {
  shownPaused = paused;
  byId("video").dataset.paused = paused;
  byId("play").setAttribute("aria-label", paused ? "Play" : "Pause");
  byId("play-icon").setAttribute("d", paused ? PLAY : PAUSE);
}

function frame() {
  if (over(clock, performance.now())) change({ paused: true });
  if (!clock.paused) show();
  requestAnimationFrame(frame);
}

const KEYS = {
  " ": toggle, k: toggle, j: () => skip(-10_000), l: () => skip(10_000),
  ArrowLeft: () => skip(-5_000), ArrowRight: () => skip(5_000),
  "<": () => change({ speed: nextSpeed(clock.speed, -1) }), ">": () => change({ speed: nextSpeed(clock.speed, 1) }),
};

function key(event) {
  if (!film || event.altKey || event.ctrlKey || event.metaKey) return;
  const within = event.composedPath()[0];
  // Space presses a button that has the focus; a list or a field has keys of its own.
  if (within.matches?.("input:not([type=range]), select, textarea") || (event.key === " " && within.matches?.("button, a"))) return;
  const act = /^[0-9]$/.test(event.key) ? () => go((film.durationMs * Number(event.key)) / 10) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function setUp() {
  byId("speed").replaceChildren(...SPEEDS.map((speed) => new Option(`${speed}×`, String(speed))));
  byId("speed").addEventListener("change", (event) => change({ speed: Number(event.target.value) }));
  byId("play").addEventListener("click", toggle);
  byId("back").addEventListener("click", () => skip(-10_000));
  byId("forth").addEventListener("click", () => skip(10_000));
  byId("busiest").addEventListener("click", () => go(busyMs ?? 0));
  timeline.addEventListener("seek", ({ detail }) => go(detail.positionMs));
  addEventListener("keydown", key);
  chat.addEventListener("live-change", show);
  chat.makeConnection = (options) => new ReplayConnection({ ...options, video, onFilm: begun });
}

async function enter() {
  chat.getToken = () => developmentToken(user);
  chat.token = await developmentToken(user);
  chat.stream = stream;
}

byId("title").textContent = stream;
byId("live").href = `./?${new URLSearchParams({ stream })}`;
document.title = `Replay of ${stream} · livecomments`;
drawCrowd();
setUpTheme(chat);
setUp();
enter();
requestAnimationFrame(frame);
