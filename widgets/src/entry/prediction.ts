/** The module that anywidget loads for a response that is drawn before it is shown. */

import type { BenchModel } from "../kernel/contract";
import { mountPrediction } from "../prediction/prediction";

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) => mountPrediction(model, el),
};
