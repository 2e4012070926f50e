/** The module that anywidget loads for another sound: the choice of one, a spectrogram to paint, or a file. */

import type { BenchModel } from "../kernel/contract";
import type { Around } from "../panels/mount-panel";
import { mountSoundFile } from "../stimulus/file-button";
import { mountPaint } from "../stimulus/paint";
import { mountSounds } from "../stimulus/sounds";

const VIEWS = { file: mountSoundFile, paint: mountPaint, sounds: mountSounds };

export default {
  render: ({ model, el, around }: { model: BenchModel; el: HTMLElement; around?: Around }) =>
    VIEWS[model.get("view") as keyof typeof VIEWS](model, el, around),
};
