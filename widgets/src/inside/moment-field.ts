/** The field of the neuron at the time cursor: the gradient of its response there, asked of the kernel. */

import { floats } from "../base/bytes";
import { type Cleanup, element, setAttribute, setText } from "../base/dom";
import { fixed } from "../base/format";
import type { Frames } from "../draw/surface";
import type { Theme } from "../draw/theme";
import type { BenchModel } from "../kernel/contract";
import type { Around } from "../panels/mount-panel";
import type { InsideInfo, MomentMessage } from "./messages";
import { fieldSides, Plot, sizeOf } from "./plot";

/** A request without an answer for so long is taken for lost. */
const LOST_MS = 5000;

export class MomentField {
  readonly element: HTMLElement;
  readonly #caption = element("p.db-inside-text", { role: "status" });
  readonly #plot: Plot;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asked = "";
  /** Where the cursor was last: the field stays when the pointer leaves. */
  #last: number | null = null;
  #answered = "";
  /** Colours reach as far as the largest field since the neuron, the sound or the model was another: moments compare. */
  #reach = { stamp: "", size: 0 };

  readonly #model: BenchModel;
  readonly #around: Around | undefined;

  constructor(
    model: BenchModel,
    around: Around | undefined,
    frames: Frames,
    theme: () => Theme,
    cleanup: Cleanup,
  ) {
    this.#model = model;
    this.#around = around;
    const { dt_ms, delay_ms } = model.get("info") as InsideInfo;
    const cfHz = floats(model.get("cf_hz"));
    this.#plot = new Plot(frames, theme, fieldSides(cfHz, dt_ms, delay_ms, "lag (ms), 0 = now"), cleanup);
    this.element = element(
      "section.db-inside-part",
      { "aria-label": "The field at one moment" },
      element("h4", {}, "At this moment"),
      this.#caption,
      this.#plot.element,
    );
    around?.onMoment(() => this.ask(), cleanup);
  }

  requestPaint(): void {
    this.#plot.requestPaint();
  }

  /** The bin where the time cursor is, or was last; before that, that of the highest response, so that there is something to see. */
  #frame(): number | null {
    const chosen = this.#around?.moment() ?? null;
    const rate = this.#around?.rate() ?? [];
    if (chosen !== null && chosen < rate.length) this.#last = chosen;
    if (this.#last !== null && this.#last < rate.length) return this.#last;
    let best = 0;
    for (let i = 1; i < rate.length; i++) if (rate[i] > rate[best]) best = i;
    return rate.length > 0 ? best : null;
  }

  /** Ask for what is wanted now, one request at a time: the newest takes the place of those that waited. */
  ask(): void {
    const frame = this.#frame();
    if (frame === null) return;
    const wanted = `${this.#model.get("stamp")}/${frame}`;
    const waiting = this.#asked !== this.#answered && performance.now() - this.#askedAt < LOST_MS;
    if (waiting || wanted === this.#asked) return;
    this.#asked = wanted;
    this.#askedAt = performance.now();
    this.#model.send({ type: "moment", frame });
  }

  answered(message: MomentMessage, buffers: ArrayLike<unknown>): void {
    this.#answered = this.#asked;
    const info = this.#model.get("info") as InsideInfo;
    const { frame, text, shape, stamp } = message;
    const seconds = fixed(((frame + 0.5) * info.dt_ms) / 1000, 3);
    const unit = `${info.rate_unit} per ${info.stimulus_unit || "unit of the stimulus"}`;
    if (text || !shape) {
      this.#plot.show(null);
      setText(this.#caption, `At ${seconds} s: ${text}`);
    } else {
      const values = floats(buffers[0]);
      if (this.#reach.stamp !== stamp) this.#reach = { stamp, size: 0 };
      const size = sizeOf(values);
      this.#reach.size = Math.max(this.#reach.size, size);
      const end = this.#reach.size || 1;
      const [rows, columns] = shape;
      this.#plot.show({
        ...{ values, rows, columns, unit: "gradient", colours: "diverging" },
        ...{ range: [-end, end], label: `Gradient of the response at ${seconds} s, in ${unit}` },
      });
      const said =
        size === 0
          ? "nothing in the sound moves the response here (it is at the end of its output curve)"
          : `what a little more sound would do to the response, in ${unit}. A gradient, not a weight: it changes from moment to moment`;
      setText(this.#caption, `At ${seconds} s: ${said}.`);
      setAttribute(this.element, "data-work-ms", Math.round(message.work_ms ?? 0));
    }
    setAttribute(this.element, "data-frame", frame);
    this.ask();
  }
}
