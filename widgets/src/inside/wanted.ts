/** The sound that a neuron wants, drawn as it forms; or that which tells it from another neuron. */

import { floats } from "../base/bytes";
import { type Cleanup, element, setAttribute, setText } from "../base/dom";
import { number, typedNumber } from "../base/format";
import type { Frames } from "../draw/surface";
import type { Theme } from "../draw/theme";
import type { BenchModel } from "../kernel/contract";
import { SAMPLE_RATE, synthesise } from "../math/sound";
import { button } from "../ui/button";
import type { InsideInfo, WantedMessage } from "./messages";
import { fieldSides, Plot, sizeOf } from "./plot";

/** The range of levels that can be heard, in dB. */
const RANGE_DB = 60;
/** The sound is short: so many times one after the other, with a pause between. */
const TIMES = 3;
const PAUSE_S = 0.15;

export class WantedView {
  readonly element: HTMLElement;
  readonly #find = button("The spectrogram that raises the response most, by gradient ascent", "Find it");
  readonly #cancel = button("Stop here", "Stop");
  readonly #play = button("Hear it", "▶ play");
  readonly #hear = button("Make it the sound on the bench", "Put on the bench");
  readonly #against = element("select.db-input", { "aria-label": "more than which neuron" });
  readonly #rms = element("input.db-input", { type: "text", inputmode: "decimal", size: 4, value: "2" });
  readonly #progress = element("progress", { max: 1, hidden: true, "aria-label": "steps" });
  readonly #caption = element("p.db-inside-text", { role: "status" });
  readonly #plot: Plot;
  #shown: { message: WantedMessage; values: Float32Array } | null = null;
  #context: AudioContext | null = null;
  #source: AudioBufferSourceNode | null = null;

  readonly #model: BenchModel;

  constructor(model: BenchModel, frames: Frames, theme: () => Theme, cleanup: Cleanup) {
    this.#model = model;
    const info = model.get("info") as InsideInfo;
    const sides = fieldSides(
      floats(model.get("cf_hz")),
      info.dt_ms,
      info.delay_ms,
      "before the response (ms)",
    );
    this.#plot = new Plot(frames, theme, sides, cleanup);
    const unit = info.stimulus_unit || "units";
    setAttribute(this.#rms, "aria-label", `level, root mean square over bands and bins, ${unit}`);
    this.element = element(
      "section.db-inside-part",
      { "aria-label": "The sound that this neuron wants" },
      element("h4", {}, "The sound it wants"),
      element("div.db-inside-row", {}, this.#against, element("label", {}, "rms ", this.#rms, ` ${unit}`)),
      element("div.db-inside-row", {}, this.#find, this.#cancel, this.#progress),
      this.#caption,
      this.#plot.element,
      element("div.db-inside-row", {}, this.#play, this.#hear),
    );
    cleanup.listen(this.#find, "click", () => this.#start());
    cleanup.listen(this.#cancel, "click", () => model.send({ type: "cancel" }));
    cleanup.listen(this.#play, "click", () => this.#toggle());
    cleanup.listen(this.#hear, "click", () => model.send({ type: "hear" }));
    cleanup.add(() => {
      this.#stop();
      void this.#context?.close();
    });
    this.paintState();
  }

  requestPaint(): void {
    this.#plot.requestPaint();
  }

  paintState(): void {
    const busy = this.#model.get("busy") === "wanted";
    const own = Number(this.#model.get("neuron") ?? 0);
    const { neuron_names } = this.#model.get("info") as InsideInfo;
    const key = `${own}/${neuron_names.join("/")}`;
    if (this.#against.dataset.of !== key) {
      this.#against.dataset.of = key;
      const others = neuron_names.map((name, i) => ({ name, i })).filter(({ i }) => i !== own);
      this.#against.replaceChildren(
        element("option", { value: "" }, "for its response"),
        ...others.map(({ name, i }) => element("option", { value: i }, `more than neuron ${i + 1} ${name}`)),
      );
    }
    this.#find.disabled = busy;
    this.#cancel.hidden = !busy;
    this.#progress.hidden = !busy;
    this.#plot.element.hidden = !this.#shown && !busy;
    const done = this.#shown?.message.done === true;
    this.#play.hidden = !this.#shown || typeof AudioContext === "undefined";
    this.#hear.hidden = !done;
    const old = this.#shown !== null && this.#shown.message.stamp !== this.#model.get("stamp");
    setAttribute(this.element, "data-old", old);
    if (!this.#shown && !busy) {
      setText(
        this.#caption,
        "Gradient ascent on the spectrogram, its level limited: where and when this neuron wants sound.",
      );
    }
  }

  found(message: WantedMessage, buffers: ArrayLike<unknown>): void {
    const values = floats(buffers[0]);
    this.#shown = { message, values };
    const { step, steps, response, silence, rms, against, done, note, shape } = message;
    const { stimulus_unit, rate_unit } = this.#model.get("info") as InsideInfo;
    this.#progress.value = step / steps;
    const what = against === null ? "response" : `response above that of neuron ${against + 1}`;
    const state = done ? `after ${step} steps` : `step ${step} of ${steps}`;
    setText(
      this.#caption,
      `${what} at its end ${number(response)} ${rate_unit} (silence ${number(silence)}), ${number(rms)} ${stimulus_unit} rms, ${state}.${note ? ` Note: ${note}.` : ""}`,
    );
    const end = sizeOf(values) || 1;
    const [rows, columns] = shape;
    this.#plot.show({
      ...{ values, rows, columns, range: [0, end], colours: "sequential" },
      ...{ unit: stimulus_unit || "level", label: "Spectrogram of the sound that this neuron wants" },
    });
    setAttribute(this.element, "data-step", step);
    setAttribute(this.element, "data-done", done);
    this.paintState();
  }

  #start(): void {
    const rms = typedNumber(this.#rms.value);
    this.#shown = null;
    this.#plot.show(null);
    this.#progress.removeAttribute("value");
    setText(this.#caption, "");
    const against = this.#against.value === "" ? null : Number(this.#against.value);
    this.#model.send({ type: "wanted", against, rms: Number.isFinite(rms) ? rms : this.#rms.value });
  }

  #toggle(): void {
    if (this.#source) {
      this.#stop();
      return;
    }
    if (!this.#shown) return;
    const { values, message } = this.#shown;
    const { dt_ms } = this.#model.get("info") as InsideInfo;
    const n = message.shape[1];
    const loudest = sizeOf(values) || 1;
    const levels = values.map((value) => (value / loudest) * RANGE_DB);
    const sound = synthesise(levels, n, floats(this.#model.get("cf_hz")), dt_ms, 0, n);
    this.#context ??= new AudioContext();
    void this.#context.resume();
    const every = sound.length + Math.round(PAUSE_S * SAMPLE_RATE);
    const buffer = this.#context.createBuffer(1, TIMES * every, SAMPLE_RATE);
    for (let i = 0; i < TIMES; i++) buffer.copyToChannel(sound, 0, i * every);
    const source = this.#context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.#context.destination);
    source.onended = () => {
      if (this.#source === source) this.#stop();
    };
    this.#source = source;
    source.start();
    setText(this.#play, "■ stop");
  }

  #stop(): void {
    const source = this.#source;
    this.#source = null;
    setText(this.#play, "▶ play");
    if (!source) return;
    source.stop();
    source.disconnect();
  }
}
