/** How loud sound, recorded and predicted spikes are, and which recorded trial is heard: a menu beside the play button. */

import { type Cleanup, consume, element, setAttribute, setHidden, setText } from "../base/dom";
import type { BenchState } from "../state/bench-state";
import { button } from "../ui/button";

export const VOICES = ["sound", "recorded", "model"] as const;
export type Voice = (typeof VOICES)[number];
const LABELS: Record<Voice, string> = {
  sound: "sound",
  recorded: "recorded spikes, left",
  model: "model's spikes, right",
};

export class Mixer {
  readonly element: HTMLElement;
  /** From 0 to 1. */
  readonly volumes: Record<Voice, number> = { sound: 1, recorded: 1, model: 1 };
  readonly #trial = element("select.db-input", { "aria-label": "recorded trial" });
  readonly #recorded: HTMLElement[] = [];
  readonly #state: BenchState;

  /** `changed` is called when a volume is another one. */
  constructor(state: BenchState, changed: () => void, cleanup: Cleanup) {
    this.#state = state;
    const opener = button("Mixer: how loud sound, recorded and predicted spikes are", "♪", "icon");
    setAttribute(opener, "aria-haspopup", "true");
    const rows = VOICES.map((voice) => {
      // Its label alone would give it the name of the chooser of sounds.
      const slider = element("input", {
        ...{ type: "range", min: 0, max: 1, step: 0.05, value: 1 },
        "aria-label": `volume: ${voice}`,
      });
      const row = element(
        "label.db-mixer-row",
        { "data-voice": voice },
        element("span", {}, LABELS[voice]),
        slider,
      );
      cleanup.listen(slider, "input", () => {
        this.volumes[voice] = Number(slider.value);
        changed();
      });
      if (voice === "recorded") this.#recorded.push(row);
      return row;
    });
    const choice = element("label.db-mixer-row", {}, element("span", {}, "recorded trial"), this.#trial);
    this.#recorded.push(choice);
    const menu = element("div.db-options.db-mixer", { role: "group", "aria-label": "Mixer", hidden: true });
    menu.append(...rows, choice);
    this.element = element("span.db-mixer-menu", {}, opener, menu);
    const show = (on: boolean) => {
      setHidden(menu, !on);
      setAttribute(opener, "aria-expanded", String(on));
    };
    show(false);
    cleanup.listen(opener, "click", () => show(menu.hidden === true));
    cleanup.listen<FocusEvent>(this.element, "focusout", (event) => {
      if (event.relatedTarget && !this.element.contains(event.relatedTarget as Node)) show(false);
    });
    cleanup.listen<KeyboardEvent>(this.element, "keydown", (event) => {
      if (event.key !== "Escape" || menu.hidden) return;
      show(false);
      opener.focus();
      consume(event);
    });
    // The time axis around it would take the pointer for a pan, and the keys for its own.
    for (const type of ["pointerdown", "keydown"]) {
      cleanup.listen(menu, type, (event) => event.stopPropagation());
    }
    state.watch(cleanup, ["info", "recorded"], () => this.#paint());
  }

  /** The recorded trial that is heard; null where spikes are drawn from the mean over the trials. */
  get trial(): number | null {
    const chosen = this.#trial.value;
    return chosen === "" || Number(chosen) >= this.#known ? null : Number(chosen);
  }

  get #known(): number {
    return this.#state.spikes.length > 0 ? this.#state.spikes[0] : 0;
  }

  #paint(): void {
    for (const row of this.#recorded) setHidden(row, !this.#state.info.has_responses);
    const known = this.#known;
    if (this.#trial.dataset.of === String(known)) return;
    this.#trial.dataset.of = String(known);
    const chosen = this.#trial.value;
    const trials = Array.from({ length: known }, (_, i) => element("option", { value: i }, `trial ${i + 1}`));
    const drawn = element("option", { value: "" }, "drawn from the mean rate");
    this.#trial.replaceChildren(...trials, drawn);
    const kept = [...this.#trial.options].some(({ value }) => value === chosen && chosen !== "");
    this.#trial.value = kept ? chosen : known > 0 ? "0" : "";
    setText(
      drawn,
      known > 0 ? "drawn from the mean rate" : "drawn from the mean rate (no counts were recorded)",
    );
  }
}
