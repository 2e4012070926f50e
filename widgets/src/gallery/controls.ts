/** What chooses among the neurons of a gallery: search, order, channel, which fields, and ranges of read-outs. */

import { type Cleanup, element, setAttribute, setText } from "../base/dom";
import { typedNumber } from "../base/format";
import { Segments } from "../ui/segments";
import {
  DESCRIBED,
  type GalleryInfo,
  type GalleryTrait,
  type Measure,
  measuresOf,
  type Ranges,
} from "./data";

export interface Choices {
  get(trait: GalleryTrait): unknown;
  set(values: Partial<Record<GalleryTrait, unknown>>): void;
}
interface RangeField {
  measure: Measure;
  ends: [HTMLInputElement, HTMLInputElement];
}
const SHOWN: [label: string, trained: boolean, withGain: boolean][] = [
  ["present values", false, false],
  ["trained values", true, false],
  ["present × batch norm", false, true],
  ["trained × batch norm", true, true],
];

export class GalleryControls {
  readonly header: HTMLElement;
  readonly filters: HTMLElement;
  readonly search: HTMLInputElement;
  readonly #count = element("output.db-count", { "aria-live": "polite" });
  readonly #sort: HTMLSelectElement;
  readonly #direction = element("button.db-button.db-icon", { type: "button" });
  readonly #which: HTMLSelectElement;
  readonly #channels: Segments;
  readonly #toggle: HTMLButtonElement;
  readonly #clear: HTMLButtonElement;
  readonly #fields: RangeField[] = [];

  readonly #choices: Choices;
  readonly #info: GalleryInfo;

