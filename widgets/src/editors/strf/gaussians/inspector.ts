/** The selected Gaussian in numbers, each of which can be typed, and what can be done to all that are selected. */

import { type Cleanup, element, setAttribute, setHidden, setText } from "../../../base/dom";
import { PaintInputs } from "../../../draw/surface";
import { type Axes, type Column, type Gaussian, limitsOf } from "../../../math/field";
import { bandToHz, frameToLagMs, hzToBand, lagMsToFrame, octavesPerBand } from "../../../math/units";
import type { BenchState } from "../../../state/bench-state";
import { OwnedGesture } from "../../../state/owned-gesture";
import { button } from "../../../ui/button";
import { NumberFields } from "../../../ui/number-fields";
import { type Act, type Group, inUse } from "./group";
import type { Handles } from "./handles";
import type { Selection } from "./selection";

/** From the grid to the unit of a field and back. */
type Units = [shown: (value: number) => number, typed: (value: number) => number];

interface Field {
  column: Column;
  label: string;
  decimals: number;
  step: number;
  ariaLabel: string;
  /** Of the Gaussian in the fields: octaves depend on its centre. */
  units(g: Gaussian, axes: Axes): Units;
}

const times = (unit: number): Units => [(value) => value * unit, (value) => value / unit];
const UNITS: Record<Column, Field["units"]> = {
  band: (_, { cfHz }) => [(band) => bandToHz(band, cfHz) / 1000, (kHz) => hzToBand(1000 * kHz, cfHz)],
  frame: (_, { T, dtMs, delayMs }) => [
    (frame) => frameToLagMs(frame, T, dtMs, delayMs),
    (ms) => lagMsToFrame(ms, T, dtMs, delayMs),
  ],
  sigma_bands: ({ band }, { cfHz }) => times(octavesPerBand(band, cfHz)),
  sigma_frames: (_, { dtMs }) => times(dtMs),
  weight: () => times(1),
};

const FIELDS: Field[] = (
  [
    ["band", "freq. (kHz)", 3, 0.1, "Centre frequency in kHz"],
    ["frame", "lag (ms)", 1, 1, "Centre lag in ms"],
    ["sigma_bands", "σ (oct)", 3, 0.05, "Width in octaves"],
    ["sigma_frames", "σ (ms)", 1, 0.5, "Width in ms"],
    ["weight", "weight", 4, 0.01, "Weight"],
  ] as const
).map(([column, label, decimals, step, ariaLabel]) => {
  return { column, label, decimals, step, ariaLabel, units: UNITS[column] };
});

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
  /** How many are selected; screen readers announce it. */
  readonly #several = element("span.db-name", { "aria-live": "polite" });
  readonly #of = element("div");
  readonly #head = element(
    "div.db-form-head",
    {},
    element("div.db-chosen", {}, this.#name, this.#several, this.#of),
  );
  readonly #limits = FIELDS.map(() => new PaintInputs());
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
    this.#inputs = FIELDS.map(({ column, units, ...field }) => {
      const write = (value: number) => {
        const [, toGrid] = units(state.gaussian(state.selected), state.axes);
        state.edit({ [column]: toGrid(value) });
      };
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
    setHidden(this.#form, !shown);
    const hint =
      this.#explanation ||
      "Drag a circle to move a Gaussian; select one to see its widths and numbers, or several by a box around them.";
    setHidden(this.#hint, shown);
    setText(this.#hint, hint);
    if (!shown) return;
    const g = state.gaussian(k);
    const { info, axes } = state;
    FIELDS.forEach(({ column, decimals, units }, i) => {
      const input = this.#inputs[i];
      const [toShown] = units(g, axes);
      setAttribute(input, "disabled", !state.editable || info.locked.includes(`strf.${column}`));
      if (this.#limits[i].changedSince(info, axes, column === "sigma_bands" && g.band)) {
        const ends = limitsOf(`strf.${column}`, info.limits).map(toShown);
        ends.sort((a, b) => a - b);
        const [least, most] = ends.map((end, way) =>
          Number.isFinite(end) ? round(end, decimals, way ? Math.floor : Math.ceil) : null,
        );
        setAttribute(input, "min", least);
        setAttribute(input, "max", most);
      }
      this.#fields.show(input, String(round(toShown(g[column]), decimals)));
    });
  }

  #paintHead(k: number, G: number): void {
    const { kept } = this.#selection;
    const n = this.#selection.all.length;
    const several = k >= 0 && n > 1;
    const own = `Gaussian ${k + 1}`;
    setHidden(this.#head, G === 0);
    const name = k < 0 ? `${inUse(this.#state).length} of ${G} Gaussians` : `${own} of ${G}`;
    setText(this.#name, several ? "" : name);
    setText(this.#several, several ? `${n} Gaussians selected` : "");
    setText(this.#of, several ? `numbers of ${own}` : k >= 0 && kept ? "Shift+Space adds others" : "");
    ACTS.forEach(([act, , title], i) => {
      const same = act === "revert" && !this.#selection.all.some((k) => this.#state.canRevert(k));
      const why = this.#group.whyNot(act) || (same ? "Everything is as it was trained" : "");
      setAttribute(this.#buttons[i], "disabled", why !== "");
      setAttribute(this.#buttons[i], "title", why || title);
    });
  }
}

function round(value: number, decimals: number, way: (v: number) => number = Math.round): number {
  const scale = 10 ** decimals;
  return way(value * scale) / scale;
}
