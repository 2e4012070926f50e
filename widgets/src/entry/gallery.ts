/** The module that anywidget loads for the gallery of all neurons. */

import { mountGallery } from "../gallery/gallery";
import type { BenchModel } from "../kernel/contract";

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) => mountGallery(model, el),
};
