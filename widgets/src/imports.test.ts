import { describe, expect, it } from "vitest";

declare global {
  interface ImportMeta {
    glob(pattern: string, options: object): Record<string, string>;
  }
}

/** Each room with the rooms that it may import; all of these stand above it, so that no arrow goes back. */
const BASE = ["base"];
const MATH = [...BASE, "math"];
const DRAW = [...MATH, "draw"];
const UI = [...DRAW, "ui"];
const KERNEL = [...MATH, "kernel"];
const STATE = [...KERNEL, "state"];
const EDITOR = [...UI, "kernel", "state"];
const EDITORS = ["editors/strf", "editors/prefilter", "editors/activation"];
const ALLOWED: Record<string, string[]> = {
  // Elements, boxes, bytes, numbers as texts: nothing of sounds or models.
  base: [],
  // What is computed: units, receptive fields, output curves, the forward pass. No DOM.
  math: BASE,
  // Painters: axes, lines, heatmaps, colours; on a canvas or as SVG.
  draw: MATH,
  // Controls: buttons, tabs, number fields, sliders, drags.
  ui: DRAW,
  // What travels between browser and kernel: traits, messages, and the queues that send them.
  kernel: MATH,
  // Pictures of a view as files.
  export: UI,
  // What a view knows: values, gestures, undo, what came from the kernel. No DOM.
  state: KERNEL,
  // Pages without a kernel.
  offline: STATE,
  // What the editors have in common.
  editors: EDITOR,
  // One editor for each stage of a model.
  ...Object.fromEntries(EDITORS.map((room) => [room, [...EDITOR, "editors"]])),
  // Sound, recorded and predicted response on one time axis.
  response: EDITOR,
  // Widgets inside others: their models, and the code that only some views need.
  panels: [...UI, "kernel"],
  // One view of a model: header, editors, response, and panels below.
  bench: [...EDITOR, ...EDITORS, "response", "export", "panels"],
  // All neurons of a model as small pictures.
  gallery: [...UI, "kernel", "export"],
  // Sounds of the user's own: painted, or from a file.
  stimulus: [...UI, "kernel", "panels"],
  // Plotly's graphs of one neuron.
  figures: [...UI, "kernel", "panels"],
  // Two models beside each other.
  comparison: [...UI, "kernel", "panels"],
  // What a network responds to.
  inside: [...UI, "kernel", "panels"],
  // What is suspicious in a model, as a list.
  findings: [...UI, "kernel"],
  // Many fits while they run.
  fits: [...UI, "kernel"],
  // A response that is drawn by hand before it is shown.
  prediction: [...UI, "kernel"],
  // A fit that moves the bench.
  play: [...UI, "kernel"],
  // The modules that anywidget loads.
  entry: [
    ...BASE,
    "kernel",
    "offline",
    "panels",
    "bench",
    "gallery",
    "stimulus",
    "figures",
    "inside",
    "comparison",
    "findings",
    "fits",
    "prediction",
    "play",
  ],
};

const sources = import.meta.glob("./**/*.ts", { query: "?raw", import: "default", eager: true });
const product = Object.keys(sources).filter((file) => !/\.(test|fixture)\.ts$/.test(file));

/** "./editors/strf/marks.ts" stands in the room "editors/strf". */
function roomOf(file: string): string {
  const [, room, inner] = file.split("/");
  return room === "editors" && !inner.endsWith(".ts") ? `${room}/${inner}` : room;
}

/** Files that a file imports, types included. */
function importsOf(file: string): string[] {
  const specifiers = [...sources[file].matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]*)"/g)].map(
    ([, path]) => path,
  );
  return specifiers.map((path) => {
    const { pathname } = new URL(path, `file:///${file.slice(2)}`);
    return `.${pathname}.ts`;
  });
}

describe("imports", () => {
  it("are of files that exist", () => {
    const unknown = product.flatMap((file) => importsOf(file).filter((target) => !(target in sources)));
    expect(unknown).toEqual([]);
    expect(product.flatMap(importsOf).length).toBeGreaterThan(product.length);
  });

  it("go from a room to those below it", () => {
    const wrong = product.flatMap((file) =>
      importsOf(file)
        .filter(
          (target) => roomOf(target) !== roomOf(file) && !ALLOWED[roomOf(file)]?.includes(roomOf(target)),
        )
        .map((target) => `${file} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it("make no circle, neither of rooms nor of files", () => {
    const circle = (from: string, next: (at: string) => string[], path: string[] = []): string[] | null => {
      if (path.includes(from)) return [...path, from];
      if (done.has(from)) return null;
      for (const target of next(from)) {
        const found = circle(target, next, [...path, from]);
        if (found) return found;
      }
      done.add(from);
      return null;
    };
    const done = new Set<string>();
    for (const file of product) expect(circle(file, importsOf)).toBeNull();
    for (const room of Object.keys(ALLOWED)) expect(circle(room, (at) => ALLOWED[at])).toBeNull();
  });

  it("stand at the top of a file, but for code that the kernel sends", () => {
    for (const file of product) {
      if (file === "./panels/page-modules.ts") continue;
      const code = sources[file].replace(/\/\*[\s\S]*?\*\//g, "");
      const rest = code.replace(/^\s*(?:import\s[^;]*;\s*)*/, "");
      expect({ file, late: /^\s*import\s|\bimport\s*\(/m.test(rest) }).toEqual({ file, late: false });
    }
  });
});
