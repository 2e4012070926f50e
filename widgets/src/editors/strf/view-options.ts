/** What of a receptive field is pictured: its weights, raw or as the drive sees them, and its gradient map. */

import { type Box, inset } from "../../base/box";
import { type Cleanup, element, setAttribute, setHidden } from "../../base/dom";
import { PaintInputs } from "../../draw/surface";
import type { BenchState } from "../../state/bench-state";
import { button } from "../../ui/button";

/** Between two pictures, room for the colour bar of the first and the ticks of the second. */
const GAP = 88;
/** Two pictures stand side by side from this width of the stage on. */
const ROOM = 640;

export class ViewOptions {
  readonly element: HTMLElement;
  #withGain = false;
  readonly #gainButton = button("Weights times the gain of the batch norm: what the drive sees", "With gain");
  readonly #slope = button(
    "Gradient of the response with respect to what the field sees, at the mean sound",
    "Gradient",
  );
  readonly #scaled = new PaintInputs();
  #scaledField: Float64Array = new Float64Array(0);
  readonly #state: BenchState;

  constructor(state: BenchState, requestPaint: () => void, cleanup: Cleanup) {
    this.#state = state;
    this.element = element("div.db-tools", {}, this.#gainButton, this.#slope);
    cleanup.listen(this.#gainButton, "click", () => {
      this.#withGain = !this.#withGain;
      requestPaint();
    });
    cleanup.listen(this.#slope, "click", () => state.requestGradient(!state.showGradient));
  }

  /** A weight on screen is the raw one times this. */
  get gain(): number {
    return this.#withGain && this.#hasGain ? this.#state.now.affine[1] : 1;
  }

  get unit(): string {
    if (this.#state.info.kind === "gradient") return "gradient";
    return this.#withGain && this.#hasGain ? "drive" : "weight";
  }

  get #hasGain(): boolean {
    const { kind } = this.#state.info;
    const [, gain, offset] = this.#state.now.affine;
    return kind !== "gradient" && kind !== "none" && gain !== undefined && (gain !== 1 || offset !== 0);
  }

  /** Whether there is a gradient map to show. */
  get gradient(): boolean {
    const { showGradient, gradient, kernel } = this.#state;
    return showGradient === true && gradient.length > 0 && gradient.length === kernel.length;
  }

  /** The gradient map stands in place of the weights. */
  instead(width: number): boolean {
    return this.gradient && width < ROOM;
  }

  /** Boxes of the picture and, side by side, of the gradient map. */
  boxes(
    size: { width: number; height: number },
    margin: { left: number; right: number; top: number; bottom: number },
  ): [Box, Box | null] {
    const whole = inset(size, margin);
    if (!this.gradient || size.width < ROOM) return [whole, null];
    const width = (whole.width - GAP) / 2;
    return [
      { ...whole, width },
      { ...whole, x: whole.x + width + GAP, width },
    ];
  }

  /** Weights in the units on screen. */
  scaled(weights: Float32Array | Float64Array): Float32Array | Float64Array {
    const { gain } = this;
    if (gain === 1) return weights;
    if (this.#scaled.changedSince(weights.buffer, weights.byteOffset, gain)) {
      this.#scaledField = Float64Array.from(weights, (value) => value * gain);
    }
    return this.#scaledField;
  }

  /** Set the switches. */
  paint(): void {
    const { showGradient, info } = this.#state;
    setHidden(this.#gainButton, !this.#hasGain);
    setHidden(this.#slope, showGradient === null || info.kind === "gradient" || info.kind === "none");
    setAttribute(this.#gainButton, "aria-pressed", String(this.#withGain));
    setAttribute(this.#slope, "aria-pressed", String(showGradient === true));
  }
}
