/** The selected Gaussian in numbers, each of which can be typed. */

import type { Column } from "../contract";
import { type Cleanup, element, setAttribute, setText } from "../dom";
import { limitsOf } from "../math/field";
import type { BenchState } from "../state";
import { OwnGesture } from "./gesture";
import type { Handles } from "./handles";
import { NumberFields } from "./number-fields";

interface Field {
  column: Column;
  label: string;
  /** Natural unit = shown number times this. */
  scale: number;
  decimals: number;
  step: number;
  spoken: string;
}

const FIELDS: Field[] = (
  [
    ["center_hz", "freq. (kHz)", 1000, 3, 0.1, "Centre frequency in kHz"],
    ["center_ms", "lag (ms)", 1, 1, 1, "Centre lag in ms"],
    ["sigma_oct", "σ (oct)", 1, 3, 0.05, "Width in octaves"],
    ["sigma_ms", "σ (ms)", 1, 1, 0.5, "Width in ms"],
    ["weight", "weight", 1, 4, 0.01, "Weight"],
  ] as const
).map(([column, label, scale, decimals, step, spoken]) => ({ column, label, scale, decimals, step, spoken }));

export class Inspector {
  readonly element = element("div.db-inspector", {
    role: "group",
    "aria-label": "Selected Gaussian",
  });
  readonly #hint = element("p.db-hint");
  readonly #form = element("div.db-form");
  readonly #name = element("span.db-name");
  readonly #inputs: HTMLInputElement[];
  readonly #fields: NumberFields;
  readonly #back = element(
    "button.db-button",
    { title: "Back to the trained values of this Gaussian (Delete)" },
    "Revert",
  );
  #explanation = "";
  readonly #state: BenchState;

  constructor(state: BenchState, handles: Handles, cleanup: Cleanup) {
    this.#state = state;
    this.#form.append(element("div.db-form-head", {}, this.#name, this.#back));
    const gesture = new OwnGesture(state);
    const begin = () => {
      handles.release(false);
      gesture.begin(state.selected);
    };
    this.#fields = new NumberFields(state, gesture, begin, () => this.paint(), cleanup);
    this.#inputs = FIELDS.map(({ column, scale, ...field }) => {
      const write = (value: number) => state.edit({ [column]: value * scale });
      const { input, label } = this.#fields.add({ ...field, write });
      this.#form.append(label);
      return input;
    });
    cleanup.listen(this.#back, "click", () => {
      if (state.selected >= 0) state.revert(state.selected);
    });
    this.element.append(this.#form, this.#hint);
  }

  /** A sentence in place of the numbers; empty for none. */
  explain(text: string): void {
    this.#explanation = text;
  }

  paint(): void {
    const state = this.#state;
    const k = state.selected;
    const shown = state.info.kind === "gaussians" && k >= 0 && k < state.info.n_gaussians;
    this.#form.hidden = !shown;
    const hint =
      this.#explanation || "Drag a circle to move a Gaussian; select one to see its widths and numbers.";
    this.#hint.hidden = shown;
    setText(this.#hint, hint);
    if (!shown) return;
    const g = state.gaussian(k);
    setText(this.#name, `Gaussian ${k + 1} of ${state.info.n_gaussians}`);
    FIELDS.forEach((field, i) => {
      const input = this.#inputs[i];
      input.disabled = !state.editable;
      const [low, high] = limitsOf(field.column, g, state.info, state.axes);
      const [least, most] = [low, high].map((end, way) =>
        Number.isFinite(end) ? round(end / field.scale, field.decimals, way ? Math.floor : Math.ceil) : null,
      );
      setAttribute(input, "min", least);
      setAttribute(input, "max", most);
      this.#fields.show(input, String(round(g[field.column] / field.scale, field.decimals)));
    });
    this.#back.disabled = !state.editable;
  }
}

function round(value: number, decimals: number, way: (v: number) => number = Math.round): number {
  const scale = 10 ** decimals;
  return way(value * scale) / scale;
}
