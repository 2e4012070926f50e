/** The cards of the gallery: a list box of thousands, of which only the rows in view exist. */

import { clamp } from "../base/clamp";
import { type Cleanup, closest, consume, element, setAttribute, setText } from "../base/dom";
import type { Frames } from "../draw/surface";
import { type GalleryData, type Measure, measured } from "./data";
import type { Thumbnails } from "./thumbnails";

/** CSS pixels between two cards, from a card's edge to its contents, and from its top to its picture. */
const GAP = 8;
const CARD_EDGE = 9;
const PICTURE_TOP = 27;
/** Height of a card without its picture. */
const CARD_TEXT = 56;
/** Rows that are kept ready above and below what is in view. */
const EXTRA_ROWS = 3;

interface Card {
  element: HTMLElement;
  name: HTMLElement;
  score: HTMLElement;
  /** Where the picture is: the row's canvas lies over it. */
  picture: HTMLElement;
  first: HTMLElement;
  second: HTMLElement;
  neuron: number;
  version: number;
}
interface Row {
  element: HTMLElement;
  cards: Card[];
  /** One for all pictures of the row: the browser makes a layer of every canvas, and dozens of layers cost a frame. */
  canvas: HTMLCanvasElement;
  context: CanvasRenderingContext2D | null;
  /** Which row of the list it shows at present. */
  at: number;
  version: number;
}

export interface GridEvents {
  choose(neuron: number): void;
  /** What the pointer or the keyboard is on: a neuron, and a cell of its receptive field where the pointer is on one. */
  point(neuron: number, cell: string): void;
}

export class GalleryGrid {
  readonly element: HTMLElement;
  /** Pictures painted so far. */
  painted = 0;
  order: number[] = [];
  readonly #sheet = element("div.db-sheet", { role: "presentation" });
  // After all cards: what is painted over a layer becomes a layer itself.
  readonly #pictures = element("div.db-pictures", { "aria-hidden": "true" });
  readonly #id = `db-gallery-${Math.random().toString(36).slice(2)}`;
  readonly #places = new Map<number, number>();
  readonly #cards = new Map<Element, Card>();
  #rows: Row[] = [];
  #thumbnails: Thumbnails | null = null;
  #columns = 0;
  /** From one card to the next, and from a card to its picture, in cells. */
  #pitch = 1;
  #margin = 0;
  #rowHeight = 1;
  /** Height of the view and how far it is scrolled, when it was last seen. */
  #height = 0;
  #top = 0;
  #version = 0;
  #active = -1;
  #chosen = -1;
  #hovered = -1;
  #second: Measure = "latency_ms";

  readonly #data: GalleryData;
  readonly #frames: Frames;
  readonly #events: GridEvents;

