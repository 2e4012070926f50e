/** The parameters of the output curve as numbers that can be typed, and what they mean. */

import { clamp } from "../../base/clamp";
import { type Cleanup, element, setAttribute, setHidden, setText } from "../../base/dom";
import { isEditable } from "../../math/curves";
import type { BenchState } from "../../state/bench-state";
import { OwnedGesture } from "../../state/owned-gesture";
import { NumberFields } from "../../ui/number-fields";
import { explanation, fieldsOf, formulaOf, limitsIn, longName, parametersOf } from "./features";
import type { CurveHandles } from "./handles";

const DIGITS = 4;
const STEP = 0.05;

export class CurveNumbers {
  readonly element = element("div.db-inspector", {
    role: "group",
    "aria-label": "Parameters of the output curve",
  });
  readonly #hint = element("p.db-hint");
  readonly #form = element("div.db-form");
  readonly #formula = element("span.db-formula");
  readonly #row = element("div.db-parameters");
  readonly #back = element(
    "button.db-button",
    { title: "Back to the trained output curve of this neuron" },
    "Revert",
  );
  readonly #fields: NumberFields;
  #shown: { name: string; input: HTMLInputElement }[] = [];
  #built = "";

  readonly #state: BenchState;

  constructor(state: BenchState, handles: CurveHandles, cleanup: Cleanup) {
    this.#state = state;
    this.#form.append(element("div.db-form-head", {}, this.#formula, this.#back), this.#row);
    this.element.append(this.#form, this.#hint);
    const gesture = new OwnedGesture(state);
    const begin = () => {
      handles.release(false);
      gesture.begin();
    };
    this.#fields = new NumberFields(state, gesture, begin, () => this.paint(), cleanup);
    cleanup.listen(this.#back, "click", () => {
      handles.release(false);
      state.revertNames(state.info.activation.names.map(longName), [state.neuron]);
    });
  }

  paint(): void {
    const state = this.#state;
    const { kind, label, names } = state.info.activation;
    const shown = isEditable(kind) && names.length > 0;
    setHidden(this.#form, !shown);
    setHidden(this.#hint, shown);
    if (!shown) {
      setText(this.#hint, explanation(kind, label));
      return;
    }
    this.#build();
    const values = parametersOf(state, state.activation);
    for (const { name, input } of this.#shown) {
      setAttribute(input, "disabled", !this.#editable(name));
      this.#fields.show(input, String(Number((values[name] ?? 0).toPrecision(DIGITS))));
    }
    setAttribute(
      this.#back,
      "disabled",
      !names.some((name) => this.#editable(name) && state.canRevertNames([longName(name)], [state.neuron])),
    );
  }

  #editable(name: string): boolean {
    const state = this.#state;
    return state.current && !state.peek && state.unlocked([longName(name)]).length > 0;
  }

  /** One field for each parameter of the module; made anew for another model. */
  #build(): void {
    const { activation, rate_unit } = this.#state.info;
    const { kind, names } = activation;
    const wanted = [kind, ...names, rate_unit].join(" ");
    if (wanted === this.#built || !isEditable(kind)) return;
    this.#built = wanted;
    setText(this.#formula, formulaOf(kind, names));
    this.#row.replaceChildren();
    this.#shown = fieldsOf(kind, names, rate_unit).map(({ name, symbol, meaning, note }) => {
      const label = element("span", {}, element("b", {}, symbol), ` ${meaning}`);
      const ariaLabel = `${symbol}, ${meaning} (${note})`;
      const write = (value: number) => this.#write(name, value);
      const made = this.#fields.add({ label, ariaLabel, step: STEP, write });
      this.#row.append(made.label);
      return { name, input: made.input };
    });
  }

  #write(name: string, value: number): void {
    const state = this.#state;
    const within = clamp(value, ...limitsIn(state, name));
    state.set([{ name: longName(name), index: [state.neuron], value: within }]);
  }
}
