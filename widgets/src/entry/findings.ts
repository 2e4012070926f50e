/** The module that anywidget loads for the findings of a diagnosis. */

import { mountFindings } from "../findings/findings";
import type { BenchModel } from "../kernel/contract";

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) => mountFindings(model, el),
};
