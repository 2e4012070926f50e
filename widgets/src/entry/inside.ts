/** The module of the panel that opens a network. */

import { mountInside } from "../inside/inside";
import type { BenchModel } from "../kernel/contract";
import type { Around } from "../panels/mount-panel";

export default {
  render: ({ model, el, around }: { model: BenchModel; el: HTMLElement; around?: Around }) =>
    mountInside(model, el, around),
};
