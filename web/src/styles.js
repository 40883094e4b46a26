/**
 * The element's looks. What a site may want to change is a variable:
 *
 * `--live-comments-accent`, `-background`, `-surface`, `-text`, `-muted`, `-border`, `-radius`, `-font`,
 * `-font-size`, `-warn`. Parts: `header`, `log`, `composer`, `send`, `footer`. Logical properties throughout,
 * so that it mirrors on a right-to-left page.
 */
import { css, unsafeCSS } from "lit";
import { HUES } from "./rows.js";

const hues = Array.from({ length: HUES }, (_, i) => `.h${i}{--hue:${Math.round((i * 360) / HUES + 12)}}`).join("");

export const styles = css`
  ${unsafeCSS(hues)}
  :host {
    --accent: var(--live-comments-accent, light-dark(#5b4bea, #8b7dff));
    --background: var(--live-comments-background, light-dark(#ffffff, #14151d));
    --surface: var(--live-comments-surface, light-dark(#f3f3f8, #1f212c));
    --text: var(--live-comments-text, light-dark(#191a23, #ececf3));
    --muted: var(--live-comments-muted, light-dark(#686a7c, #9496aa));
    --border: var(--live-comments-border, light-dark(#e5e5ee, #2a2c39));
    --radius: var(--live-comments-radius, 16px);
    --warn: var(--live-comments-warn, light-dark(#a65300, #ffb454));
    --bad: light-dark(#c4203a, #ff7386);
    --good: light-dark(#0c8a53, #3ddc97);
    color-scheme: light dark;
    display: flex;
    flex-direction: column;
    min-block-size: 0;
    overflow: hidden;
    background: var(--background);
    color: var(--text);
    border: 1px solid var(--border);
    border-radius: var(--radius);
    font: var(--live-comments-font-size, 14px) / 1.4 var(--live-comments-font, system-ui, sans-serif);
  }
  :host([theme="light"]) { color-scheme: light; }
  :host([theme="dark"]) { color-scheme: dark; }
  :host([hidden]) { display: none; }
  * { box-sizing: border-box; }
  h2, p { margin: 0; }
  button, input { font: inherit; color: inherit; }
  button { cursor: pointer; }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  .unseen {
    position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden;
    clip-path: inset(50%); white-space: nowrap;
  }

  header {
    display: flex; align-items: center; gap: 10px; padding: 12px 16px;
    border-block-end: 1px solid var(--border);
  }
  h2 { font-size: 1.07em; font-weight: 650; margin-inline-end: auto; }
  .viewers { color: var(--muted); font-variant-numeric: tabular-nums; display: flex; align-items: center; gap: 5px; }
  .viewers svg { display: block; }
  .state {
    display: inline-flex; align-items: center; gap: 6px; padding: 2px 10px; border-radius: 99px;
    font-size: 0.86em; font-weight: 600; color: var(--muted); background: var(--surface);
  }
  .state::before { content: ""; inline-size: 7px; block-size: 7px; border-radius: 50%; background: currentColor; }
  .state.live { color: var(--good); }
  .state.connecting { color: var(--warn); }
  .state.refused { color: var(--bad); }
  .state.live::before { animation: pulse 2s infinite; }
  .state.connecting::before { animation: pulse 0.7s infinite; }

  .banner { padding: 7px 16px; font-size: 0.9em; background: var(--surface); border-block-end: 1px solid var(--border); }
  .banner span { color: var(--muted); }
  .banner.warn { color: var(--warn); }
  .banner.pinned { display: grid; gap: 1px; border-inline-start: 3px solid var(--accent); }
  .banner.pinned b { font-size: 0.88em; color: var(--accent); }
  .banner.pinned span { color: inherit; overflow-wrap: anywhere; }

  .body { position: relative; flex: 1; min-block-size: 0; }
  .log { position: absolute; inset: 0; overflow-y: auto; overscroll-behavior: contain; scrollbar-width: thin; scrollbar-color: var(--border) #0000; }
  .log:focus-visible { outline-offset: -2px; }
  .rows { min-block-size: 100%; display: flex; flex-direction: column; justify-content: flex-end; padding: 8px; }
  .empty { margin: auto; padding: 24px; color: var(--muted); text-align: center; }

  .row {
    position: relative; display: grid; grid-template-columns: 28px 1fr; gap: 10px; align-items: start;
    padding: 5px 8px; border-radius: 10px; animation: arrive 0.16s ease-out;
  }
  .late::before {
    content: ""; position: absolute; inset-block: 0; inset-inline-start: 0; inline-size: 3px; background: var(--good);
  }
  .row:hover { background: var(--surface); }
  .avatar {
    display: grid; place-items: center; inline-size: 28px; block-size: 28px; border-radius: 50%;
    font-size: 12px; font-weight: 700; color: #fff;
    background: linear-gradient(140deg, oklch(0.66 0.15 var(--hue)), oklch(0.52 0.17 calc(var(--hue) + 38)));
  }
  .said { min-inline-size: 0; overflow-wrap: anywhere; padding-block-start: 3px; }
  .who { display: inline-flex; align-items: center; gap: 6px; margin-inline-end: 6px; max-inline-size: 100%; vertical-align: bottom; }
  .name {
    font-weight: 620; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; max-inline-size: 14em;
    color: light-dark(oklch(0.48 0.14 var(--hue)), oklch(0.8 0.1 var(--hue)));
  }
  .text { unicode-bidi: plaintext; }
  .badge {
    padding: 0 6px; border-radius: 5px; font-size: 0.74em; font-weight: 700; line-height: 1.6;
    background: var(--muted); color: var(--background);
  }
  .by-creator .badge { background: light-dark(#b8860b, #ffc94d); }
  .by-moderator .badge { background: var(--good); }
  .by-platform .badge { background: var(--bad); }
  .badge.you, .own .badge.you { background: none; color: var(--accent); box-shadow: inset 0 0 0 1px currentColor; }
  .by-creator { background: color-mix(in srgb, light-dark(#b8860b, #ffc94d) 9%, transparent); }
  .own { background: color-mix(in srgb, var(--accent) 12%, transparent); }
  .sticker { padding: 1px 8px; border-radius: 8px; background: var(--surface); font-weight: 600; }
  .copies { margin-inline-start: 6px; font-size: 0.85em; font-weight: 700; color: var(--muted); }
  time {
    position: absolute; inset-block-start: 6px; inset-inline-end: 6px; padding: 1px 6px; border-radius: 6px; opacity: 0;
    color: var(--muted); background: var(--surface); font-size: 0.78em; font-variant-numeric: tabular-nums;
  }
  .row:hover time { opacity: 1; }
  .pending { opacity: 0.55; }
  .pending .avatar { background: var(--border); animation: pulse 1s infinite; }
  .pending .who { color: var(--muted); font-size: 0.86em; }

  .divider { display: flex; align-items: center; gap: 10px; padding: 8px; color: var(--muted); font-size: 0.86em; text-align: center; }
  .divider::before, .divider::after { content: ""; flex: 1; block-size: 1px; background: currentColor; opacity: 0.35; }
  .divider span { max-inline-size: 80%; }
  .hole { color: var(--warn); }
  .back { color: var(--good); font-weight: 600; }
  .new {
    position: absolute; inset-block-end: 10px; inset-inline: 0; margin-inline: auto; inline-size: fit-content;
    padding: 7px 16px; border: 0; border-radius: 99px; font-size: 0.92em; font-weight: 600;
    background: var(--accent); color: light-dark(#fff, #14151d); box-shadow: 0 4px 16px #0005;
  }

  .floats { position: absolute; inset: 0; overflow: hidden; pointer-events: none; }
  .float { position: absolute; inset-block-end: 0; font-size: 1.7em; opacity: 0; animation: rise 2.4s ease-out forwards; }
  .reactions {
    display: flex; gap: 4px; padding: 6px 12px 0; overflow-x: auto; scrollbar-width: none;
    border-block-start: 1px solid var(--border);
  }
  .reaction {
    display: inline-flex; align-items: center; gap: 4px; flex: none; padding: 3px 8px; border: 0; border-radius: 99px;
    background: none; font-size: 1em; transition: transform 0.1s;
  }
  .reaction:hover:enabled { background: var(--surface); }
  .reaction:active:enabled { transform: scale(1.25); }
  .reaction:disabled { cursor: default; opacity: 0.6; }
  .reaction b { font-size: 0.78em; font-weight: 600; color: var(--muted); font-variant-numeric: tabular-nums; }

  form { padding: 6px 12px; }
  .field {
    display: flex; align-items: center; gap: 6px; padding: 4px; padding-inline-start: 14px; border-radius: 99px;
    background: var(--surface); border: 1px solid #0000;
  }
  .field:focus-within { border-color: var(--accent); }
  input { flex: 1; min-inline-size: 0; padding: 6px 0; border: 0; background: none; outline: none; font-size: max(1em, 16px); }
  input:focus-visible { outline: none; }
  input::placeholder { color: var(--muted); opacity: 1; }
  .left { color: var(--muted); font-size: 0.85em; font-variant-numeric: tabular-nums; }
  .send {
    display: grid; place-items: center; flex: none; inline-size: 36px; block-size: 36px; border: 0; border-radius: 50%;
    background: var(--accent); color: light-dark(#fff, #14151d); transition: opacity 0.15s;
  }
  .send:disabled { cursor: default; opacity: 0.4; }
  .send svg:dir(rtl) { transform: scaleX(-1); }
  .wait { font-weight: 700; font-variant-numeric: tabular-nums; }
  .again { padding: 2px 6px 8px; text-align: center; }
  a { color: var(--accent); }
  .refusal { display: flex; gap: 8px; align-items: start; padding: 0 6px 8px; color: var(--bad); font-size: 0.92em; }
  .refusal button { margin-inline-start: auto; border: 0; background: none; padding: 0 6px; color: inherit; }
  footer {
    display: flex; justify-content: space-between; gap: 12px; padding: 0 20px 10px; color: var(--muted); font-size: 0.8em;
  }
  code { font-family: ui-monospace, monospace; font-variant-numeric: tabular-nums; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }

  @keyframes arrive { from { opacity: 0; transform: translateY(6px); } }
  @keyframes rise {
    12% { opacity: 1; }
    to { opacity: 0; transform: translate(var(--drift), -260px) scale(1.3); }
  }
  @keyframes pulse { 50% { opacity: 0.35; } }
  @media (prefers-reduced-motion: reduce) { *, *::before { animation: none !important; transition: none !important; } }
`;
