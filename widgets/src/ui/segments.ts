/** A row of choices of which one is on. */

import { type Cleanup, closest, consume, element, setAttribute } from "../base/dom";

export interface Choice {
  value: string;
  text: string;
  /** What it does, and its key. */
  title?: string;
}

export class Segments {
  readonly element: HTMLElement;
  #choices: Choice[] = [];

  readonly #pick: (value: string) => void;

  readonly #attribute: string;

  /** `attribute` carries the value of each choice. */
  constructor(label: string, pick: (value: string) => void, cleanup: Cleanup, attribute = "data-choice") {
    this.#attribute = attribute;
    this.#pick = pick;
    this.element = element("div.db-segments", { role: "radiogroup", "aria-label": label });
    cleanup.listen(this.element, "click", (event) => {
      const button = closest(event.target, ".db-segment");
      if (button) this.#pick(this.#valueOf(button));
    });
    cleanup.listen<KeyboardEvent>(this.element, "keydown", (event) => this.#onKey(event));
  }

  /** Show these choices, `chosen` on. */
  paint(choices: Choice[], chosen: string): void {
    if (JSON.stringify(choices) !== JSON.stringify(this.#choices)) {
      const buttons = choices.map(({ value, text, title }) =>
        element("button.db-segment", { role: "radio", title, [this.#attribute]: value }, text),
      );
      this.element.replaceChildren(...buttons);
    }
    this.#choices = choices;
    for (const button of this.element.children) {
      const on = this.#valueOf(button) === chosen;
      setAttribute(button, "aria-checked", String(on));
      setAttribute(button, "tabindex", on ? 0 : -1);
    }
  }

  #valueOf(button: Element): string {
    return button.getAttribute(this.#attribute) as string;
  }

  #onKey(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    const buttons = [...this.element.children] as HTMLElement[];
    const at = buttons.findIndex((button) => button.getAttribute("aria-checked") === "true");
    const next = buttons[(at + step + buttons.length) % buttons.length];
    this.#pick(this.#valueOf(next));
    next.focus();
    consume(event);
  }
}
