/** The module that anywidget loads for a sound of one's own: a spectrogram to paint, or a file. */

import type { BenchModel } from "../kernel/contract";
import { mountSoundFile } from "../stimulus/file-button";
import { mountPaint } from "../stimulus/paint";

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) =>
    model.get("view") === "file" ? mountSoundFile(model, el) : mountPaint(model, el),
};
