/** The module of the panel of a fit that moves the bench. */

import type { BenchModel } from "../kernel/contract";
import { mountPlay } from "../play/play";

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) => mountPlay(model, el),
};
