/** The module that anywidget loads: one bundle for every view of the bench. */

import type { BenchModel } from "./contract";
import { mount } from "./explorer";

function render({ model, el }: { model: BenchModel; el: HTMLElement }): () => void {
  return mount(model, el);
}

export default { render };
