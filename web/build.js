/**
 * Bundles the page and the element for the edge: src/ → edge/static/ (or the folder given as argument).
 *
 * `app.js`, `app.css` and `index.html` are the page; `live-comments.js` is the element alone, for other sites.
 */
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const output = resolve(process.argv[2] ?? join(here, "..", "edge", "static"));

await mkdir(output, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { app: "src/page.js", "live-comments": "src/live-comments.js" },
  outdir: output,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "linked",
  logLevel: "warning",
});
await build({
  absWorkingDir: here,
  entryPoints: { app: "src/page.css" },
  outdir: output,
  bundle: true,
  minify: true,
  logLevel: "warning",
});
// The moderators' console, which the API serves.
await build({
  absWorkingDir: here,
  entryPoints: { console: "src/console/console.js", "console-style": "src/console/console.css" },
  outdir: join(output, "console"),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "linked",
  logLevel: "warning",
});
await copyFile(join(here, "src", "console", "index.html"), join(output, "console", "index.html"));
// The operators' page of live streams, which the API serves too.
await build({
  absWorkingDir: here,
  entryPoints: { board: "src/board/board.js", "board-style": "src/board/board.css" },
  outdir: join(output, "board"),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "linked",
  logLevel: "warning",
});
await copyFile(join(here, "src", "board", "index.html"), join(output, "board", "index.html"));
// Last: a page that is there is whole.
await copyFile(join(here, "src", "index.html"), join(output, "index.html"));
