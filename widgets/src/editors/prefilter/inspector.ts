/** Tools of an adaptation, and the numbers of the selected band, each of which can be typed. */

import { type Cleanup, element, setAttribute, setHidden } from "../../base/dom";
import { frequency } from "../../base/format";
import { WIDTHS } from "../../math/brush";
import { decayOf } from "../../math/prefilters";
import { hzToBand } from "../../math/units";
import type { BenchState } from "../../state/bench-state";
import { NumberFields } from "../../ui/number-fields";
import { Segments } from "../../ui/segments";
import { type Curve, isLog, isTau } from "./curves";
import type { PrefilterTools, Tool } from "./tools";

const TOOLS = [
  { value: "point", text: "Drag", title: "Drag a point up or down (D); Shift + drag moves the whole curve" },
  { value: "curve", text: "Shift", title: "Drag moves the whole curve and keeps its shape (C)" },
  { value: "brush", text: "Brush", title: "Sweep across bands: each takes the level of the pointer (B)" },
  { value: "smooth", text: "Smooth", title: "Sweep across bands to smooth them (S)" },
];
const BRUSHES = WIDTHS.map((width) => ({
  value: String(width),
  text: String(width),
  title: `Brush of ${width} band${width > 1 ? "s, soft at its edges" : ""} ([ and ])`,
}));

interface Shown {
  input: HTMLInputElement;
  curve: Curve["key"] | null;
  decay: boolean;
}

export class PrefilterInspector {
  readonly element = element("div.db-inspector");
  readonly #chooser: Segments;
  readonly #brushes: Segments;
  readonly #smooth = element(
    "button.db-button",
    { title: "Smooth the active curve over all bands" },
    "Smooth all",
  );
  readonly #form = element("div.db-form", { role: "group" });
  readonly #fields: NumberFields;
  readonly #shown: Shown[] = [];
  #built = "";

  readonly #state: BenchState;
  readonly #tools: PrefilterTools;

  constructor(state: BenchState, tools: PrefilterTools, cleanup: Cleanup) {
    this.#state = state;
    this.#tools = tools;
    this.#chooser = new Segments("Tool", (tool) => tools.take(tool as Tool), cleanup);
    this.#brushes = new Segments("Brush width in bands", (width) => tools.setWidth(Number(width)), cleanup);
    const bar = element("div.db-adapt-tools", {}, this.#chooser.element, this.#brushes.element, this.#smooth);
    this.element.append(bar, this.#form);
    const begin = () => {
      tools.gesture.end();
      tools.gesture.begin();
    };
    this.#fields = new NumberFields(state, tools.gesture, begin, () => this.paint(), cleanup);
    cleanup.listen(this.#smooth, "click", () => tools.smoothAll());
  }

  paint(): void {
    const tools = this.#tools;
    const state = this.#state;
    setHidden(this.element, tools.curves.length === 0);
    if (this.element.hidden) return;
    this.#chooser.paint(TOOLS, tools.tool);
    this.#brushes.paint(BRUSHES, String(tools.width));
    this.#brushes.element.classList.toggle("db-faint", tools.tool === "point" || tools.tool === "curve");
    setAttribute(this.#smooth, "disabled", tools.editableCurves.length === 0);
    this.#build();
    const { axes } = state;
    const band = Math.min(tools.band, axes.F - 1);
    setAttribute(this.#form, "aria-label", `Selected band, ${frequency(axes.cfHz[band])}`);
    for (const { input, curve: key, decay } of this.#shown) {
      const curve = tools.curves.find((c) => c.key === key);
      setAttribute(input, "disabled", curve !== undefined && !tools.free(curve));
      const value = curve ? state.prefilter[curve.row * axes.F + band] : axes.cfHz[band] / 1000;
      if (curve && isLog(curve) && !isTau(curve)) {
        this.#fields.show(input, Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "");
        continue;
      }
      const decimals = decay || key === "w" ? 4 : key ? 1 : 3;
      this.#fields.show(input, shown(decay ? decayOf(value, axes.dtMs) : value, decimals));
    }
  }

  /** One field for the band, two for each time constant, one for w. */
  #build(): void {
    const tools = this.#tools;
    const wanted = tools.curves.map((c) => `${c.name}/${c.low}/${c.high}`).join();
    if (wanted === this.#built) return;
    this.#built = wanted;
    this.#shown.length = 0;
    this.#form.replaceChildren();
    this.#add(null, false, "band (kHz)", "Selected band, centre frequency in kHz", 0.1);
    for (const curve of tools.curves) {
      const of = curve.label && `${curve.label} `;
      if (!isTau(curve)) {
        const { label, what } = curve;
        this.#add(
          curve,
          false,
          label,
          `${what.charAt(0).toUpperCase()}${what.slice(1)}`,
          isLog(curve) ? 0.001 : 0.01,
        );
        continue;
      }
      this.#add(curve, false, `${of}τ (ms)`, `${of}time constant in ms`, 1);
      this.#add(curve, true, `${of}a / bin`, `${of}decay per time bin`, 0.01);
    }
  }

  #add(curve: Curve | null, decay: boolean, text: string, ariaLabel: string, step: number): void {
    const { axes } = this.#state;
    const tools = this.#tools;
    const field = {
      label: text,
      ariaLabel,
      step,
      write: (value: number) => {
        if (curve) this.#write(curve.key, decay, value);
        else if (value > 0) tools.selectBand(hzToBand(1000 * value, axes.cfHz));
      },
      choose: curve ? undefined : (way: number) => tools.selectBand(tools.band + way),
    };
    const { input, label } = this.#fields.add(field, `.db-adapt-${curve?.key ?? "band"}`);
    if (curve) {
      const of = (value: number) => (decay ? decayOf(value, axes.dtMs) : value);
      setAttribute(input, "min", of(curve.low));
      setAttribute(input, "max", of(curve.high));
      if (isTau(curve) && !decay) setAttribute(input, "placeholder", "∞");
    }
    this.#form.append(label);
    this.#shown.push({ input, curve: curve?.key ?? null, decay });
  }

  #write(key: Curve["key"], decay: boolean, typed: number): void {
    const tools = this.#tools;
    const curve = tools.curves.find((c) => c.key === key);
    if (!curve || !tools.free(curve)) return;
    const tau = typed > 0 ? -this.#state.axes.dtMs / Math.log(typed) : curve.low;
    tools.setValue(curve, decay ? (typed >= 1 ? curve.high : tau) : typed);
  }
}

/** As the text of a field: rounded, empty for what is no number. */
function shown(value: number, decimals: number): string {
  return Number.isFinite(value) ? String(Number(value.toFixed(decimals))) : "";
}
