/**
 * The page at `/`: a stream's chat beside a stand-in for its video, and a button that loses the network.
 *
 * `?stream=` names the stream, `?user=` and `?name=` the viewer (else remembered in this browser).
 * `window.__live` has the element's snapshot, for tests and the curious.
 */
import "./live-comments.js";
import { Away, SECONDS } from "./pace.js";
import { byId, developmentToken, drawCrowd, query, remembered, setText, setUpTheme, stream, user } from "./site.js";

const NAME_TYPED_MS = 600;
const chat = byId("chat");
const away = new Away();
const opened = Date.now();

async function enter(name) {
  chat.getToken = () => developmentToken(name);
  chat.token = await developmentToken(name);
  chat.stream = stream;
}

function setUpName() {
  const field = byId("name");
  field.value = query.get("name") || remembered("livecomments.name", () => `Viewer ${user.slice(-4)}`);
  let timer = null;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      localStorage.setItem("livecomments.name", field.value);
      enter(field.value || user);
    }, NAME_TYPED_MS);
  });
  return field.value || user;
}

function setUpNetwork() {
  byId("toggle").addEventListener("click", () => {
    if (chat.snapshot().state === "live") chat.goOffline();
    else chat.goOnline();
  });
}

/** Show the figures; called at most once a frame. */
function show() {
  const live = chat.snapshot();
  window.__live = live;
  if (live.seq || away.now) away.at(live.state === "live", Date.now());
  const text = {
    state: live.state, seq: live.seq.toLocaleString(), epoch: live.epoch || "–",
    count: live.count.toLocaleString(), gaps: live.gaps, duplicates: live.duplicates,
    watching: live.viewers >= 0 ? live.viewers.toLocaleString() : "–",
    toggle: live.state === "live" ? "Go offline" : "Come back",
    lost: live.state === "connecting" ? "Reconnecting…" : "Offline",
    outcome: outcome(live),
  };
  for (const [id, value] of Object.entries(text)) setText(byId(id), String(value));
  byId("state").dataset.state = live.state;
  byId("video").dataset.lost = away.now;
  byId("gaps").dataset.bad = live.gaps > 0;
  byId("duplicates").dataset.bad = live.duplicates > 0;
}

function outcome({ state, reason, seq, lastCatchUp }) {
  if (state === "refused") return `Disconnected: ${reason || "no reason given"}.`;
  if (state === "offline") return `Offline at seq ${seq.toLocaleString()}. The others go on talking…`;
  if (state === "connecting") return "Connecting…";
  if (!lastCatchUp) return "Go offline for a while, then come back: what was missed arrives, in order.";
  const { comments, from, to, gaps, missing, awayMs, tookMs } = lastCatchUp;
  const seconds = Math.max(1, Math.round(awayMs / 1000)).toLocaleString();
  const what = `${comments.toLocaleString()} ${comments === 1 ? "comment" : "comments"} of ${seconds} s`;
  const where = `seq ${(from + 1).toLocaleString()} to ${to.toLocaleString()}`;
  const holes = missing ? `${missing.toLocaleString()} not loaded` : gaps ? `${gaps} gaps` : "no gap, no repeat";
  return comments || missing
    ? `Caught up with ${what} in ${Math.ceil(tookMs)} ms: ${where}, ${holes}.`
    : `Back after ${seconds} s: nothing was missed.`;
}

/** Once a second: the clock and the curve of comments a second. */
function tick() {
  const now = Date.now();
  const seconds = Math.floor((now - opened) / 1000);
  setText(byId("clock"), `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
  setText(byId("rate"), String(Math.round(chat.pace?.rate(now) ?? 0)));
  byId("spark").innerHTML = bars(chat.pace?.seconds(now) ?? new Array(SECONDS).fill(0), now);
}

/** A bar a second; behind those without a connection a band, which what is caught up fills. */
function bars(counts, now) {
  const top = Math.max(4, ...counts);
  return counts
    .map((count, i) => {
      const late = away.covers(i, now);
      const height = Math.max(0.6, (count / top) * 27);
      const band = late ? `<rect class="away" x="${i * 2}" width="2" height="28"/>` : "";
      return `${band}<rect class="${late ? "late" : ""}" x="${i * 2}" y="${28 - height}" width="1.4" height="${height}"/>`;
    })
    .join("");
}

byId("title").textContent = stream;
document.title = `${stream} · livecomments`;
chat.replayHref = byId("replay").href = `replay?${new URLSearchParams({ stream })}`;
drawCrowd();
setUpTheme(chat);
setUpNetwork();
chat.addEventListener("live-change", show);
setInterval(tick, 1000);
enter(setUpName());
tick();
