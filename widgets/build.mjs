// Builds what the widgets load into deepstrf_widgets/static: a module for the bench and one for each kind of panel, and one bench.css. The
// kernel sends each widget its own module, so what it has no use for is not in it.
//   node build.mjs            write the bundle
//   node build.mjs --out DIR  write it somewhere else (the test that compares it with the committed one)
//   node build.mjs --watch    write it, and again after every change in src
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, context } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const argument = (flag) => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? undefined : process.argv[at + 1];
};

const outdir = argument("--out") ?? join(here, "deepstrf_widgets", "static");
const bench = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  entryPoints: [
    { in: "src/entry/bench.ts", out: "bench" },
    { in: "src/entry/gallery.ts", out: "gallery" },
    { in: "src/entry/sounds.ts", out: "sounds" },
    { in: "src/entry/fits.ts", out: "fits" },
    { in: "src/entry/prediction.ts", out: "prediction" },
    { in: "src/entry/findings.ts", out: "findings" },
    { in: "src/entry/figures.ts", out: "figures" },
    { in: "src/entry/inside.ts", out: "inside" },
    { in: "src/entry/comparison.ts", out: "comparison" },
    { in: "src/entry/play.ts", out: "play" },
    { in: "src/entry/bench.css", out: "bench" },
  ],
  outdir,
  minify: true,
};

if (process.argv.includes("--watch")) {
  await (await context({ ...bench, logLevel: "info" })).watch();
} else {
  await build(bench);
  printSizes();
}

/** Bytes of each file, and how many a server sends. */
function printSizes() {
  let together = [0, 0];
  const line = (name, sizes) => {
    const [kB, gzip] = sizes.map((bytes) => (bytes / 1000).toFixed(1).padStart(6));
    console.log(`${name.padEnd(10)} ${kB} kB, gzip ${gzip} kB`);
  };
  for (const name of [
    "bench.js",
    "gallery.js",
    "sounds.js",
    "findings.js",
    "fits.js",
    "prediction.js",
    "figures.js",
    "inside.js",
    "comparison.js",
    "play.js",
    "bench.css",
  ]) {
    const text = readFileSync(join(outdir, name));
    const sizes = [text.length, gzipSync(text).length];
    together = together.map((sum, i) => sum + sizes[i]);
    line(name, sizes);
  }
  line("together", together);
}
