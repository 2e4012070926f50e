/** The selected Gaussian in numbers, each of which can be typed. */

import type { Column } from "../contract";
import { type Cleanup, consume, element, setAttribute, setText } from "../dom";
import { limitsOf } from "../math/field";
import type { BenchState } from "../state";
import type { Handles } from "./handles";

interface Field {
  column: Column;
  label: string;
  unit: string;
  /** Natural unit = shown number times this. */
  scale: number;
  decimals: number;
  step: number;
  spoken: string;
}

const FIELDS: Field[] = [
  {
    column: "center_hz",
    label: "freq.",
    unit: "kHz",
    scale: 1000,
    decimals: 3,
    step: 0.1,
    spoken: "Centre frequency in kHz",
  },
  {
    column: "center_ms",
    label: "lag",
    unit: "ms",
    scale: 1,
    decimals: 1,
    step: 1,
    spoken: "Centre lag in ms",
  },
  {
    column: "sigma_oct",
    label: "σ",
    unit: "oct",
    scale: 1,
    decimals: 3,
    step: 0.05,
    spoken: "Width in octaves",
  },
  { column: "sigma_ms", label: "σ", unit: "ms", scale: 1, decimals: 1, step: 0.5, spoken: "Width in ms" },
  { column: "weight", label: "weight", unit: "", scale: 1, decimals: 4, step: 0.01, spoken: "Weight" },
];

export class Inspector {
  readonly element = element("div.db-inspector", {
    role: "group",
    "aria-label": "Selected Gaussian",
  });
  readonly #hint = element("p.db-hint");
  readonly #form = element("div.db-form");
  readonly #name = element("span.db-name");
  readonly #inputs: HTMLInputElement[] = [];
  readonly #back = element(
    "button.db-button",
    { type: "button", title: "Back to the trained values of this Gaussian (Delete)" },
    "Revert",
  );
  #explanation = "";
  /** A number is being typed: its gesture is open. */
  #typing = false;
  #own: string | null = null;

  readonly #state: BenchState;
  readonly #handles: Handles;

  constructor(state: BenchState, handles: Handles, cleanup: Cleanup) {
    this.#state = state;
    this.#handles = handles;
    this.#form.append(element("div.db-form-head", {}, this.#name, this.#back));
    for (const field of FIELDS) {
      const input = element("input.db-number", {
        type: "number",
        step: field.step,
        inputmode: "decimal",
        "aria-label": field.spoken,
        title: field.spoken,
      });
      const label = element(
        "label.db-field",
        {},
        element("span", {}, field.label + (field.unit ? ` (${field.unit})` : "")),
        input,
      );
      this.#inputs.push(input);
      this.#form.append(label);
      cleanup.listen(input, "input", () => this.#onInput(field, input));
      for (const type of ["change", "blur"]) cleanup.listen(input, type, () => this.#onDone(false));
      cleanup.listen<KeyboardEvent>(input, "keydown", (event) => this.#onKey(event));
    }
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
      setAttribute(
        input,
        "min",
        Number.isFinite(low) ? round(low / field.scale, field.decimals, Math.ceil) : null,
      );
      setAttribute(
        input,
        "max",
        Number.isFinite(high) ? round(high / field.scale, field.decimals, Math.floor) : null,
      );
      if (this.#typing && input === input.ownerDocument.activeElement) return;
      const text = String(round(g[field.column] / field.scale, field.decimals));
      if (input.value !== text) input.value = text;
    });
    this.#back.disabled = !state.editable;
  }

  #onInput(field: Field, input: HTMLInputElement): void {
    const state = this.#state;
    const value = input.valueAsNumber;
    if (!Number.isFinite(value) || state.selected < 0 || !state.editable) return;
    if (!this.#typing || !state.inGesture) {
      this.#handles.release(false);
      state.beginGesture(state.selected);
      this.#own = state.gestureId;
      this.#typing = true;
    }
    state.edit({ [field.column]: value * field.scale });
  }

  /** Enter ends what was typed, Escape takes it back; undo and redo are the bench's, not the field's. */
  #onKey(event: KeyboardEvent): void {
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (key === "enter") this.#onDone(false);
    else if (key === "escape") this.#onDone(true);
    else if (command && (key === "z" || key === "y")) {
      this.#onDone(false);
      if (key === "y" || event.shiftKey) this.#state.redo();
      else this.#state.undo();
    } else return;
    consume(event);
  }

  #onDone(cancel: boolean): void {
    if (this.#typing && this.#state.gestureId === this.#own) this.#state.endGesture(cancel);
    this.#typing = false;
    this.paint();
  }
}

function round(value: number, decimals: number, way: (v: number) => number = Math.round): number {
  const scale = 10 ** decimals;
  return way(value * scale) / scale;
}
