/** What is chosen for a painting: tool, level, brush, length; undo and redo. */

import { clamp } from "../base/clamp";
import { type Cleanup, consume, element } from "../base/dom";
import { typedNumber } from "../base/format";
import { button } from "../ui/button";
import { icon } from "../ui/icons";
import { Segments } from "../ui/segments";

export interface PaintInfo {
  n_bands: number;
  dt_ms: number;
  unit: string;
  /** Silence, the highest level that may be painted, and a loud one. */
  low: number;
  high: number;
  loud: number;
  max_frames: number;
}

export type PaintTool = "tone" | "sweep" | "noise" | "erase";
const TOOLS: { value: PaintTool; text: string; title: string }[] = [
  { value: "tone", text: "Tone", title: "Paint tones; with Shift a straight line" },
  { value: "sweep", text: "Sweep", title: "A straight line from where you press to where you let go" },
  { value: "noise", text: "Noise", title: "A burst of noise in a rectangle" },
  { value: "erase", text: "Eraser", title: "Back to silence; with Shift along a straight line" },
];
const WIDTH = { low: 1, first: 2, step: 0.5 };

interface Does {
  undo(): void;
  redo(): void;
  clear(): void;
  copySound(): void;
  /** Another length, in frames. */
  resize(n: number): void;
  /** Another tool, level or brush. */
  chosen(): void;
  help(): void;
}

export class PaintTools {
  readonly element: HTMLElement;
  readonly history: HTMLElement;
  tool: PaintTool = "tone";
  level: number;
  width: number;
  readonly #level: HTMLInputElement;
  readonly #width: HTMLInputElement;
  readonly #length: HTMLInputElement;
  readonly #undo: HTMLButtonElement;
  readonly #redo: HTMLButtonElement;

  constructor(
    readonly info: PaintInfo,
    readonly does: Does,
    cleanup: Cleanup,
  ) {
    const { low, high, loud, unit, n_bands, max_frames, dt_ms } = info;
    this.level = high - low < 20 ? loud : Math.round(loud);
    this.width = Math.min(WIDTH.first, n_bands);
    const choose = (value: string) => {
      this.tool = value as PaintTool;
      segments.paint(TOOLS, value);
      does.chosen();
    };
    const segments = new Segments("Tool", choose, cleanup);
    segments.paint(TOOLS, this.tool);
    const boxes: HTMLElement[] = [];
    const field = (label: string, ends: [number, number], step: number, write: (value: number) => void) => {
      const [min, max] = ends.map((end) => Number(end.toPrecision(6)));
      const input = element("input.db-number", {
        type: "text",
        inputmode: "decimal",
        autocomplete: "off",
        min,
        max,
      });
      const set = (value: number) => {
        if (Number.isFinite(value)) write(clamp(value, ...ends));
        this.#show();
      };
      cleanup.listen(input, "change", () => set(typedNumber(input.value)));
      cleanup.listen<KeyboardEvent>(input, "keydown", (event) => {
        const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
        if (event.key === "Enter" && event.shiftKey) return;
        if (event.key === "Enter") set(typedNumber(input.value));
        else if (way) set((typedNumber(input.value) || 0) + way * step * (event.shiftKey ? 10 : 1));
        else return;
        consume(event);
      });
      boxes.push(element("label.db-field", {}, element("span", {}, label), input));
      return input;
    };
    this.#level = field(unit ? `level (${unit})` : "level", [low, high], this.#step, (value) => {
      this.level = value;
      does.chosen();
    });
    this.#width = field("brush (bands)", [WIDTH.low, n_bands], WIDTH.step, (value) => {
      this.width = value;
      does.chosen();
    });
    const perSecond = 1000 / dt_ms;
    this.#length = field("length (s)", [1 / perSecond, max_frames / perSecond], 0.1, (value) => {
      const n = clamp(Math.round(value * perSecond), 1, max_frames);
      if (n !== this.#n) does.resize(n);
    });
    this.#undo = button("Undo (Ctrl+Z)", icon("undo"), "icon");
    this.#redo = button("Redo (Ctrl+Shift+Z)", icon("redo"), "icon");
    const copySound = button("Paint on the sound that was played before", "Copy sound");
    const clear = button("Silence", "Clear");
    const help = button("Keys and gestures (?)", "?", "icon");
    this.history = element(
      "div.db-tools",
      { role: "toolbar", "aria-label": "Painting" },
      this.#undo,
      this.#redo,
      copySound,
      clear,
      help,
    );
    this.element = element("div.db-paint-tools", {}, segments.element, ...boxes);
    cleanup.listen(this.#undo, "click", does.undo);
    cleanup.listen(this.#redo, "click", does.redo);
    cleanup.listen(copySound, "click", does.copySound);
    cleanup.listen(clear, "click", does.clear);
    cleanup.listen(help, "click", does.help);
    this.#show();
  }

  #n = 1;

  /** What a key adds to the level. */
  get #step(): number {
    const { low, high } = this.info;
    return high - low < 20 ? (high - low) / 50 : 1;
  }

  stepLevel(way: number): void {
    this.level = clamp(this.level + way * this.#step, this.info.low, this.info.high);
    this.#show();
    this.does.chosen();
  }

  stepWidth(way: number): void {
    this.width = clamp(this.width + way * WIDTH.step, WIDTH.low, this.info.n_bands);
    this.#show();
    this.does.chosen();
  }

  /** Show how long the painting is, and whether there is a way back. */
  update(n: number, canUndo: boolean, canRedo: boolean): void {
    this.#n = n;
    this.#undo.disabled = !canUndo;
    this.#redo.disabled = !canRedo;
    this.#show();
  }

  #show(): void {
    this.#level.value = String(Number(this.level.toPrecision(4)));
    this.#width.value = String(Number(this.width.toPrecision(3)));
    this.#length.value = String(Number(((this.#n * this.info.dt_ms) / 1000).toPrecision(6)));
  }
}
