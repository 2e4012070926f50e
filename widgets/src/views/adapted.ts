/** The ON and OFF spectrograms after adaptation, on the time axis of the response. */

import { type Cleanup, element, setAttribute, setStyle } from "../dom";
import type { Box } from "../draw/box";
import { ramp } from "../draw/colormap";
import { fillImage, LongImage } from "../draw/heatmap";
import type { Window } from "../draw/line";
import { type Frames, Unchanged } from "../draw/surface";
import type { Theme } from "../draw/theme";
import type { BenchState } from "../state";

/** Widest picture that is painted pixel by pixel in a frame; a longer one is halved first. */
const MOST_COLUMNS = 4096;

interface Lane {
  element: HTMLElement;
  picture: HTMLCanvasElement;
  label: HTMLElement;
  unchanged: Unchanged;
}

export class AdaptedView {
  readonly element = element("div.db-adapted", { hidden: true });
  #lanes: Lane[] = [];
  #reach = Number.NaN;
  #wanted = false;

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
    state.watch(cleanup, ["info", "stimulus", "adaptation", "peek", "gesture"], () => this.ask());
  }

  /** Whether the lanes are shown: they cost height, and are of use while the adaptation is in hand. */
  show(on: boolean): void {
    this.#wanted = on;
    this.ask();
  }

  /** Paint in the next frame. */
  ask(): void {
    this.#frameQueue.request(this.#paint);
  }

  readonly #paint = (): void => {
    const state = this.#state;
    const { info, axes } = state;
    const adapted = this.#wanted && info.prefilter.kind !== "none" ? state.adapted : null;
    this.element.hidden = adapted === null;
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
    this.#lanes.forEach((lane, channel) => {
      const name = info.channel_names[channel] ?? "input";
      lane.label.textContent = name;
      setAttribute(
        lane.picture,
        "aria-label",
        `Spectrogram after adaptation, ${name}, from 0 to ${this.#reach}`,
      );
      setStyle(lane.picture, "left", `${box.x}px`);
      setStyle(lane.picture, "width", `${box.width}px`);
      if (
        lane.unchanged.by(adapted, state.shown.version, state.peek, from, to, this.#reach, theme, box.width)
      )
        return;
      const colours = ramp(theme.panel, channel === 1 ? theme.off : theme.on);
      const columns = [Math.floor(from), Math.min(Math.ceil(to), n)];
      const count = columns[1] - columns[0];
      const start = channel * axes.F * n;
      if (count <= MOST_COLUMNS) {
        fillImage(lane.picture, adapted, axes.F, count, [0, this.#reach], colours, start + columns[0], n);
        return;
      }
      const values = Float32Array.from(adapted.subarray(start, start + axes.F * n));
      const ctx = this.#sized(lane.picture, Math.round(box.width), axes.F);
      const whole = { x: 0, y: 0, width: box.width, height: axes.F };
      if (ctx)
        new LongImage(values, axes.F, n, [0, this.#reach], colours).draw(ctx, whole, from, to, box.width);
    });
  };

  #sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
    canvas.width = width;
    canvas.height = height;
    return canvas.getContext("2d");
  }

  #build(channels: number): void {
    if (this.#lanes.length === channels) return;
    this.#lanes = Array.from({ length: channels }, (_, channel) => {
      const picture = element("canvas.db-picture", { role: "img" });
      const label = element("span.db-lane-name", { "data-channel": channels > 1 ? channel : null });
      const lane = element("div.db-lane.db-adapted-lane", {}, label, picture);
      return { element: lane, picture, label, unchanged: new Unchanged() };
    });
    this.element.replaceChildren(...this.#lanes.map((lane) => lane.element));
  }
}
