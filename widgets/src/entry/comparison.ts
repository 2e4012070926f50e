/** The module of the panel that compares two models. */

import { mountComparison } from "../comparison/comparison";
import type { BenchModel } from "../kernel/contract";
import type { Around } from "../panels/mount-panel";

export default {
  render: ({ model, el, around }: { model: BenchModel; el: HTMLElement; around?: Around }) =>
    mountComparison(model, el, around),
};
