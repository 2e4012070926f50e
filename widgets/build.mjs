// Builds what the widgets load into deepstrf_widgets/static: bench.js, gallery.js and sounds.js, and one bench.css. Every
// widget is told its own module by the kernel, so what it has no use for is not in it.
//   node build.mjs            write the bundle
//   node build.mjs --out DIR  write it somewhere else (the test that compares it with the committed one)
//   node build.mjs --dev      serve dev/index.html with made-up data on http://127.0.0.1:8123
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const argument = (flag) => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? undefined : process.argv[at + 1];
};

const shared = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};
/**
 * Properties that are the bundle's own affair get short names: those that own-names.json lists. None of them may stand in
 * a message, a trait, a saved page or the counters of a benchmark, nor be a property of the page's own elements that is
 * used here (a data attribute is one: `dataset.name`).
 */
function ownNames() {
  const names = JSON.parse(readFileSync(join(here, "own-names.json"), "utf8"));
  const src = join(here, "src");
  const files = readdirSync(src, { recursive: true }).filter((file) => /(?<!test|fixture)\.ts$/.test(file));
  const sources = files.map((file) => readFileSync(join(src, file), "utf8"));
  const told = [readFileSync(join(src, "contract.ts"), "utf8")];
  for (const text of sources) {
    told.push(...(text.match(/^export interface (?:Saved|\w+Counters).*?^}/gms) ?? []));
  }
  for (const name of names) {
    const property = new RegExp(`^\\s*(?:readonly )?${name}\\??[:(]`, "m");
    const attribute = new RegExp(`dataset\\.${name}\\b|data-${name}\\b`);
    if (told.some((text) => property.test(text)) || sources.some((text) => attribute.test(text))) {
      throw new Error(`own-names.json: ${name} is not the bundle's own`);
    }
  }
  return new RegExp(`^(?:${names.join("|")})$`);
}

const outdir = argument("--out") ?? join(here, "deepstrf_widgets", "static");
const bench = {
  ...shared,
  entryPoints: [
    { in: "src/index.ts", out: "bench" },
    { in: "src/gallery.ts", out: "gallery" },
    { in: "src/sounds.ts", out: "sounds" },
    { in: "src/bench.css", out: "bench" },
  ],
  outdir,
  minify: true,
  inject: ["src/short.ts"],
  mangleProps: ownNames(),
};

if (process.argv.includes("--dev")) {
  const server = await context({
    ...shared,
    entryPoints: [
      { in: "dev/main.ts", out: "main" },
      { in: "src/bench.css", out: "bench" },
    ],
    outdir: join(here, "dev", "dist"),
    sourcemap: true,
  });
  const { port } = await server.serve({ servedir: join(here, "dev"), host: "127.0.0.1", port: 8123 });
  console.log(`http://127.0.0.1:${port}/`);
} else {
  await build(bench);
  const sizes = ["bench.js", "gallery.js", "sounds.js", "bench.css"].map(
    (name) => `${name} ${(statSync(join(outdir, name)).size / 1000).toFixed(1)} kB`,
  );
  console.log(sizes.join(" + "));
}