  constructor(choices: Choices, info: GalleryInfo, openShortcuts: () => void, cleanup: Cleanup) {
    this.#choices = choices;
    this.#info = info;
    const measures = measuresOf(info);
    this.search = element("input.db-combo.db-search", {
      type: "search",
      placeholder: "Find a neuron",
      "aria-label": "Find neurons by number or name",
      autocomplete: "off",
      spellcheck: "false",
    });
    const orders: [string, string][] = [
      ["index", "number"],
      ["name", "name"],
      ...measures.map((m): [string, string] => [m, DESCRIBED[m].label]),
    ];
    this.#sort = choice("Sorted by", orders);
    this.#which = choice(
      "Which receptive fields",
      SHOWN.map(([label], i) => [String(i), label]),
    );
    this.#which.hidden = info.kernels_given;
    const pick = (channel: string) => choices.set({ channel: channel === "" ? null : Number(channel) });
    this.#channels = new Segments("Channels", pick, cleanup, "data-channel");
    this.#channels.element.hidden = info.n_channels === 1;
    const id = `db-filters-${Math.random().toString(36).slice(2)}`;
    this.#toggle = element("button.db-button", { type: "button", "aria-controls": id }, "Filters");
    const help = element(
      "button.db-button.db-icon",
      { type: "button", "aria-label": "Keys and gestures (?)" },
      "?",
    );
    this.header = element(
      "div.db-header",
      {},
      element("strong.db-model-name", {}, info.model),
      this.#count,
      element("span.db-spring", {}),
      this.search,
      element("span.db-sort", {}, element("span.db-muted", {}, "sort by"), this.#sort, this.#direction),
      this.#channels.element,
      this.#which,
      this.#toggle,
      help,
    );
    this.#clear = element("button.db-button", { type: "button" }, "Clear");
    this.filters = element("div", { id, class: "db-filters", hidden: true });
    for (const measure of measures) this.filters.append(this.#rangeField(measure, cleanup));
    this.filters.append(this.#clear);

    cleanup.listen(help, "click", openShortcuts);
    cleanup.listen(this.search, "input", () => choices.set({ search: this.search.value }));
    cleanup.listen(this.#sort, "change", () => choices.set({ sort: this.#sort.value }));
    cleanup.listen(this.#direction, "click", () => choices.set({ descending: !choices.get("descending") }));
    cleanup.listen(this.#which, "change", () => {
      const [, trained, withGain] = SHOWN[Number(this.#which.value)];
      choices.set({ trained, with_gain: withGain });
    });
    cleanup.listen(this.#toggle, "click", () => this.#open(this.filters.hidden !== false));
    cleanup.listen(this.#clear, "click", () => this.clearAll());
    this.#open(Object.keys(choices.get("ranges") as Ranges).length > 0);
    this.paint();
  }

  /** Show every neuron again. */
  clearAll(): void {
    for (const { ends } of this.#fields) for (const end of ends) end.value = "";
    this.#onRange();
    this.search.value = "";
    this.#choices.set({ search: "" });
  }

  showCount(shown: number): void {
    setText(this.#count, `${shown} of ${this.#info.n_neurons} shown`);
  }

  /** Show what the traits hold; a field in which the user types is left alone. */
  paint(): void {
    const choices = this.#choices;
    const search = choices.get("search") as string;
    if (!focused(this.search)) this.search.value = search;
    this.#sort.value = choices.get("sort") as string;
    const descending = choices.get("descending") === true;
    setText(this.#direction, descending ? "↓" : "↑");
    const label = descending ? "Descending: turn to ascending" : "Ascending: turn to descending";
    setAttribute(this.#direction, "aria-label", label);
    setAttribute(this.#direction, "title", label);
    const shown = SHOWN.findIndex(
      ([, trained, withGain]) => trained === choices.get("trained") && withGain === choices.get("with_gain"),
    );
    this.#which.value = String(shown);
    const named = this.#info.channel_names.map((text, i) => ({ value: String(i), text }));
    this.#channels.paint([{ value: "", text: "all" }, ...named], String(choices.get("channel") ?? ""));
    const ranges = choices.get("ranges") as Ranges;
    for (const { measure, ends } of this.#fields) {
      ends.forEach((end, i) => {
        const value = ranges[measure]?.[i] ?? null;
        if (!focused(end)) end.value = value === null ? "" : String(value / DESCRIBED[measure].per);
      });
    }
    const active = Object.keys(ranges).length;
    setText(this.#toggle, active ? `Filters (${active})` : "Filters");
    this.#clear.disabled = active === 0 && search === "";
  }

  #open(open: boolean): void {
    this.filters.hidden = !open;
    setAttribute(this.#toggle, "aria-expanded", open ? "true" : "false");
  }

  #rangeField(measure: Measure, cleanup: Cleanup): HTMLElement {
    const { label, unit } = DESCRIBED[measure];
    const end = (side: string) =>
      element("input", {
        type: "text",
        inputmode: "decimal",
        class: "db-number",
        placeholder: side === "least" ? "from" : "to",
        "aria-label": `${label}, at ${side}${unit ? ` (${unit})` : ""}`,
      });
    const ends: RangeField["ends"] = [end("least"), end("most")];
    this.#fields.push({ measure, ends });
    for (const input of ends) cleanup.listen(input, "input", () => this.#onRange());
    const title = element("span.db-muted", {}, unit ? `${label} (${unit})` : label);
    return element("div.db-range", {}, title, element("span.db-ends", {}, ...ends));
  }

  #onRange(): void {
    const ranges: Ranges = {};
    let valid = true;
    for (const { measure, ends } of this.#fields) {
      const [low, high] = ends.map((end) =>
        end.value.trim() === "" ? null : typedNumber(end.value) * DESCRIBED[measure].per,
      );
      const crossed = low !== null && high !== null && low > high;
      const wrong = crossed || [low, high].some((end) => end !== null && Number.isNaN(end));
      for (const end of ends) setAttribute(end, "aria-invalid", wrong ? "true" : null);
      if (wrong) valid = false;
      else if (low !== null || high !== null) ranges[measure] = [low, high];
    }
    if (valid) this.#choices.set({ ranges });
  }
}

function choice(label: string, options: [value: string, text: string][]): HTMLSelectElement {
  const made = element("select.db-combo.db-choice", { "aria-label": label, title: label });
  made.append(...options.map(([value, text]) => element("option", { value }, text)));
  return made;
}

const focused = (target: HTMLElement) => target.ownerDocument.activeElement === target;
