/** Plays the stretch of sound on screen: the stimulus to both ears, recorded spikes left, the model's spikes right. */

import { type Cleanup, element, setAttribute, setHidden } from "../base/dom";
import type { Window } from "../draw/line";
import type { Frames } from "../draw/surface";
import { clicks, drawSpikes, SAMPLE_RATE, seeded, synthesise, trialSpikes } from "../math/sound";
import type { BenchState } from "../state/bench-state";
import { Mixer, VOICES, type Voice } from "./mixer";

/** Longest stretch that is played at once: it is rendered before it starts. */
const LONGEST_S = 30;

interface Heard {
  source: AudioBufferSourceNode;
  gain: GainNode;
}

export class Player {
  readonly element: HTMLButtonElement;
  readonly mixer: HTMLElement;
  /** Frame that plays now; null while nothing does. */
  frame: number | null = null;
  #context: AudioContext | null = null;
  #voices: Record<Voice, Heard | null> | null = null;
  #start = { at: 0, from: 0, to: 0 };

  readonly #mixer: Mixer;
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
    const silent = typeof AudioContext === "undefined";
    setHidden(this.element, silent);
    this.#mixer = new Mixer(state, this.#mix, cleanup);
    this.mixer = this.#mixer.element;
    setHidden(this.mixer, silent);
    this.#label();
    cleanup.listen(this.element, "click", () => this.toggle());
    cleanup.add(() => {
      this.stop();
      void this.#context?.close();
      this.#context = null;
    });
  }

  toggle(): void {
    if (this.#voices) this.stop();
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
    const { trial } = this.#mixer;
    const random = seeded(3);
    const spikes =
      trial === null
        ? drawSpikes(state.psth, from, to, info.dt_ms, random)
        : trialSpikes(state.spikes, trial, info.n_frames, from, to, info.dt_ms, random);
    const model = clicks(drawSpikes(state.rate, from, to, info.dt_ms, seeded(2)), seconds);
    const silent = new Float32Array(sound.length);
    // Without a recording the model is heard in both ears.
    const left = info.has_responses ? silent : model;
    const at = this.#context.currentTime;
    const voices = {
      sound: this.#voice("sound", sound, sound),
      recorded: info.has_responses ? this.#voice("recorded", clicks(spikes, seconds), silent) : null,
      model: this.#voice("model", left, model),
    };
    voices.sound.source.onended = () => {
      if (this.#voices === voices) this.stop();
    };
    this.#voices = voices;
    this.#start = { at, from, to };
    for (const voice of Object.values(voices)) voice?.source.start(at);
    this.#label();
    this.#follow();
  }

  stop(): void {
    const voices = this.#voices;
    this.#voices = null;
    this.frame = null;
    if (!voices) return;
    for (const voice of Object.values(voices)) {
      voice?.source.stop();
      voice?.source.disconnect();
      voice?.gain.disconnect();
    }
    this.#label();
    this.#moved();
  }

  /** Two ears through a volume of their own. */
  #voice(name: Voice, left: Float32Array<ArrayBuffer>, right: Float32Array<ArrayBuffer>): Heard {
    const context = this.#context as AudioContext;
    const buffer = context.createBuffer(2, left.length, SAMPLE_RATE);
    buffer.copyToChannel(left, 0);
    buffer.copyToChannel(right.length === left.length ? right : right.slice(0, left.length), 1);
    const source = context.createBufferSource();
    const gain = context.createGain();
    source.buffer = buffer;
    gain.gain.value = this.#mixer.volumes[name];
    source.connect(gain);
    gain.connect(context.destination);
    return { source, gain };
  }

  readonly #mix = (): void => {
    for (const name of VOICES) {
      const voice = this.#voices?.[name];
      if (voice) voice.gain.gain.value = this.#mixer.volumes[name];
    }
  };

  readonly #follow = (): void => {
    if (!this.#voices || !this.#context) return;
    const { at, from, to } = this.#start;
    const seconds = this.#context.currentTime - at;
    this.frame = Math.min(from + (seconds * 1000) / this.#state.info.dt_ms, to);
    this.#moved();
    this.#frameQueue.request(this.#follow);
  };

  #label(): void {
    const on = this.#voices !== null;
    this.element.textContent = on ? "■ stop" : "▶ play";
    const ears = this.#state.info.has_responses
      ? "spikes of a recorded trial left, the model's right"
      : "the model's spikes as clicks";
    const title = on
      ? "Stop (Space)"
      : `Play what is on screen (Space): tones made from the spectrogram, ${ears}`;
    setAttribute(this.element, "title", title);
    setAttribute(this.element, "aria-pressed", String(on));
  }
}
