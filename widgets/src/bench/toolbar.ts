/** Score, undo and redo, back to the trained values, and a button that shows them. */

import { type Cleanup, element, setAttribute, setText } from "../base/dom";
import { fixed, gainText, scoreText } from "../base/format";
import type { BenchState } from "../state/bench-state";
import type { Part } from "../state/parts";
import { button } from "../ui/button";
import { icon } from "../ui/icons";

export class Toolbar {
  readonly score: HTMLElement;
  readonly #value = element("span");
  readonly #gain = element("span.db-gain");
  readonly #normalized = element("span.db-muted");
  readonly element: HTMLElement;
  readonly #undo: HTMLButtonElement;
  readonly #redo: HTMLButtonElement;
  readonly #revert: HTMLButtonElement;
  readonly #peek: HTMLButtonElement;

  readonly #state: BenchState;

  constructor(state: BenchState, editing: boolean, openShortcuts: () => void, cleanup: Cleanup) {
    this.#state = state;
    const title =
      "Correlation of model and recorded response; in brackets the gain over the trained model. " +
      "CCnorm: the same for the noise-free response";
    this.score = element("output.db-score", { title }, this.#value, " ", this.#gain, " ", this.#normalized);
    this.#undo = button("Undo (Ctrl+Z)", icon("undo"), "icon");
    this.#redo = button("Redo (Ctrl+Shift+Z)", icon("redo"), "icon");
    this.#revert = button("Revert neuron: back to its trained values", icon("revert"), "icon");
    this.#peek = button("Hold to see the trained values (T)", "Trained", "hold");
    const help = button("Keys and gestures (?)", "?", "icon");
    this.element = element("div.db-toolbar", { role: "toolbar", "aria-label": "Editing" });
    if (editing) this.element.append(this.#undo, this.#redo, this.#revert, this.#peek, help);
    else this.element.append(this.#peek);
    cleanup.listen(this.#undo, "click", () => state.undo());
    cleanup.listen(this.#redo, "click", () => state.redo());
    cleanup.listen(this.#revert, "click", () => state.revert(null));
    cleanup.listen(help, "click", openShortcuts);
    const held = (on: boolean) => () => state.setPeek(on);
    cleanup.listen<PointerEvent>(this.#peek, "pointerdown", (e) => {
      if (e.button === 0) state.setPeek(true);
    });
    for (const type of ["pointerup", "pointerleave", "pointercancel", "blur"]) {
      cleanup.listen(this.#peek, type, held(false));
    }
    const holdKey = (on: boolean) => (e: KeyboardEvent) => {
      if (e.key === " " || (e.key === "Enter" && !(on && e.shiftKey))) state.setPeek(on);
    };
    cleanup.listen(this.#peek, "keydown", holdKey(true));
    cleanup.listen(this.#peek, "keyup", holdKey(false));
    cleanup.listen(this.#peek, "contextmenu", (e) => e.preventDefault());
    const mine: Part[] = ["history", "score", "peek", "info", "neuron", "gesture", "connection"];
    state.watch(cleanup, mine, () => this.#paint());
  }

  #paint(): void {
    const state = this.#state;
    this.#undo.disabled = state.gone || !state.canUndo;
    this.#redo.disabled = state.gone || !state.canRedo;
    this.#revert.disabled = state.gone || !state.edited;
    this.#peek.setAttribute("aria-pressed", String(state.peek));
    setAttribute(this.score, "data-old", state.scoreIsOld && !state.peek);
    this.score.hidden = !state.info.has_responses;
    setText(this.#value, scoreText(state.peek ? state.trainedScore : state.score));
    setText(this.#gain, state.peek ? "(trained)" : gainText(state.score, state.trainedScore));
    const normalized = state.peek ? state.trainedNormalizedScore : state.normalizedScore;
    setText(this.#normalized, normalized === null ? "" : `· CCnorm ${fixed(normalized, 2)}`);
    const gain = state.peek ? 0 : (state.score ?? 0) - (state.trainedScore ?? state.score ?? 0);
    this.score.dataset.gain = gain > 0.005 ? "better" : gain < -0.005 ? "worse" : "same";
  }
}
