/** One moment of the response, and why it is as high as it is there: computed here, or answered by the kernel. */

import { floats } from "../base/bytes";
import { clamp } from "../base/clamp";
import type { ExplainRequest, ExplanationMessage } from "../kernel/contract";
import { productsAt } from "../math/explanation";
import type { Numbers } from "./local-session";
import type { ViewState } from "./view-state";

/** `gain (sums + bias) + offset` is the drive; sound and products are (C, F, T). */
export interface Explanation {
  frame: number;
  shape: readonly [C: number, F: number, T: number];
  channelNames: string[];
  stretch: Numbers;
  products: Numbers;
  sums: number[];
  bias: number;
  gain: number;
  offset: number;
  drive: number;
  rate: number;
  isGradient: boolean;
}

interface Ports {
  readonly client: string;
  now(): number;
  ask(request: ExplainRequest): void;
  /** Something else is to be shown. */
  changed(): void;
}

/** A request without an answer for so long is taken for lost once something else is wanted. */
const LOST_MS = 5000;
/** So much of the largest rate is rounding. */
const ROUNDING = 1e-3;

export class Moment {
  #hovered: number | null = null;
  #pinned: number | null = null;
  /** What the kernel was asked last: the values on which its answer depends. */
  #asked: unknown[] = [];
  #askedAt = Number.NEGATIVE_INFINITY;
  #seq = 0;
  #waiting = false;
  #answer: Explanation | null = null;
  /** Why there is no explanation; empty where there is one, or will be. */
  text = "";

  readonly #state: ViewState;
  readonly #ports: Ports;

  constructor(state: ViewState, ports: Ports) {
    this.#state = state;
    this.#ports = ports;
  }

  /** The bin that is looked into: that under the pointer, or else the pinned one; null where there is neither. */
  get frame(): number | null {
    return this.hovered ?? this.pinned;
  }

  get hovered(): number | null {
    return this.#within(this.#hovered);
  }

  get pinned(): number | null {
    return this.#within(this.#pinned);
  }

  /** The pointer is at a bin, or at none. */
  hover(frame: number | null): void {
    if (frame === this.#hovered) return;
    this.#hovered = frame;
    this.#ports.changed();
  }

  /** Keep a bin, or let go of it. */
  pin(frame: number | null): void {
    const last = this.#state.info.n_frames - 1;
    const next = frame === null ? null : clamp(Math.round(frame), 0, last);
    if (next === this.#pinned) return;
    this.#pinned = next;
    this.#ports.changed();
  }

  /** Whether what is shown is of before the last edit, or of another bin: the kernel has still to answer. */
  get old(): boolean {
    return this.#waiting;
  }

  /** Why the response is as it is at this moment, as far as it is known; the kernel is asked where only it can tell. */
  explanation(): Explanation | null {
    const { frame } = this;
    if (frame === null || !this.#state.current) return null;
    const own = this.#own(frame);
    if (own) {
      this.text = "";
      this.#waiting = false;
      this.#asked = [];
      return own;
    }
    this.#ask(frame);
    return this.#answer;
  }

  /** Take the kernel's answer; one to an older question is shown until the newest comes. */
  answered(message: ExplanationMessage, buffers: ArrayLike<unknown>): void {
    if (message.seq !== this.#seq) return;
    this.#waiting = false;
    this.text = message.text;
    this.#answer = message.text ? null : read(message, buffers);
    this.#ports.changed();
  }

  /** What the browser can compute, where that is what it shows. */
  #own(frame: number): Explanation | null {
    const { info, axes, shown } = this.#state;
    const { adapted, computedRate } = info.local ? shown : { adapted: null, computedRate: null };
    if (!adapted || !computedRate || shown.affine.length !== 3) return null;
    const rate = shown.rate[frame];
    // A bias that was set from Python is not among what came as trained.
    let size = 0;
    for (const value of shown.rate) size = Math.max(size, Math.abs(value));
    if (Math.abs(computedRate[frame] - rate) > ROUNDING * size) return null;
    const [bias, scale, shift] = shown.affine;
    const shape = [info.n_channels, axes.F, axes.T] as const;
    const found = productsAt(shown.kernel, adapted, shape, frame, { bias, scale, shift });
    return {
      ...{ frame, shape, channelNames: info.channel_names, bias, gain: scale, offset: shift, rate },
      ...{ ...found, isGradient: false },
    };
  }

  #ask(frame: number): void {
    const state = this.#state;
    const wanted = [frame, state.neuron, state.peek, state.shown.rate, state.stimulus, state.connection];
    if (wanted.every((value, i) => value === this.#asked[i])) return;
    const { client, now, ask } = this.#ports;
    if (state.connection !== "live" && this.#asked.length === 0) this.text = "the kernel does not answer";
    if (state.connection !== "live" || (this.#waiting && now() - this.#askedAt < LOST_MS)) return;
    // Of another neuron nothing is shown meanwhile.
    if (this.#asked[1] !== state.neuron) this.#answer = null;
    this.#asked = wanted;
    this.#askedAt = now();
    this.#waiting = true;
    this.#seq += 1;
    ask({ type: "explain", client, seq: this.#seq, frame, trained: state.peek });
  }

  #within(frame: number | null): number | null {
    return frame !== null && frame < this.#state.info.n_frames ? frame : null;
  }
}

function read(message: ExplanationMessage, buffers: ArrayLike<unknown>): Explanation {
  const value = (one: number | null | undefined) => one ?? Number.NaN;
  return {
    frame: message.frame ?? 0,
    shape: message.shape ?? [0, 0, 0],
    channelNames: message.channel_names ?? [],
    stretch: floats(buffers[0]),
    products: floats(buffers[1]),
    sums: (message.sums ?? []).map(value),
    bias: value(message.bias),
    gain: value(message.gain),
    offset: value(message.offset),
    drive: value(message.drive),
    rate: value(message.rate),
    isGradient: message.is_gradient === true,
  };
}
