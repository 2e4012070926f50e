/** The ON and OFF spectrograms after adaptation, on the time axis of the response. */

import type { Box } from "../base/box";
import { type Cleanup, element, setHidden } from "../base/dom";
import { ramp } from "../draw/colormap";
import type { Window } from "../draw/line";
import { type Frames, PaintInputs } from "../draw/surface";
import type { Theme } from "../draw/theme";
import type { BenchState } from "../state/bench-state";
import { PictureLane } from "./picture-lane";

interface Lane {
  lane: PictureLane;
  unchanged: PaintInputs;
}

export class AdaptedView {
  readonly element = element("div.db-adapted", { hidden: true });
  #lanes: Lane[] = [];
  #reach = Number.NaN;
  #wanted = false;
  /** What the pictures were made of: rows of the prefilter, (rows, F), and the sound. */
  #prefilter = new Float64Array(0);
  #sound: Float32Array | null = null;

  readonly #state: BenchState;
  readonly #frameQueue: Frames;
  readonly #theme: () => Theme;
  readonly #place: () => { box: Box; window: Window };

  constructor(
    state: BenchState,
    frameQueue: Frames,
    theme: () => Theme,
    place: () => { box: Box; window: Window },
    cleanup: Cleanup,
  ) {
    this.#state = state;
    this.#frameQueue = frameQueue;
    this.#theme = theme;
    this.#place = place;
    state.watch(cleanup, ["info", "stimulus", "prefilter", "peek", "gesture"], () => this.requestPaint());
  }

  /** Whether the lanes are shown: they cost height, and are of use while the adaptation is edited. */
  show(on: boolean): void {
    this.#wanted = on;
    this.requestPaint();
  }

  /** Paint in the next frame. */
  requestPaint(): void {
    this.#frameQueue.request(this.#paint);
  }

  readonly #paint = (): void => {
    const state = this.#state;
    const { info, axes } = state;
    const adapted = this.#wanted && info.prefilter.kind !== "none" ? state.shown.adapted : null;
    setHidden(this.element, adapted === null);
    if (!adapted) return;
    this.#build(info.n_channels);
    if (!state.inGesture || Number.isNaN(this.#reach)) {
      this.#reach = 0;
      for (const value of adapted) if (value > this.#reach) this.#reach = value;
    }
    const { box, window } = this.#place();
    const theme = this.#theme();
    const { from, to } = window;
    const n = info.n_frames;
    const changed = this.#changedBands();
    this.#lanes.forEach(({ lane, unchanged }, channel) => {
      const name = info.channel_names[channel] ?? "input";
      lane.place(box, `Spectrogram after adaptation, ${name}, from 0 to ${this.#reach}`);
      const { version } = state.shown;
      if (!unchanged.changedSince(adapted, version, state.peek, from, to, this.#reach, theme, box.width))
        return;
      const colours = ramp(theme.panel, channel === 1 ? theme.off : theme.on);
      const rows = { values: adapted, rows: axes.F, columns: n, start: channel * axes.F * n };
      lane.paint(rows, this.#reach, colours, box, window, changed);
    });
    this.#prefilter = Float64Array.from(state.prefilter);
    this.#sound = state.stimulus;
  };

  /** Which bands differ from when they were last painted; undefined where all may. An edit changes a few. */
  #changedBands(): ((band: number) => boolean) | undefined {
    const { prefilter, stimulus, axes } = this.#state;
    const before = this.#prefilter;
    if (stimulus !== this.#sound || prefilter.length !== before.length) return undefined;
    return (band) => {
      for (let i = band; i < before.length; i += axes.F) if (prefilter[i] !== before[i]) return true;
      return false;
    };
  }

  #build(channels: number): void {
    if (this.#lanes.length === channels) return;
    this.#lanes = Array.from({ length: channels }, (_, channel) => ({
      lane: new PictureLane(
        this.#state.info.channel_names[channel] ?? "input",
        channels > 1 ? channel : null,
      ),
      unchanged: new PaintInputs(),
    }));
    this.element.replaceChildren(...this.#lanes.map(({ lane }) => lane.element));
  }
}
