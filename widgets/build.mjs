// Builds what the widgets load into deepstrf_widgets/static, one file for each in src/entry: the bench, each kind of panel, and bench.css.
// The kernel sends the module of each kind that is shown, so what it has no use for is not in it.
//   node build.mjs            write the bundle
//   node build.mjs --out DIR  write it somewhere else (the test that compares it with the committed one)
//   node build.mjs --watch    write it, and again after every change in src
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, context } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const argument = (flag) => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? undefined : process.argv[at + 1];
};

const entries = readdirSync(join(here, "src/entry")).sort();
const outdir = argument("--out") ?? join(here, "deepstrf_widgets", "static");
const options = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  entryPoints: entries.map((name) => join("src/entry", name)),
  outdir,
  minify: true,
};

if (process.argv.includes("--watch")) {
  await (await context({ ...options, logLevel: "info" })).watch();
} else {
  await build(options);
  printSizes();
}

/** Bytes of each file, and how many a server sends. */
function printSizes() {
  let together = [0, 0];
  const line = (name, sizes) => {
    const [kB, gzip] = sizes.map((bytes) => (bytes / 1000).toFixed(1).padStart(6));
    console.log(`${name.padEnd(10)} ${kB} kB, gzip ${gzip} kB`);
  };
  for (const entry of entries) {
    const name = entry.replace(".ts", ".js");
    const text = readFileSync(join(outdir, name));
    const sizes = [text.length, gzipSync(text).length];
    together = together.map((sum, i) => sum + sizes[i]);
    line(name, sizes);
  }
  line("together", together);
}
