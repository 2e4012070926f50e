/** The module that anywidget loads for the table of many fits. */

import { mountFits } from "../fits/fits";
import type { BenchModel } from "../kernel/contract";

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) => mountFits(model, el),
};