  constructor(data: GalleryData, frames: Frames, events: GridEvents, cleanup: Cleanup) {
    this.#data = data;
    this.#frames = frames;
    this.#events = events;
    this.element = element(
      "div.db-grid",
      { role: "listbox", tabindex: 0, "aria-label": "Neurons" },
      this.#sheet,
    );
    this.#sheet.append(this.#pictures);
    cleanup.listen(this.element, "scroll", () => frames.request(this.paint), { passive: true });
    cleanup.listen<KeyboardEvent>(this.element, "keydown", (e) => this.#onKey(e));
    cleanup.listen<MouseEvent>(this.element, "click", (e) => {
      const card = this.#cardOf(e);
      if (card) this.choose(card.neuron);
    });
    cleanup.listen<PointerEvent>(this.element, "pointermove", (e) => this.#onPoint(e));
    cleanup.listen(this.element, "pointerleave", () => this.#point(-1, ""));
    cleanup.listen(this.element, "focus", () => this.#point(this.#hovered, ""));
    cleanup.listen(this.element, "blur", () => this.#point(this.#hovered, ""));
  }

  /** Which neurons are shown, in their order; `hold` keeps the chosen one where it is on screen. */
  show(order: number[], second: Measure, hold: boolean): void {
    const top = this.#topOf(this.#chosen);
    const offset = top === null ? null : top - this.element.scrollTop;
    this.order = order;
    this.#second = second;
    this.#places.clear();
    order.forEach((neuron, i) => {
      this.#places.set(neuron, i);
    });
    if (!this.#places.has(this.#active))
      this.#active = this.#places.has(this.#chosen) ? this.#chosen : (order[0] ?? -1);
    this.#version += 1;
    this.#measure();
    const inView = offset !== null && offset > -this.#rowHeight && offset < this.element.clientHeight;
    const now = this.#topOf(this.#chosen);
    if (!hold) this.element.scrollTop = 0;
    else if (inView && now !== null) this.element.scrollTop = now - offset;
    this.#point(this.#hovered, "");
    this.#frames.request(this.paint);
  }

  /** Pictures of another kind: other colours, other channels, another size. */
  draw(thumbnails: Thumbnails, columns: number): void {
    const { element: box } = this;
    const at = this.#top / this.#rowHeight;
    const first = this.#columns > 0 ? this.order[Math.floor(at) * this.#columns] : null;
    for (const row of this.#rows) {
      row.element.remove();
      row.canvas.remove();
    }
    this.#rows = [];
    this.#cards.clear();
    this.#thumbnails = thumbnails;
    this.#columns = columns;
    // Whole cells from picture to picture: then one pixel a cell is enough for all of a row.
    const { perLag, width, height } = thumbnails;
    this.#pitch = Math.floor((this.width + GAP) / columns / perLag);
    const card = this.#pitch * perLag - GAP;
    this.#margin = Math.max(Math.round((card - width) / 2 / perLag), 0);
    this.#rowHeight = height + CARD_TEXT + GAP;
    const sizes = { card, picture: width, height, margin: this.#margin * perLag - CARD_EDGE };
    for (const [name, value] of Object.entries(sizes)) box.style.setProperty(`--${name}`, `${value}px`);
    box.style.setProperty("--columns", String(columns));
    this.#measure();
    if (first === null) this.#reveal(this.#chosen);
    else box.scrollTop = (this.#topOf(first) ?? 0) + (at % 1) * this.#rowHeight;
    this.#frames.request(this.paint);
  }

  /** Some neurons, or all when null, have another picture or other texts than before. */
  refresh(neurons: Set<number> | null): void {
    for (const card of this.#cards.values()) if (!neurons || neurons.has(card.neuron)) card.version = -1;
    this.#version += 1;
    this.#frames.request(this.paint);
  }

  /** The neuron that is outlined; `reveal` scrolls to it. */
  choose(neuron: number, notify = true, reveal = false): void {
    const other = neuron !== this.#chosen;
    this.#chosen = neuron;
    if (this.#places.has(neuron)) this.#active = neuron;
    if (notify) this.#events.choose(neuron);
    if (reveal && other) this.#reveal(neuron);
    this.#point(this.#hovered, "");
    this.#version += 1;
    this.#frames.request(this.paint);
  }

  /** CSS pixels for cards next to each other. */
  get width(): number {
    return this.#sheet.clientWidth;
  }

  /** Whether a neuron is among those shown. */
  has(neuron: number): boolean {
    return this.#places.has(neuron);
  }

  #topOf(neuron: number): number | null {
    const place = this.#places.get(neuron);
    return place === undefined ? null : Math.floor(place / this.#columns) * this.#rowHeight;
  }

  #reveal(neuron: number): void {
    const top = this.#topOf(neuron);
    if (top === null) return;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.#rowHeight > scrollTop + clientHeight) {
      this.element.scrollTop = top + this.#rowHeight - clientHeight;
    }
  }

  #measure(): void {
    if (this.#columns === 0) return;
    const height = (neurons: number) => `${Math.ceil(neurons / this.#columns) * this.#rowHeight}px`;
    this.#sheet.style.height = height(this.order.length);
    // Room for all neurons, whichever are shown: what lies below stays where it is while the user filters.
    this.element.style.setProperty("--all", height(this.#data.info.n_neurons));
  }

  /** Give every row in view a row element; those that leave the view are used again. */
  readonly paint = (): void => {
    const box = this.element;
    const [columns, rowHeight, thumbnails] = [this.#columns, this.#rowHeight, this.#thumbnails];
    // Hidden for a moment, as JupyterLab does while it changes its theme: as it was when it was last seen.
    if (box.clientHeight > 0) [this.#height, this.#top] = [box.clientHeight, box.scrollTop];
    const [height, top] = [this.#height, this.#top];
    if (!thumbnails || columns === 0 || height === 0) return;
    const total = Math.ceil(this.order.length / columns);
    const visible = Math.ceil(height / rowHeight) + 1;
    const first = Math.max(Math.floor(top / rowHeight) - EXTRA_ROWS, 0);
    const last = Math.min(first + visible + 2 * EXTRA_ROWS, total);
    const wanted = visible + 2 * EXTRA_ROWS;
    while (this.#rows.length < wanted) this.#rows.push(this.#makeRow());
    for (let at = first; at < last; at++) {
      const row = this.#rows[at % this.#rows.length];
      if (row.at !== at || row.version !== this.#version) this.#fill(row, at, thumbnails);
    }
    for (const row of this.#rows) {
      // More rows than before are handed out otherwise: one that another has taken over goes.
      const shown = row.at >= first && row.at < last && this.#rows[row.at % this.#rows.length] === row;
      if (row.element.hidden === shown) row.element.hidden = row.canvas.hidden = !shown;
    }
    const active = this.#places.get(this.#active);
    const drawn = active !== undefined && active >= first * columns && active < last * columns;
    setAttribute(box, "aria-activedescendant", drawn ? `${this.#id}-${this.#active}` : null);
  };

  #makeRow(): Row {
    const row = element("div.db-row", { role: "presentation", hidden: true });
    const cards = Array.from({ length: this.#columns }, () => this.#makeCard());
    row.append(...cards.map((card) => card.element));
    // To the end of the last picture: what lies beyond it would reach out of a narrow gallery.
    const cells = this.#pitch * (this.#columns - 1) + this.#margin + (this.#thumbnails?.columns ?? 0);
    const canvas = element("canvas", { width: cells, height: this.#thumbnails?.bands, hidden: true });
    canvas.style.width = `${cells * (this.#thumbnails?.perLag ?? 1)}px`;
    this.#pictures.append(canvas);
    this.#pictures.before(row);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    return { element: row, cards, canvas, context, at: -1, version: -1 };
  }

  #makeCard(): Card {
    const name = element("span.db-card-name", {});
    const score = element("span.db-card-score", {});
    const picture = element("div.db-place", {});
    const first = element("span");
    const second = element("span.db-muted", {});
    const card: Card = {
      element: element(
        "div.db-card",
        { role: "option" },
        element("div.db-card-line", {}, name, " ", score),
        picture,
        element("div.db-card-line.db-card-foot", {}, " ", first, " ", second),
      ),
      name,
      score,
      picture,
      first,
      second,
      neuron: -1,
      version: -1,
    };
    this.#cards.set(card.element, card);
    return card;
  }

  #fill(row: Row, at: number, thumbnails: Thumbnails): void {
    if (row.at !== at) {
      row.element.style.top = `${at * this.#rowHeight}px`;
      row.canvas.style.top = `${at * this.#rowHeight + PICTURE_TOP}px`;
    }
    row.at = at;
    row.version = this.#version;
    row.cards.forEach((card, i) => {
      const place = at * this.#columns + i;
      const neuron = this.order[place] ?? -1;
      card.element.hidden = neuron < 0;
      const left = i * this.#pitch + this.#margin;
      if (neuron < 0) {
        row.context?.clearRect(left, 0, thumbnails.columns, thumbnails.bands);
        card.neuron = -1;
        return;
      }
      const { element: box } = card;
      setAttribute(box, "aria-posinset", place + 1);
      setAttribute(box, "aria-setsize", this.order.length);
      setAttribute(box, "aria-selected", neuron === this.#chosen ? "true" : "false");
      box.classList.toggle("db-active", neuron === this.#active);
      if (!this.#fillCard(card, neuron) || !row.context) return;
      thumbnails.paint(row.context, left, this.#data.kernels, neuron * this.#data.cells);
      this.painted += 1;
    });
  }

  /** Show a neuron's texts; whether it is another neuron than before, or has another picture. */
  #fillCard(card: Card, neuron: number): boolean {
    const data = this.#data;
    const read = (measure: Measure) => measured(measure, data.value(neuron, measure));
    setText(card.second, read(this.#second));
    if (card.neuron === neuron && card.version !== -1) return false;
    card.neuron = neuron;
    card.version = this.#version;
    card.element.id = `${this.#id}-${neuron}`;
    setAttribute(card.element, "aria-description", data.described(neuron));
    setText(card.name, data.label(neuron));
    setText(card.score, data.info.has_scores ? `r ${read("score")}` : "");
    setText(card.first, read("best_frequency_hz") + (data.value(neuron, "preferred_hz") > 0 ? " ?" : ""));
    card.element.classList.toggle("db-edited", data.value(neuron, "edited") === 1);
    return true;
  }

  #cardOf(event: Event): Card | undefined {
    const found = closest(event.target, ".db-card");
    return found ? this.#cards.get(found) : undefined;
  }

  #onPoint(event: PointerEvent): void {
    const card = this.#cardOf(event);
    let text = "";
    if (card && event.target === card.picture && this.#thumbnails) {
      const box = card.picture.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      const cell = this.#thumbnails.at(x, y);
      if (cell) text = this.#data.cell(card.neuron, cell);
    }
    this.#point(card?.neuron ?? -1, text);
  }

  #point(hovered: number, cell: string): void {
    this.#hovered = hovered;
    const focused = this.element.ownerDocument.activeElement === this.element ? this.#active : this.#chosen;
    this.#events.point(hovered >= 0 ? hovered : focused, cell);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const page = Math.max(Math.floor(this.element.clientHeight / this.#rowHeight), 1) * this.#columns;
    const last = this.order.length - 1;
    const at = this.#places.get(this.#active) ?? 0;
    const steps: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + this.#columns <= last ? at + this.#columns : at,
      ArrowUp: at - this.#columns >= 0 ? at - this.#columns : at,
      PageDown: Math.min(at + page, last),
      PageUp: Math.max(at - page, 0),
      Home: 0,
      End: last,
    };
    if (event.key in steps) {
      const to = this.order[clamp(steps[event.key], 0, last)];
      if (to !== undefined) {
        this.#active = to;
        this.#reveal(to);
        this.#version += 1;
        this.paint();
        this.#point(-1, "");
      }
    } else if ((event.key === "Enter" && !event.shiftKey) || event.key === " ") {
      if (this.#places.has(this.#active)) this.choose(this.#active);
    } else return;
    consume(event);
  }
}

/** How many cards of pictures as wide as `picture` fit next to each other. */
export function columnsFor(width: number, picture: number): number {
  return Math.max(Math.floor((width + GAP) / (picture + 2 * CARD_EDGE + GAP)), 1);
}

/** Width of the picture in one of `columns` cards. */
export function pictureIn(width: number, columns: number): number {
  return Math.max((width - (columns - 1) * GAP) / columns - 2 * CARD_EDGE, 16);
}
