/** The picture of a receptive field, and how far its colours reach. */

import { element, setHidden } from "../../base/dom";
import { diverging } from "../../draw/colormap";
import { fade, fillImage } from "../../draw/heatmap";
import { extent } from "../../draw/line";
import { Eased, PaintInputs } from "../../draw/surface";
import { reducedMotion } from "../../draw/theme";
import { heardOnly } from "../../math/evidence";
import type { BenchState } from "../../state/bench-state";
import type { Numbers } from "../../state/local-session";

/** The largest value of the field now or as trained, where it has met a sound. */
export function largestOf({ kernel, trained, info, axes }: BenchState): number {
  let reach = 0;
  for (const values of [kernel, trained.kernel]) {
    const [low, high] = extent(heardOnly(values, info.unheard, axes.F, axes.T)) ?? [0, 0];
    reach = Math.max(reach, -low, high);
  }
  return reach || 1;
}

export class FieldPicture {
  /** One pixel a cell; CSS stretches it over the grid. */
  readonly element = element("canvas.db-picture", { "aria-hidden": "true" });
  readonly #range = new Eased();
  readonly #painted = new PaintInputs();

  /** The weight that has the last colour. */
  get reach(): number {
    return this.#range.value;
  }

  /** The colour range holds still in a gesture and glides to its new value afterwards; true while it does. */
  follow(state: BenchState, now: number): boolean {
    if (!state.inGesture) this.#range.aim(largestOf(state), now, !reducedMotion());
    if (Number.isNaN(this.reach)) this.#range.aim(1, now, false);
    return this.#range.step(now);
  }

  /** Show the weights of the channel on screen, which come times `gain`. Whether that was needed. */
  paint(state: BenchState, weights: Numbers, gain: number, dark: boolean): boolean {
    const { kernel, channel, axes, unsure } = state;
    const { F, T } = axes;
    const pale = unsure.length === kernel.length && !state.fieldEdited ? unsure : null;
    const reach = this.reach * Math.abs(gain);
    setHidden(this.element, weights.length !== F * T || F * T === 0);
    if (!this.#painted.changedSince(kernel, channel, reach, gain, dark, pale) || this.element.hidden)
      return false;
    const colours = diverging(dark);
    const image = fillImage(this.element, weights, F, T, [-reach, reach], colours);
    if (pale && image) fade(this.element, image, pale, channel * F * T, colours);
    return true;
  }
}
