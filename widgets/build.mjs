// Builds the one bundle that every widget loads: deepstrf_widgets/static/bench.js and bench.css.
//   node build.mjs            write the bundle
//   node build.mjs --out DIR  write it somewhere else (the test that compares it with the committed one)
//   node build.mjs --dev      serve dev/index.html with made-up data on http://127.0.0.1:8123
import { statSync } from "node:fs";
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
const outdir = argument("--out") ?? join(here, "deepstrf_widgets", "static");
const bench = {
  ...shared,
  entryPoints: [
    { in: "src/index.ts", out: "bench" },
    { in: "src/bench.css", out: "bench" },
  ],
  outdir,
  minify: true,
  inject: ["src/short.ts"],
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
  const sizes = ["bench.js", "bench.css"].map((name) => statSync(join(outdir, name)).size);
  console.log(`bench.js ${(sizes[0] / 1000).toFixed(1)} kB + bench.css ${(sizes[1] / 1000).toFixed(1)} kB`);
}
