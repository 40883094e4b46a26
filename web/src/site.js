/**
 * What the edge's pages share: which stream and which viewer, a token, the theme, the stand-in for a video.
 *
 * `?stream=` names the stream, `?user=` the viewer (else remembered in this browser), `?theme=` the theme.
 */
const DEFAULT_STREAM = "demo";

export const byId = (id) => document.getElementById(id);
export const query = new URLSearchParams(location.search);
export const stream = query.get("stream") || DEFAULT_STREAM;
export const user = query.get("user") || remembered("livecomments.user", () => `web-${randomName()}`);

/**
 * A token from the edge, which gives one on a developer's machine only; "" elsewhere: a guest, who reads.
 *
 * @returns {Promise<string>}
 */
export async function developmentToken(name) {
  try {
    const answer = await fetch(`dev/token?${new URLSearchParams({ stream, user, name })}`);
    return answer.ok ? (await answer.json()).token : "";
  } catch {
    return "";
  }
}

export function remembered(key, make) {
  const value = localStorage.getItem(key) ?? make();
  localStorage.setItem(key, value);
  return value;
}

/** Follow the system's theme, or the one chosen by the page's button; `element` has a theme of its own. */
export function setUpTheme(element) {
  const choose = (theme) => {
    document.documentElement.dataset.theme = theme;
    element.theme = theme;
  };
  const system = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  choose(query.get("theme") || localStorage.getItem("livecomments.theme") || system);
  byId("theme").addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("livecomments.theme", theme);
    choose(theme);
  });
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Draw the people before the stage. */
export function drawCrowd() {
  const heads = [];
  for (let row = 0; row < 3; row += 1) {
    for (let i = 0; i < 30 - row * 4; i += 1) {
      const x = (i + (row % 2) / 2) * (27 + row * 5) + ((i * 7919) % 9);
      const y = 52 + row * 26 + ((i * 104729) % 13);
      const r = 9 + row * 3;
      heads.push(`<g class="row${row}"><circle cx="${x}" cy="${y}" r="${r}"/><rect x="${x - r * 1.5}" y="${y + r * 0.8}" width="${r * 3}" height="90" rx="${r}"/></g>`);
    }
  }
  document.querySelector(".crowd").innerHTML = heads.join("");
}

function randomName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
