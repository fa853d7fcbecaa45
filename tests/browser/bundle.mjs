// Bundles front/ into dist/, which the tests' Stash serves. Run: node bundle.mjs
import { build } from "esbuild";
import { copyFileSync } from "node:fs";

const here = (name) => new URL(name, import.meta.url).pathname;

await build({
  entryPoints: [here("front/main.jsx")],
  outfile: here("dist/assets/app.js"),
  bundle: true,
  minify: true,
  target: "es2020",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
});
for (const name of ["index.html", "login.html"]) copyFileSync(here(`front/${name}`), here(`dist/${name}`));
