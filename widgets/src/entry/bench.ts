/** The module that anywidget loads for every view of the bench, and a saved page without a kernel. */

import { mount } from "../bench/bench";
import type { BenchModel } from "../kernel/contract";
import { followAddress } from "../offline/address";
import { DATA_ID, type Saved, SavedPageModel } from "../offline/saved-page";

/** `whole`: the page is this bench and nothing else. */
function show(saved: Saved, el: HTMLElement, whole: boolean): () => void {
  const model = new SavedPageModel(saved);
  return mount(model, el, (cleanup) => followAddress(model, whole, window, cleanup));
}

const data = globalThis.document?.getElementById(DATA_ID);
if (data?.parentElement) {
  show(JSON.parse(data.textContent ?? "") as Saved, data.parentElement, true);
}

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) => mount(model, el),
  /** Show a saved bench, which needs no kernel, in an element. */
  show: (saved: Saved, el: HTMLElement) => show(saved, el, false),
};
