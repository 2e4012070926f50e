/** Which neuron, or which sound, is on screen: previous, next, and a field that finds one of thousands by number or name. */

import { clamp } from "../base/clamp";
import { type Cleanup, closest, consume, element, setAttribute, setHidden } from "../base/dom";
import { numbered } from "../base/names";
import type { BenchState } from "../state/bench-state";
import { button } from "../ui/button";
import { icon } from "../ui/icons";

const MOST_SHOWN = 60;

/** What is chosen: the trait, its names, and what it is called. */
type What = "neuron" | "sound";

export class Chooser {
  readonly element: HTMLElement;
  readonly #input: HTMLInputElement;
  readonly #list: HTMLElement;
  readonly #total = element("span.db-muted");
  readonly #previous: HTMLButtonElement;
  readonly #next: HTMLButtonElement;
  #found: number[] = [];
  #active = -1;

  readonly #state: BenchState;
  readonly #what: What;

  constructor(state: BenchState, what: What, cleanup: Cleanup) {
    this.#state = state;
    this.#what = what;
    const title = what === "neuron" ? "Neuron" : "Sound";
    this.#previous = button(`Previous ${what}`, icon("previous"), "icon");
    this.#next = button(`Next ${what}`, icon("next"), "icon");
    const id = `db-${what}s-${state.client}`;
    this.#list = element("ul.db-options", {
      id,
      role: "listbox",
      "aria-label": `${title}s`,
      hidden: true,
    });
    this.#input = element("input.db-combo", {
      type: "text",
      role: "combobox",
      "aria-label": `${title}, by number or name`,
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": id,
      autocomplete: "off",
      spellcheck: "false",
    });
    const field = element("span.db-combo-box", {}, this.#input, this.#list);
    this.element = element(
      `div.db-chooser.db-${what}`,
      { role: "group", "aria-label": title },
      this.#previous,
      field,
      this.#next,
      this.#total,
    );
    cleanup.listen(this.#previous, "click", () => state.choose(what, this.#chosen - 1));
    cleanup.listen(this.#next, "click", () => state.choose(what, this.#chosen + 1));
    cleanup.listen(this.#input, "focus", () => this.#input.select());
    cleanup.listen(this.#input, "click", () => this.#open(""));
    cleanup.listen(this.#input, "input", () => this.#open(this.#input.value));
    cleanup.listen(this.#input, "blur", () => this.#close());
    cleanup.listen<KeyboardEvent>(this.#input, "keydown", (e) => this.#onKey(e));
    // Pressing an option must not take the focus out of the field before the choice is made.
    cleanup.listen(this.#list, "pointerdown", (e) => e.preventDefault());
    cleanup.listen(this.#list, "click", (e) => {
      const option = closest(e.target, `[data-${what}]`);
      if (option) this.#pick(Number(option.dataset[what]));
    });
    state.watch(cleanup, ["neuron", "info", "connection"], () => this.#paint());
  }

  get #chosen(): number {
    return this.#state[this.#what];
  }

  get #names(): string[] {
    const { info } = this.#state;
    return this.#what === "neuron" ? info.neuron_names : info.sound_names;
  }

  get #count(): number {
    const { info } = this.#state;
    return this.#what === "neuron" ? info.n_neurons : info.n_sounds;
  }

  /** The number, counted from 1, and the name where it says more than that. */
  #label(i: number): string {
    return numbered(this.#names[i] ?? "", i, this.#what);
  }

  #paint(): void {
    const chosen = this.#chosen;
    const count = this.#count;
    if (this.#list.hidden) this.#input.value = this.#label(chosen);
    // Another one would come from the kernel.
    const { gone } = this.#state;
    setAttribute(this.#input, "disabled", gone);
    setAttribute(this.#previous, "disabled", gone || chosen <= 0);
    setAttribute(this.#next, "disabled", gone || chosen >= count - 1);
    this.#total.textContent = `of ${count}`;
    const longest = Math.max(...this.#names.slice(0, 200).map((name) => name.length), 0);
    this.#input.style.width = `${clamp(longest + String(count).length + 3, 7, 22)}ch`;
  }

  #open(text: string): void {
    const wanted = text.trim().toLowerCase();
    const chosen = this.#chosen;
    const count = this.#count;
    this.#found = [];
    let total = 0;
    const first = wanted === "" ? Math.max(Math.min(chosen - 5, count - MOST_SHOWN), 0) : 0;
    for (let i = first; i < count; i++) {
      if (wanted !== "" && !this.#label(i).toLowerCase().includes(wanted)) continue;
      total += 1;
      if (String(i + 1) === wanted) this.#found.unshift(i);
      else if (this.#found.length < MOST_SHOWN) this.#found.push(i);
    }
    const options = this.#found.map((i) => {
      const option = element(
        "li",
        { role: "option", id: `${this.#list.id}-${i}`, [`data-${this.#what}`]: i },
        this.#label(i),
      );
      setAttribute(option, "aria-selected", String(i === chosen));
      return option;
    });
    this.#list.replaceChildren(...options);
    const hidden = wanted === "" ? count - this.#found.length : total - this.#found.length;
    if (this.#found.length === 0) this.#list.append(element("li.db-muted", {}, `no such ${this.#what}`));
    else if (hidden > 0) this.#list.append(element("li.db-muted", {}, `${hidden} more: type to find`));
    setHidden(this.#list, false);
    setAttribute(this.#input, "aria-expanded", "true");
    this.#point(wanted === "" ? this.#found.indexOf(chosen) : 0);
  }

  #close(): void {
    setHidden(this.#list, true);
    setAttribute(this.#input, "aria-expanded", "false");
    setAttribute(this.#input, "aria-activedescendant", null);
    this.#paint();
  }

  #pick(number: number): void {
    setHidden(this.#list, true);
    this.#state.choose(this.#what, number);
    this.#close();
  }

  #point(at: number): void {
    this.#active = clamp(at, 0, this.#found.length - 1);
    this.#found.forEach((number, i) => {
      const option = this.#list.children[i] as HTMLElement;
      option.classList.toggle("db-active", i === this.#active);
      if (i !== this.#active) return;
      setAttribute(this.#input, "aria-activedescendant", `${this.#list.id}-${number}`);
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
