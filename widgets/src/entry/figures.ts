/** The module of the Plotly panel. */

import { mountFigures } from "../figures/figures";
import type { BenchModel } from "../kernel/contract";
import type { Around } from "../panels/mount-panel";

export default {
  render: ({ model, el, around }: { model: BenchModel; el: HTMLElement; around?: Around }) =>
    mountFigures(model, el, around),
};
