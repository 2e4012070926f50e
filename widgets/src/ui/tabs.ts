/** Tabs over the editors of the model's stages, one of them on screen at a time. */

import { type Cleanup, consume, element, setAttribute, setHidden } from "../base/dom";

export interface Tab {
  name: string;
  label: string;
  panel: HTMLElement;
  /** Called when the tab comes on screen. */
  show: () => void;
}

export class Tabs {
  readonly element = element("section.db-stages", { "aria-label": "Stages of the model" });
  readonly #list = element("div.db-tabs", { role: "tablist", "aria-label": "Stage" });
  readonly #buttons: HTMLButtonElement[];
  current: string;

  readonly #tabs: Tab[];
  readonly #changed: () => void;

  constructor(tabs: Tab[], first: string, client: string, changed: () => void, cleanup: Cleanup) {
    this.#tabs = tabs;
    this.#changed = changed;
    this.current = first;
    this.#buttons = tabs.map(({ name, label, panel }) => {
      const id = `db-tab-${client}-${name}`;
      setAttribute(panel, "role", "tabpanel");
      setAttribute(panel, "id", `${id}-panel`);
      setAttribute(panel, "aria-labelledby", id);
      const button = element(
        "button.db-tab",
        {
          role: "tab",
          id,
          "data-tab": name,
          "aria-controls": `${id}-panel`,
        },
        label,
      );
      cleanup.listen(button, "click", () => this.choose(name));
      return button;
    });
    this.#list.append(...this.#buttons);
    setHidden(this.#list, tabs.length < 2);
    this.element.append(this.#list, ...tabs.map(({ panel }) => panel));
    cleanup.listen<KeyboardEvent>(this.#list, "keydown", (e) => this.#onKey(e));
    this.#paint();
  }

  choose(name: string): void {
    if (name === this.current || !this.#tabs.some((tab) => tab.name === name)) return;
    this.current = name;
    this.#paint();
    this.#tabs.find((tab) => tab.name === name)?.show();
    this.#changed();
  }

  #paint(): void {
    this.#tabs.forEach(({ name, panel }, i) => {
      const on = name === this.current;
      setHidden(panel, !on);
      setAttribute(this.#buttons[i], "aria-selected", String(on));
      setAttribute(this.#buttons[i], "tabindex", on ? 0 : -1);
    });
  }

  #onKey(event: KeyboardEvent): void {
    const at = this.#tabs.findIndex(({ name }) => name === this.current);
    const n = this.#tabs.length;
    const to = { ArrowRight: (at + 1) % n, ArrowLeft: (at + n - 1) % n, Home: 0, End: n - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    this.choose(this.#tabs[to].name);
    this.#buttons[to].focus();
    consume(event);
  }
}
