/** The few filters through which a neuron looks at sound: their shares, the response over the first two, and the rebuilt model. */

import { floats } from "../base/bytes";
import { type Cleanup, element, setAttribute, setText } from "../base/dom";
import { fixed } from "../base/format";
import { diverging } from "../draw/colormap";
import { fillImage } from "../draw/heatmap";
import { extent } from "../draw/line";
import type { Frames } from "../draw/surface";
import type { Theme } from "../draw/theme";
import type { BenchModel } from "../kernel/contract";
import { button } from "../ui/button";
import type { InsideInfo, RebuiltMessage, SubspaceMessage } from "./messages";
import { Plot, plainSides, sizeOf } from "./plot";

const SOURCES = "Meyer et al. 2017; Wingert et al. 2026";
const LOOKING = "Looking at 1,000 moments of the sounds …";
const FIRST_K = 3;
const score = (r: number | null) => (r === null ? "–" : fixed(r, 2));
const percent = (share: number) => `${fixed(100 * share, share < 0.1 ? 1 : 0)} %`;

export class FiltersView {
  readonly element: HTMLElement;
  readonly #find: HTMLButtonElement;
  readonly #caption = element("p.db-inside-text", { role: "status" });
  readonly #thumbs = element("div.db-inside-filters");
  readonly #place = element("div");
  readonly #slider = element("input", {
    type: "range",
    min: 1,
    max: 1,
    step: 1,
    "aria-label": "filters kept",
  });
  readonly #kept = element("label.db-inside-kept", { hidden: true }, "Rebuilt from ");
  readonly #k = element("output");
  readonly #score = element("p.db-inside-text", { role: "status" });
  #told = `Principal components of the fields at 1,000 moments: how many filters this neuron has (${SOURCES}).`;
  #found: SubspaceMessage | null = null;
  #filters: Float32Array = new Float32Array(0);
  #plot: Plot | null = null;

  readonly #model: BenchModel;
  readonly #frames: Frames;
  readonly #theme: () => Theme;
  readonly #cleanup: Cleanup;

  constructor(model: BenchModel, frames: Frames, theme: () => Theme, cleanup: Cleanup) {
    this.#model = model;
    this.#frames = frames;
    this.#theme = theme;
    this.#cleanup = cleanup;
    this.#find = button(
      `The few filters behind the fields of 1,000 moments (${SOURCES})`,
      "Find the filters",
    );
    this.#kept.append(this.#slider, this.#k);
    this.element = element(
      "section.db-inside-part",
      { "aria-label": "The filters behind all moments" },
      element("h4", {}, "Over all moments"),
      element("div.db-inside-row", {}, this.#find),
      this.#caption,
      this.#thumbs,
      this.#place,
      this.#kept,
      this.#score,
    );
    cleanup.listen(this.#find, "click", () => {
      setText(this.#caption, LOOKING);
      model.send({ type: "subspace" });
    });
    cleanup.listen(this.#slider, "input", () => this.#label());
    cleanup.listen(this.#slider, "change", () => this.#rebuild());
    this.paintState();
  }

  requestPaint(): void {
    this.#plot?.requestPaint();
    this.#paintThumbs();
  }

  /** What is shown is of before an edit, or of another neuron. */
  paintState(): void {
    const old = this.#found !== null && this.#found.stamp !== this.#model.get("stamp");
    setAttribute(this.element, "data-old", old);
    const busy = this.#model.get("busy") === "subspace";
    this.#find.disabled = busy;
    const told = old ? "Of another model state, neuron or sound: find them again." : this.#told;
    // Something else that is asked for, or an error, ends the search without an answer.
    setText(this.#caption, busy ? LOOKING : told);
  }

  found(message: SubspaceMessage, buffers: ArrayLike<unknown>): void {
    this.#found = message;
    this.#filters = floats(buffers[0]);
    const { shares, moments } = message;
    const enough = shares.reduce((sum, _, i) => sum + Number(sumOf(shares.slice(0, i)) < 0.95), 0);
    const plural = enough === 1 ? "filter has" : "filters have";
    const all = sumOf(shares);
    this.#told =
      all < 0.95
        ? `${shares.length} filters have ${percent(all)} of the power of the fields at ${moments} moments (${SOURCES}).`
        : `${enough} ${plural} 95 % of the power of the fields at ${moments} moments (${SOURCES}).`;
    this.#thumbs.replaceChildren(
      ...shares.map((share, k) =>
        element(
          "figure.db-inside-filter",
          {},
          element("canvas.db-picture", {
            role: "img",
            "aria-label": `Filter ${k + 1}, share ${percent(share)}`,
          }),
          element("figcaption", {}, `${k + 1}: ${percent(share)}`),
        ),
      ),
    );
    this.#paintThumbs();
    this.#showSurface(buffers[1]);
    this.#slider.max = String(shares.length);
    this.#slider.value = String(Math.min(FIRST_K, shares.length));
    this.#kept.hidden = false;
    this.#label();
    this.#rebuild();
    this.paintState();
  }

  rebuilt({ k, r, r_used, bins, r_recorded, r_model }: RebuiltMessage): void {
    if (k !== Number(this.#slider.value)) return;
    const recorded =
      r_model === null
        ? ""
        : ` With the recording there: rebuilt r = ${score(r_recorded)}, model r = ${score(r_model)}.`;
    const low = r !== null && r < 0.95 ? " More filters, or more sound like this, would do better." : "";
    setText(
      this.#score,
      `r = ${score(r)} with the model on ${bins} bins that nothing was made from (every fourth quarter of a second; ${score(r_used)} on the others).${low}${recorded}`,
    );
    setAttribute(this.element, "data-rebuilt", k);
  }

  #showSurface(buffer: unknown): void {
    const { edges, cells } = this.#found as SubspaceMessage;
    this.#place.replaceChildren();
    this.#plot = null;
    if (!edges || !cells) return;
    const { rate_unit } = this.#model.get("info") as InsideInfo;
    const values = floats(buffer);
    // The first filter goes to the right.
    const turned = Float32Array.from(values, (_, i) => values[(i % cells) * cells + Math.floor(i / cells)]);
    const range = extent(turned) ?? [0, 1];
    const titles: [string, string] = ["sound along filter 1", "along filter 2"];
    this.#plot = new Plot(this.#frames, this.#theme, plainSides(edges[0], edges[1], titles), this.#cleanup);
    this.#place.append(this.#plot.element);
    this.#plot.show({
      ...{ values: turned, rows: cells, columns: cells, colours: "sequential", unit: rate_unit },
      range: range[1] > range[0] ? range : [range[0], range[0] + 1],
      label: "Response as a function of the sound along the first two filters",
    });
  }

  #paintThumbs(): void {
    const found = this.#found;
    if (!found) return;
    const [rows, columns] = found.shape;
    const cells = rows * columns;
    const { dark } = this.#theme();
    for (const [k, canvas] of [...this.#thumbs.querySelectorAll("canvas")].entries()) {
      const values = this.#filters.subarray(k * cells, (k + 1) * cells);
      const end = sizeOf(values) || 1;
      fillImage(canvas, values, rows, columns, [-end, end], diverging(dark));
    }
  }

  #label(): void {
    const k = Number(this.#slider.value);
    setText(this.#k, k === 1 ? "1 filter" : `${k} filters`);
    setAttribute(this.#slider, "aria-valuetext", this.#k.textContent);
  }

  #rebuild(): void {
    setText(this.#score, "Rebuilding …");
    this.#model.send({ type: "rebuild", k: Number(this.#slider.value) });
  }
}

const sumOf = (numbers: number[]): number => numbers.reduce((sum, one) => sum + one, 0);
