/** Edits whose kernel has gone, kept on the page until a new bench of the same model offers to put them back. */

import { type Cleanup, element, setHidden } from "../base/dom";
import type { Info } from "../kernel/contract";
import type { BenchState, LeftEdits } from "../state/bench-state";
import { button } from "../ui/button";

/** Every widget of a page has a module of its own: what they share is kept under this name. */
const KEPT = Symbol.for("deepstrf.left");

function kept(): Map<string, LeftEdits> {
  const page = globalThis as { [KEPT]?: Map<string, LeftEdits> };
  page[KEPT] ??= new Map();
  return page[KEPT];
}

/** What makes edits of one model fit another. */
function fingerprint(info: Info): string {
  const { model, n_neurons, n_bands, n_lags, n_channels, n_gaussians, kind, prefilter, activation } = info;
  return JSON.stringify([
    model,
    n_neurons,
    n_bands,
    n_lags,
    n_channels,
    n_gaussians,
    kind,
    prefilter.kind,
    activation.kind,
  ]);
}

/** A line that offers the edits which a view of the same model has left. */
export function offerLeftEdits(state: BenchState, cleanup: Cleanup): HTMLElement {
  const text = element("span", {}, "Edits from before the kernel's restart are still here.");
  const back = button("Make the same edits; undo takes them back", "Put them back");
  const forget = button("Leave it as it is", "Forget them");
  const line = element("p.db-offer", { role: "status", hidden: true }, text, back, forget);
  const name = () => fingerprint(state.info);
  cleanup.listen(back, "click", () => {
    const edits = kept().get(name());
    if (edits) state.restore(edits);
    kept().delete(name());
    paint();
  });
  cleanup.listen(forget, "click", () => {
    kept().delete(name());
    paint();
  });
  const paint = () => {
    const { gone, left } = state;
    if (left) kept().set(name(), left);
    setHidden(line, gone || state.edited || !kept().has(name()));
  };
  state.watch(cleanup, ["connection", "history", "info"], paint);
  return line;
}
