/** The module that anywidget loads for the gallery of all neurons. */

import type { BenchModel } from "./contract";
import { mountGallery } from "./views/gallery";

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) => mountGallery(model, el),
};
