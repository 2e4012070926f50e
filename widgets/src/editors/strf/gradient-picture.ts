/** The gradient map of a response beside its receptive field, or in its place. */

import { type Box, layOver } from "../../base/box";
import { element, setHidden } from "../../base/dom";
import { diverging } from "../../draw/colormap";
import { fillImage } from "../../draw/heatmap";
import { extent } from "../../draw/line";
import { PaintInputs } from "../../draw/surface";
import type { Theme } from "../../draw/theme";
import type { BenchState } from "../../state/bench-state";

export class GradientPicture {
  readonly element: HTMLElement;
  readonly #canvas = element("canvas.db-picture", { role: "img", "aria-label": "Gradient map" });
  readonly #pictured = new PaintInputs();
  readonly #laid = new PaintInputs();
  /** The map (F, T) of the channel on screen, and the largest size of any channel. */
  field: Float32Array | Float64Array = new Float32Array(0);
  reach = 1;

  constructor() {
    this.element = element("div.db-plot", { hidden: true }, this.#canvas);
  }

  /** Show it over a box of the stage; null for not at all. */
  paint({ gradient, channel, axes }: BenchState, box: Box | null, { dark }: Theme): void {
    setHidden(this.element, !box);
    if (!box) return;
    if (this.#laid.changedSince(box.x, box.y, box.width, box.height)) layOver(this.element, box);
    if (!this.#pictured.changedSince(gradient, channel, dark)) return;
    const cells = axes.F * axes.T;
    this.field = gradient.subarray(channel * cells, (channel + 1) * cells);
    const [low, high] = extent(gradient) ?? [0, 0];
    this.reach = Math.max(-low, high) || 1;
    fillImage(this.#canvas, this.field, axes.F, axes.T, [-this.reach, this.reach], diverging(dark));
  }
}
