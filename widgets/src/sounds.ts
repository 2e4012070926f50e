/** The module that anywidget loads for a sound of one's own: a spectrogram to paint, or a file. */

import type { BenchModel } from "./contract";
import { mountPaint } from "./views/paint";
import { mountSoundFile } from "./views/sound-file";

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) =>
    model.get("view") === "file" ? mountSoundFile(model, el) : mountPaint(model, el),
};
