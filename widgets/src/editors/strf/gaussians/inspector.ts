/** The selected Gaussian in numbers, each of which can be typed, and what can be done to all that are selected. */

import { type Cleanup, element, setAttribute, setText } from "../../../base/dom";
import { type Column, limitsOf } from "../../../math/field";
import type { BenchState } from "../../../state/bench-state";
import { OwnedGesture } from "../../../state/owned-gesture";
import { button } from "../../../ui/button";
import { NumberFields } from "../../../ui/number-fields";
import { type Act, type Group, inUse } from "./group";
import type { Handles } from "./handles";
import type { Selection } from "./selection";

interface Field {
  column: Column;
  label: string;
  /** Natural unit = shown number times this. */
  scale: number;
  decimals: number;
  step: number;
  ariaLabel: string;
}

const FIELDS: Field[] = (
  [
    ["center_hz", "freq. (kHz)", 1000, 3, 0.1, "Centre frequency in kHz"],
    ["center_ms", "lag (ms)", 1, 1, 1, "Centre lag in ms"],
    ["sigma_oct", "σ (oct)", 1, 3, 0.05, "Width in octaves"],
    ["sigma_ms", "σ (ms)", 1, 1, 0.5, "Width in ms"],
    ["weight", "weight", 1, 4, 0.01, "Weight"],
  ] as const
).map(([column, label, scale, decimals, step, ariaLabel]) => ({
  column,
  label,
  scale,
  decimals,
  step,
  ariaLabel,
}));

const ACTS: [Act, string, string][] = [
  ["add", "Add", "Add a Gaussian (A), or double-click the picture where it is to be"],
  ["duplicate", "Duplicate", "Add the selected Gaussians once more, a little aside (D)"],
  ["remove", "Remove", "Remove the selected Gaussians: their weight becomes 0 (Backspace)"],
  ["revert", "Revert", "Back to the trained values of the selected Gaussians (Delete)"],
];

export class Inspector {
  readonly element = element("div.db-inspector", {
    role: "group",
    "aria-label": "Selected Gaussian",
  });
  readonly #hint = element("p.db-hint");
  readonly #form = element("div.db-form");
  readonly #name = element("span.db-name");
  /** How many are selected, said aloud. */
  readonly #several = element("span.db-name", { "aria-live": "polite" });
  readonly #of = element("div");
  readonly #head = element(
    "div.db-form-head",
    {},
    element("div.db-chosen", {}, this.#name, this.#several, this.#of),
  );
  readonly #inputs: HTMLInputElement[];
  readonly #fields: NumberFields;
  readonly #buttons: HTMLButtonElement[];
  #explanation = "";
  readonly #state: BenchState;
  readonly #selection: Selection;
  readonly #group: Group;

  constructor(
    state: BenchState,
    handles: Handles,
    selection: Selection,
    group: Group,
    act: (act: Act) => void,
    cleanup: Cleanup,
  ) {
    this.#state = state;
    this.#selection = selection;
    this.#group = group;
    this.#buttons = ACTS.map(([name, label, title]) => {
      const made = button(title, label);
      cleanup.listen(made, "click", () => act(name));
      return made;
    });
    this.#head.append(...this.#buttons);
    const gesture = new OwnedGesture(state);
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
    this.element.append(this.#head, this.#form, this.#hint);
  }

  /** A sentence in place of the numbers; empty for none. */
  explain(text: string): void {
    this.#explanation = text;
  }

  paint(): void {
    const state = this.#state;
    const k = state.selected;
    const G = state.info.kind === "gaussians" ? state.info.n_gaussians : 0;
    const shown = k >= 0 && k < G;
    this.#paintHead(shown ? k : -1, G);
    this.#form.hidden = !shown;
    const hint =
      this.#explanation ||
      "Drag a circle to move a Gaussian; select one to see its widths and numbers, or several by a box around them.";
    this.#hint.hidden = shown;
    setText(this.#hint, hint);
    if (!shown) return;
    const g = state.gaussian(k);
    FIELDS.forEach((field, i) => {
      const input = this.#inputs[i];
      input.disabled = !state.editable || state.info.locked.includes(`strf.${field.column}`);
      const [low, high] = limitsOf(field.column, g, state.info, state.axes);
      const [least, most] = [low, high].map((end, way) =>
        Number.isFinite(end) ? round(end / field.scale, field.decimals, way ? Math.floor : Math.ceil) : null,
      );
      setAttribute(input, "min", least);
      setAttribute(input, "max", most);
      this.#fields.show(input, String(round(g[field.column] / field.scale, field.decimals)));
    });
  }

  #paintHead(k: number, G: number): void {
    const { kept } = this.#selection;
    const n = this.#selection.all.length;
    const several = k >= 0 && n > 1;
    const own = `Gaussian ${k + 1}`;
    this.#head.hidden = G === 0;
    const name = k < 0 ? `${inUse(this.#state).length} of ${G} Gaussians` : `${own} of ${G}`;
    setText(this.#name, several ? "" : name);
    setText(this.#several, several ? `${n} Gaussians selected` : "");
    setText(this.#of, several ? `numbers of ${own}` : k >= 0 && kept ? "Shift+Enter adds others" : "");
    ACTS.forEach(([act, , title], i) => {
      const why = this.#group.whyNot(act);
      this.#buttons[i].disabled = why !== "";
      setAttribute(this.#buttons[i], "title", why || title);
    });
  }
}

function round(value: number, decimals: number, way: (v: number) => number = Math.round): number {
  const scale = 10 ** decimals;
  return way(value * scale) / scale;
}
