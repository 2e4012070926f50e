/** Score, undo and redo, back to the trained values, and a button that shows them. */

import { type Cleanup, closest, element, setAttribute, setHidden, setText } from "../base/dom";
import { fixed, gainText, scoreText, signedPercent } from "../base/format";
import type { Fit } from "../kernel/contract";
import type { BenchState } from "../state/bench-state";
import type { Part } from "../state/parts";
import { button } from "../ui/button";
import { icon } from "../ui/icons";

export class Toolbar {
  readonly score: HTMLElement;
  readonly #value = element("span");
  readonly #gain = element("span.db-gain");
  readonly #normalized = element("span.db-muted");
  readonly #explained = element("span.db-explained");
  readonly #mismatch = element("span.db-mismatch");
  readonly element: HTMLElement;
  readonly #undo: HTMLButtonElement;
  readonly #redo: HTMLButtonElement;
  readonly #revert: HTMLButtonElement;
  readonly #peek: HTMLButtonElement;
  readonly #play: HTMLButtonElement;

  readonly #state: BenchState;

  constructor(state: BenchState, editing: boolean, openShortcuts: () => void, cleanup: Cleanup) {
    this.#state = state;
    const main = element("span.db-score-row", {}, this.#value, " ", this.#gain, " ", this.#normalized);
    const level = element("span.db-score-row", {}, this.#explained, this.#mismatch);
    this.score = element("output.db-score", {}, main, level);
    // The user chooses which is large.
    cleanup.listen(this.score, "click", () => this.score.toggleAttribute("data-level"));
    this.#undo = button("Undo (Ctrl+Z)", icon("undo"), "icon");
    this.#redo = button("Redo (Ctrl+Shift+Z)", icon("redo"), "icon");
    this.#revert = button("Revert neuron: back to its trained values", icon("revert"), "icon");
    this.#peek = button("Hold to see the trained values (T)", "", "hold");
    this.#peek.append(element("span.db-wide", {}, "Hold: "), "trained");
    this.#play = button("Play", icon("play"), "icon");
    cleanup.listen(this.#play, "click", () => state.play(!state.playing));
    const help = button("Keys and gestures (?)", "?", "icon");
    this.element = element("div.db-toolbar", { role: "toolbar", "aria-label": "Editing" });
    if (editing) this.element.append(this.#play, this.#undo, this.#redo, this.#revert, this.#peek, help);
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
    const mine: Part[] = ["history", "score", "peek", "info", "neuron", "gesture", "connection", "playing"];
    state.watch(cleanup, mine, () => this.#paint());
  }

  #paintPlay(): void {
    const { gone } = this.#state;
    setHidden(this.#play, this.#state.playing === null);
    // A fit ends with its kernel, which cannot say so any more.
    const playing = this.#state.playing && !gone;
    setAttribute(this.#play, "disabled", gone);
    const title = playing ? "Pause the fit" : "Play: gradient descent from where the model stands";
    if (this.#play.title === title) return;
    this.#play.title = title;
    setAttribute(this.#play, "aria-label", playing ? "Pause the fit" : "Play: fit from here");
    setAttribute(this.#play, "aria-pressed", String(playing === true));
    this.#play.replaceChildren(icon(playing ? "pause" : "play"));
  }

  /** A button that is used up leaves the focus on the bench, whose keys then go on to work. */
  #enable(one: HTMLButtonElement, able: boolean): void {
    const on = able && !this.#state.gone;
    if (!on && one.matches(":focus")) closest(one, ".deepstrf-bench")?.focus({ preventScroll: true });
    setAttribute(one, "disabled", !on);
  }

  #paint(): void {
    const state = this.#state;
    this.#paintPlay();
    this.#enable(this.#undo, state.canUndo);
    this.#enable(this.#redo, state.canRedo);
    this.#enable(this.#revert, state.canRevert(null));
    setAttribute(this.#peek, "aria-pressed", String(state.peek));
    // Of the neuron or sound before, until that of the chosen one comes; or of before the last edit.
    setAttribute(this.score, "data-old", !state.current || (state.scoreIsOld && !state.peek));
    setHidden(this.score, !state.info.has_responses);
    setText(this.#value, scoreText(state.peek ? state.trainedScore : state.score));
    setText(this.#gain, state.peek ? "(trained)" : gainText(state.score, state.trainedScore));
    const normalized = state.peek ? state.trainedNormalizedScore : state.normalizedScore;
    const over = state.info.n_sounds > 1 && state.info.score_over === "sound" ? "· this sound" : "";
    setText(this.#normalized, normalized === null ? over : `· CCnorm ${fixed(normalized, 2)}`);
    this.#paintLevel(state.peek ? state.trainedFit : state.fit);
    const gain = state.peek ? 0 : (state.score ?? 0) - (state.trainedScore ?? state.score ?? 0);
    setAttribute(this.score, "data-gain", gain > 0.005 ? "better" : gain < -0.005 ? "worse" : "same");
  }

  /** What the correlation does not see: how much of the variance is explained, and the mean rate. */
  #paintLevel({ explained, normalized_explained, rate_bias, mismatch }: Fit): void {
    const bias = rate_bias === null ? "" : ` · mean ${signedPercent(rate_bias)}`;
    setText(this.#explained, explained === null ? "" : `VE ${fixed(explained, 2)}${bias}`);
    setText(this.#mismatch, mismatch && ` ${mismatch}`);
    this.score.toggleAttribute("data-mismatch", mismatch !== "");
    const normalized =
      normalized_explained === null ? "" : `, ${fixed(normalized_explained, 2)} of that which is no noise`;
    const why = mismatch ? ` They differ as the prediction is ${wordsOf(mismatch)}.` : "";
    const title =
      "r: correlation of model and recorded response, blind to gain and offset; in brackets the gain over the trained model. " +
      "CCnorm: the same for the noise-free response; the noise is estimated from the trials, so it can exceed 1. " +
      `VE: fraction of the variance explained${normalized}, which sees both; mean: of the predicted rate against the recorded one.` +
      `${why} Click to choose which is large.`;
    setAttribute(this.score, "title", title);
  }
}

/** "too flat", or "on average too high". */
const wordsOf = (mismatch: string) => mismatch.replace("mean", "on average");
