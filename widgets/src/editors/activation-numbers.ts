/** The parameters of the output curve as numbers that can be typed, and what they mean. */

import { type Cleanup, consume, element, setText } from "../dom";
import { clamp } from "../math/clamp";
import { isEditable } from "../math/curve-handles";
import type { BenchState } from "../state";
import type { CurveHandles } from "./activation-handles";
import {
  explanation,
  type Field,
  fieldsOf,
  formulaOf,
  limitsIn,
  longName,
  parametersOf,
} from "./activation-words";

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
    { type: "button", title: "Back to the trained output curve of this neuron" },
    "Revert",
  );
  #fields: Field[] = [];
  #inputs: HTMLInputElement[] = [];
  #built = "";
  /** The gesture of a number that is being typed. */
  #typing: string | null = null;

  readonly #state: BenchState;
  readonly #handles: CurveHandles;

  constructor(state: BenchState, handles: CurveHandles, cleanup: Cleanup) {
    this.#state = state;
    this.#handles = handles;
    this.#form.append(element("div.db-form-head", {}, this.#formula, this.#back), this.#row);
    this.element.append(this.#form, this.#hint);
    cleanup.listen(this.#row, "input", (event) => this.#onInput(event.target));
    for (const type of ["change", "focusout"]) cleanup.listen(this.#row, type, () => this.#onDone(false));
    cleanup.listen<KeyboardEvent>(this.#row, "keydown", (event) => this.#onKey(event));
    cleanup.listen(this.#back, "click", () => {
      this.#handles.release(false);
      state.revertNames(state.info.activation.names.map(longName), [state.neuron]);
    });
  }

  paint(): void {
    const state = this.#state;
    const { kind, label, names } = state.info.activation;
    const shown = isEditable(kind) && names.length > 0;
    this.#form.hidden = !shown;
    this.#hint.hidden = shown;
    if (!shown) {
      setText(this.#hint, explanation(kind, label));
      return;
    }
    this.#build();
    const values = parametersOf(state, state.activation);
    this.#fields.forEach(({ name }, i) => {
      const input = this.#inputs[i];
      input.disabled = !this.#editable(name);
      if (this.#typing !== null && input === input.ownerDocument.activeElement) return;
      const text = String(Number((values[name] ?? 0).toPrecision(DIGITS)));
      if (input.value !== text) input.value = text;
    });
    this.#back.disabled = !names.some((name) => this.#editable(name));
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
    this.#fields = fieldsOf(kind, names, rate_unit);
    this.#inputs = this.#fields.map(({ symbol, meaning, unit }) =>
      element("input.db-number", {
        type: "number",
        step: STEP,
        inputmode: "decimal",
        "aria-label": `${symbol}, ${meaning} (${unit})`,
        title: `${meaning} (${unit})`,
      }),
    );
    const labels = this.#fields.map(({ symbol, meaning }, i) =>
      element(
        "label.db-field",
        {},
        element("span", {}, element("b", {}, symbol), ` ${meaning}`),
        this.#inputs[i],
      ),
    );
    this.#row.replaceChildren(...labels);
  }

  #onInput(target: EventTarget | null): void {
    const state = this.#state;
    const i = this.#inputs.indexOf(target as HTMLInputElement);
    if (i < 0) return;
    const { name } = this.#fields[i];
    const value = this.#inputs[i].valueAsNumber;
    if (!Number.isFinite(value) || !this.#editable(name)) return;
    if (this.#typing === null || this.#typing !== state.gestureId) {
      this.#handles.release(false);
      state.beginGesture();
      this.#typing = state.gestureId;
    }
    const [low, high] = limitsIn(state, name);
    state.set([{ name: longName(name), index: [state.neuron], value: clamp(value, low, high) }]);
  }

  /** Enter ends what was typed, Escape takes it back; undo and redo are the bench's, not the field's. */
  #onKey(event: KeyboardEvent): void {
    const key = event.key.toLowerCase();
    if (key === "enter") this.#onDone(false);
    else if (key === "escape") this.#onDone(true);
    else if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
      this.#onDone(false);
      if (key === "y" || event.shiftKey) this.#state.redo();
      else this.#state.undo();
    } else return;
    consume(event);
  }

  #onDone(cancel: boolean): void {
    const state = this.#state;
    const typing = this.#typing;
    this.#typing = null;
    if (typing !== null && typing === state.gestureId) state.endGesture(cancel);
    this.paint();
  }
}
