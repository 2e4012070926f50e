/** The module that anywidget loads for every view of the bench, and a saved page without a kernel. */

import { mount } from "../bench/bench";
import type { BenchModel } from "../kernel/contract";
import { DATA_ID, type Saved, SavedPageModel } from "../offline/saved-page";

const data = globalThis.document?.getElementById(DATA_ID);
if (data?.parentElement) {
  const model = new SavedPageModel(JSON.parse(data.textContent ?? "") as Saved);
  mount(model, data.parentElement, true);
}

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) => mount(model, el),
  /** Show a saved bench, which needs no kernel, in an element. */
  show: (saved: Saved, el: HTMLElement) => mount(new SavedPageModel(saved), el, true),
};
