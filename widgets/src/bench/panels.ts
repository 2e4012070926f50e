/** Panels below the bench: a menu in its toolbar opens and closes them. */

import { type Cleanup, closest, element, setAttribute, setHidden } from "../base/dom";
import type { BenchModel } from "../kernel/contract";
import { type Around, mountPanel } from "../panels/mount-panel";
import type { BenchState } from "../state/bench-state";
import { button } from "../ui/button";
import { icon } from "../ui/icons";
import { menu } from "../ui/menu";

const LABELS: Record<string, string> = {
  play: "Fit",
  figures: "Figures",
  sounds: "Sounds",
  gallery: "All neurons",
  inside: "Inside the network",
  comparison: "Compare",
  findings: "Findings",
};

export class Panels {
  /** The button with its menu, and the panels that are open. */
  readonly menu: HTMLElement;
  readonly element = element("div.db-below");
  readonly #open = new Map<string, () => void>();
  readonly #items = new Map<string, HTMLElement>();
  readonly #model: BenchModel;
  readonly #state: BenchState;
  readonly #around: Around;
  #begun = false;

  constructor(model: BenchModel, state: BenchState, cleanup: Cleanup) {
    this.#model = model;
    this.#state = state;
    this.#around = {
      rate: () => state.now.rate,
      neuron: () => state.neuron,
      onRate: (changed, until) =>
        until.add(
          state.onChange((parts) => {
            if (parts.has("rate")) changed();
          }),
        ),
      moment: () => state.moment.frame,
      hover: (frame) => state.moment.hover(frame),
      pin: (frame) => state.moment.pin(frame),
      onMoment: (changed, until) =>
        until.add(
          state.onChange((parts) => {
            if (parts.has("moment")) changed();
          }),
        ),
    };
    const opener = button(
      "Panels: fit, figures, sounds, all neurons, inside the network, findings",
      icon("panels"),
      "icon",
    );
    for (const name of (model.get("can_open") as string[] | undefined) ?? []) {
      const item = element(
        "button.db-button",
        { role: "menuitemcheckbox", tabindex: -1 },
        LABELS[name] ?? name,
      );
      item.dataset.panel = name;
      this.#items.set(name, item);
    }
    const items = [...this.#items.values()];
    const { element: made, list } = menu("db-panels-menu", opener, "Panels", items, cleanup);
    this.menu = made;
    setHidden(made, items.length === 0);
    cleanup.listen(list, "click", (event) => {
      const name = closest(event.target, "[data-panel]")?.dataset.panel;
      if (name) this.#toggle(name);
    });
    state.watch(cleanup, ["connection"], () => setAttribute(this.element, "data-gone", state.gone));
    const follow = () => this.#follow();
    model.on("change:panels", follow);
    cleanup.add(() => model.off("change:panels", follow));
    cleanup.add(() => {
      for (const close of this.#open.values()) close();
    });
    // After the bench's own first paint.
    let handle = requestAnimationFrame(() => {
      handle = requestAnimationFrame(() => {
        this.#begun = true;
        follow();
      });
    });
    cleanup.add(() => cancelAnimationFrame(handle));
  }

  #toggle(name: string): void {
    const open = (this.#model.get("panels") as string[] | undefined) ?? [];
    const panels = open.includes(name) ? open.filter((other) => other !== name) : [...open, name];
    this.#model.set("panels", panels);
    this.#model.save_changes();
    this.#follow();
  }

  #follow(): void {
    if (!this.#begun) return;
    const wanted = (this.#model.get("panels") as string[] | undefined) ?? [];
    for (const [name, close] of [...this.#open]) {
      if (wanted.includes(name)) continue;
      close();
      this.#open.delete(name);
    }
    for (const name of this.#items.keys()) {
      if (wanted.includes(name) && !this.#open.has(name)) this.#mount(name);
      setAttribute(this.#items.get(name) as Element, "aria-checked", String(this.#open.has(name)));
    }
  }

  #mount(name: string): void {
    const label = LABELS[name] ?? name;
    const close = button(`Close ${label.toLowerCase()}`, "×", "icon");
    const body = element("div.db-panel-body");
    const head = element("div.db-panel-head", {}, element("h3.db-title", {}, label), close);
    const section = element("section.db-panel", { "aria-label": label, "data-panel": name }, head, body);
    close.addEventListener("click", () => {
      this.#toggle(name);
      // The button that had the focus is gone.
      this.menu.querySelector("button")?.focus({ preventScroll: true });
    });
    // In the order of the menu, whichever was opened first.
    const names = [...this.#items.keys()];
    const after = [...this.element.children].find(
      (other) => names.indexOf((other as HTMLElement).dataset.panel ?? "") > names.indexOf(name),
    );
    this.element.insertBefore(section, after ?? null);
    const stop = mountPanel(this.#model, name, this.#state.client, body, this.#around);
    this.#open.set(name, () => {
      stop();
      section.remove();
    });
  }
}
