/** Code that only some views need: sent by the kernel when it is first used, and evaluated once for a page. */

/** Every widget of a page has a module of its own: what they share is kept under this name. */
const KEPT = Symbol.for("deepstrf.modules");
/** How long the kernel may take to send code, in ms; it may be busy with a cell. */
const PATIENCE_MS = 60_000;

type Exports = Record<string, unknown>;
type Bytes = ArrayBuffer | ArrayBufferView<ArrayBuffer>;

function kept(): Map<string, Promise<Exports>> {
  const page = globalThis as { [KEPT]?: Map<string, Promise<Exports>> };
  page[KEPT] ??= new Map();
  return page[KEPT];
}

/** The module of this name; `ask` asks the kernel for it, and is not called where the page has it. Rejects after a time. */
export function pageModule(name: string, ask: () => Promise<Bytes>, wrap?: Wrap): Promise<Exports> {
  const modules = kept();
  let found = modules.get(name);
  if (!found) {
    found = Promise.race([ask(), late()]).then((bytes) => evaluated(bytes, wrap));
    modules.set(name, found);
    found.catch(() => modules.delete(name));
  }
  return found;
}

const late = () =>
  new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("the kernel has not sent the code of the panel")), PATIENCE_MS);
  });

/** Text before and after the code. */
export type Wrap = readonly [string, string];

async function evaluated(bytes: Bytes, [head, tail]: Wrap = ["", ""]): Promise<Exports> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const code = await new Response(stream).blob();
  const url = URL.createObjectURL(new Blob([head, code, tail], { type: "text/javascript" }));
  try {
    // As anywidget itself loads the module of a widget.
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
