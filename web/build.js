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

const shared = { absWorkingDir: here, bundle: true, minify: true, logLevel: "warning" };
const script = { ...shared, format: "esm", target: "es2022", legalComments: "linked" };

await mkdir(output, { recursive: true });
await build({
  ...script,
  entryPoints: { app: "src/page.js", "live-comments": "src/live-comments.js" },
  outdir: output,
});
await build({ ...shared, entryPoints: { app: "src/page.css" }, outdir: output });
// The replay page, at the edge; and what the API serves: the moderators' console, the operators' board.
for (const name of ["replay", "console", "board"]) {
  await build({
    ...script,
    entryPoints: { [name]: `src/${name}/${name}.js`, [`${name}-style`]: `src/${name}/${name}.css` },
    outdir: join(output, name),
  });
  await copyFile(join(here, "src", name, "index.html"), join(output, name, "index.html"));
}
// Last: a page that is there is whole.
await copyFile(join(here, "src", "index.html"), join(output, "index.html"));
