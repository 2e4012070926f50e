/** The module that anywidget loads for another sound: the choice of one, a spectrogram to paint, or a file. */

import type { BenchModel } from "../kernel/contract";
import { mountSoundFile } from "../stimulus/file-button";
import { mountPaint } from "../stimulus/paint";
import { mountSounds } from "../stimulus/sounds";

const VIEWS = { file: mountSoundFile, paint: mountPaint, sounds: mountSounds };

export default {
  render: ({ model, el }: { model: BenchModel; el: HTMLElement }) =>
    VIEWS[model.get("view") as keyof typeof VIEWS](model, el),
};
