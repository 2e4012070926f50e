/** Code that only some views need: sent by the kernel when it is first used, and evaluated once for a page. */

/** Every widget of a page has a module of its own: what they share is kept under this name. */
const KEPT = Symbol.for("deepstrf.modules");
/** How long the kernel may take to send code, in ms; it may be busy with a cell. */
const PATIENCE_MS = 60_000;

type Exports = Record<string, unknown>;
/** Code as text, or compressed. */
type Code = string | ArrayBuffer | ArrayBufferView<ArrayBuffer>;

function kept(): Map<string, Promise<Exports>> {
  const page = globalThis as { [KEPT]?: Map<string, Promise<Exports>> };
  page[KEPT] ??= new Map();
  return page[KEPT];
}

/** Whether the page has the module of this name, or has asked for it. */
export const isKept = (name: string): boolean => kept().has(name);

/** The module of this name; `ask` asks the kernel for it, and is not called where the page has it. Rejects after a time. */
export function pageModule(name: string, ask: () => Promise<Code>, wrap?: Wrap): Promise<Exports> {
  const modules = kept();
  let found = modules.get(name);
  if (!found) {
    found = Promise.race([ask(), late()]).then((code) => evaluated(code, wrap));
    modules.set(name, found);
    found.catch(() => modules.delete(name));
  }
  return found;
}

/** Rejects after a time. */
export const late = () =>
  new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("the kernel has not sent its code")), PATIENCE_MS);
  });

/** Text before and after the code. */
export type Wrap = readonly [string, string];

async function evaluated(code: Code, [head, tail]: Wrap = ["", ""]): Promise<Exports> {
  const text = typeof code === "string" ? code : await unpacked(new Blob([code]));
  const url = URL.createObjectURL(new Blob([head, text, tail], { type: "text/javascript" }));
  try {
    // As anywidget itself loads the module of a widget.
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

const unpacked = (packed: Blob) =>
  new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).blob();
