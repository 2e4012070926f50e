/** Plays the stretch of sound on screen: the stimulus to both ears, recorded spikes left, the model's spikes right. */

import { type Cleanup, element, setAttribute } from "../base/dom";
import type { Window } from "../draw/line";
import type { Frames } from "../draw/surface";
import { clicks, drawSpikes, SAMPLE_RATE, seeded, synthesise } from "../math/sound";
import type { BenchState } from "../state/bench-state";

/** Longest stretch that is played at once: it is rendered before it starts. */
const LONGEST_S = 30;

export class Player {
  readonly element: HTMLButtonElement;
  /** Frame that plays now; null while nothing does. */
  frame: number | null = null;
  #context: AudioContext | null = null;
  #source: AudioBufferSourceNode | null = null;
  #start = { at: 0, from: 0, to: 0 };

  readonly #state: BenchState;
  readonly #frameQueue: Frames;
  readonly #window: () => Window;
  readonly #moved: () => void;

  constructor(
    state: BenchState,
    frameQueue: Frames,
    window: () => Window,
    moved: () => void,
    cleanup: Cleanup,
  ) {
    this.#state = state;
    this.#frameQueue = frameQueue;
    this.#window = window;
    this.#moved = moved;
    this.element = element("button.db-button.db-play", {}, "▶ play");
    this.element.hidden = typeof AudioContext === "undefined";
    this.#label();
    cleanup.listen(this.element, "click", () => this.toggle());
    cleanup.add(() => {
      this.stop();
      void this.#context?.close();
      this.#context = null;
    });
  }

  toggle(): void {
    if (this.#source) this.stop();
    else this.play();
  }

  play(): void {
    const state = this.#state;
    const { info, axes } = state;
    this.stop();
    this.#context ??= new AudioContext();
    void this.#context.resume();
    const from = Math.floor(this.#window().from);
    const most = Math.floor((LONGEST_S * 1000) / info.dt_ms);
    const to = Math.min(Math.ceil(this.#window().to), from + most, info.n_frames);
    const sound = synthesise(state.stimulus, info.n_frames, axes.cfHz, info.dt_ms, from, to);
    const seconds = sound.length / SAMPLE_RATE;
    const model = clicks(drawSpikes(state.rate, from, to, info.dt_ms, seeded(2)), seconds);
    const recorded = info.has_responses
      ? clicks(drawSpikes(state.psth, from, to, info.dt_ms, seeded(3)), seconds)
      : model;
    const buffer = this.#context.createBuffer(2, sound.length, SAMPLE_RATE);
    [recorded, model].forEach((spikes, ear) => {
      buffer.copyToChannel(
        sound.map((value, i) => value + spikes[i]),
        ear,
      );
    });
    const source = this.#context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.#context.destination);
    source.onended = () => {
      if (this.#source === source) this.stop();
    };
    this.#source = source;
    this.#start = { at: this.#context.currentTime, from, to };
    source.start();
    this.#label();
    this.#follow();
  }

  stop(): void {
    const source = this.#source;
    this.#source = null;
    this.frame = null;
    if (!source) return;
    source.stop();
    source.disconnect();
    this.#label();
    this.#moved();
  }

  readonly #follow = (): void => {
    if (!this.#source || !this.#context) return;
    const { at, from, to } = this.#start;
    const seconds = this.#context.currentTime - at;
    this.frame = Math.min(from + (seconds * 1000) / this.#state.info.dt_ms, to);
    this.#moved();
    this.#frameQueue.request(this.#follow);
  };

  #label(): void {
    const on = this.#source !== null;
    this.element.textContent = on ? "■ stop" : "▶ play";
    const ears = this.#state.info.has_responses
      ? "recorded spikes left, the model's right"
      : "the model's spikes as clicks";
    const title = on
      ? "Stop (Space)"
      : `Play what is on screen (Space): tones made from the spectrogram, ${ears}`;
    setAttribute(this.element, "title", title);
    setAttribute(this.element, "aria-pressed", String(on));
  }
}
