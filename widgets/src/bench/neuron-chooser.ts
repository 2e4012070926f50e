/** Which neuron is on screen: previous, next, and a field that finds one of thousands by number or name. */

import { clamp } from "../base/clamp";
import { type Cleanup, closest, consume, element, setAttribute } from "../base/dom";
import type { BenchState } from "../state/bench-state";
import { button } from "../ui/button";
import { icon } from "../ui/icons";

const MOST_SHOWN = 60;

export class NeuronChooser {
  readonly element: HTMLElement;
  readonly #input: HTMLInputElement;
  readonly #list: HTMLElement;
  readonly #count = element("span.db-muted");
  readonly #previous = button("Previous neuron", icon("previous"), "icon");
  readonly #next = button("Next neuron", icon("next"), "icon");
  #found: number[] = [];
  #active = -1;

  readonly #state: BenchState;

  constructor(state: BenchState, cleanup: Cleanup) {
    this.#state = state;
    const id = `db-neurons-${state.client}`;
    this.#list = element("ul.db-options", {
      id,
      role: "listbox",
      "aria-label": "Neurons",
      hidden: true,
    });
    this.#input = element("input.db-combo", {
      type: "text",
      role: "combobox",
      "aria-label": "Neuron, by number or name",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": id,
      autocomplete: "off",
      spellcheck: "false",
    });
    const field = element("span.db-combo-box", {}, this.#input, this.#list);
    this.element = element(
      "div.db-neuron",
      { role: "group", "aria-label": "Neuron" },
      this.#previous,
      field,
      this.#next,
      this.#count,
    );
    cleanup.listen(this.#previous, "click", () => state.choose("neuron", state.neuron - 1));
    cleanup.listen(this.#next, "click", () => state.choose("neuron", state.neuron + 1));
    cleanup.listen(this.#input, "focus", () => this.#input.select());
    cleanup.listen(this.#input, "click", () => this.#open(""));
    cleanup.listen(this.#input, "input", () => this.#open(this.#input.value));
    cleanup.listen(this.#input, "blur", () => this.#close());
    cleanup.listen<KeyboardEvent>(this.#input, "keydown", (e) => this.#onKey(e));
    // Pressing an option must not take the focus out of the field before the choice is made.
    cleanup.listen(this.#list, "pointerdown", (e) => e.preventDefault());
    cleanup.listen(this.#list, "click", (e) => {
      const option = closest(e.target, "[data-neuron]");
      if (option) this.#pick(Number(option.dataset.neuron));
    });
    state.watch(cleanup, ["neuron", "info"], () => this.#paint());
  }

  #label(i: number): string {
    const name = this.#state.info.neuron_names[i] ?? "";
    return name === "" || name === String(i) || name === `neuron ${i}` ? String(i) : `${i} · ${name}`;
  }

  #paint(): void {
    const { neuron, info } = this.#state;
    if (this.#list.hidden) this.#input.value = this.#label(neuron);
    // Another neuron would come from the kernel.
    const { gone } = this.#state;
    this.#input.disabled = gone;
    this.#previous.disabled = gone || neuron <= 0;
    this.#next.disabled = gone || neuron >= info.n_neurons - 1;
    this.#count.textContent = `of ${info.n_neurons}`;
    const longest = Math.max(...info.neuron_names.slice(0, 200).map((name) => name.length), 0);
    this.#input.style.width = `${clamp(longest + String(info.n_neurons).length + 3, 7, 22)}ch`;
  }

  #open(text: string): void {
    const wanted = text.trim().toLowerCase();
    const { info, neuron } = this.#state;
    this.#found = [];
    let total = 0;
    const first = wanted === "" ? Math.max(Math.min(neuron - 5, info.n_neurons - MOST_SHOWN), 0) : 0;
    for (let i = first; i < info.n_neurons; i++) {
      if (wanted !== "" && !this.#label(i).toLowerCase().includes(wanted)) continue;
      total += 1;
      if (String(i) === wanted) this.#found.unshift(i);
      else if (this.#found.length < MOST_SHOWN) this.#found.push(i);
    }
    const options = this.#found.map((i) => {
      const option = element(
        "li",
        { role: "option", id: `${this.#list.id}-${i}`, "data-neuron": i },
        this.#label(i),
      );
      setAttribute(option, "aria-selected", String(i === neuron));
      return option;
    });
    this.#list.replaceChildren(...options);
    const hidden = wanted === "" ? info.n_neurons - this.#found.length : total - this.#found.length;
    if (this.#found.length === 0) this.#list.append(element("li.db-muted", {}, "no such neuron"));
    else if (hidden > 0) this.#list.append(element("li.db-muted", {}, `${hidden} more: type to find`));
    this.#list.hidden = false;
    setAttribute(this.#input, "aria-expanded", "true");
    this.#point(wanted === "" ? this.#found.indexOf(neuron) : 0);
  }

  #close(): void {
    this.#list.hidden = true;
    setAttribute(this.#input, "aria-expanded", "false");
    setAttribute(this.#input, "aria-activedescendant", null);
    this.#paint();
  }

  #pick(neuron: number): void {
    this.#list.hidden = true;
    this.#state.choose("neuron", neuron);
    this.#close();
  }

  #point(at: number): void {
    this.#active = clamp(at, 0, this.#found.length - 1);
    this.#found.forEach((neuron, i) => {
      const option = this.#list.children[i] as HTMLElement;
      option.classList.toggle("db-active", i === this.#active);
      if (i !== this.#active) return;
      setAttribute(this.#input, "aria-activedescendant", `${this.#list.id}-${neuron}`);
      const { offsetTop, offsetHeight } = option;
      const { scrollTop, clientHeight } = this.#list;
      if (offsetTop < scrollTop) this.#list.scrollTop = offsetTop;
      else if (offsetTop + offsetHeight > scrollTop + clientHeight) {
        this.#list.scrollTop = offsetTop + offsetHeight - clientHeight;
      }
    });
  }

  #onKey(event: KeyboardEvent): void {
    const open = !this.#list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (open) this.#point(this.#active + step);
      else this.#open("");
    } else if (event.key === "Enter" && !event.shiftKey) {
      if (open && this.#found.length) this.#pick(this.#found[this.#active]);
      this.#input.select();
    } else if (event.key === "Escape" && open) {
      this.#close();
      this.#input.select();
    } else return;
    consume(event);
  }
}
