/** The tools above a field that is painted: what the brush does, how wide it is and how strong. */

import { clamp } from "../../base/clamp";
import { type Cleanup, element, setHidden, setText } from "../../base/dom";
import type { StrokeTool } from "../../math/stroke";
import { Segments } from "../../ui/segments";

const TOOLS: Record<StrokeTool, string> = {
  add: "Add (A; with Shift subtract)",
  subtract: "Subtract (D; with Shift add)",
  smooth: "Smooth (S)",
  erase: "Erase, to 0 (E)",
};
const KEYS: Record<string, StrokeTool> = { a: "add", d: "subtract", s: "smooth", e: "erase" };
const SIGNS: Record<StrokeTool, string> = { add: "+", subtract: "−", smooth: "Smooth", erase: "Erase" };
const WIDEST = 9;

export class BrushTools {
  readonly element: HTMLElement;
  tool: StrokeTool = "add";
  width = 3;
  /** Of the colour range that is added by a stroke, from 0 to 1. */
  strength = 0.25;
  readonly #chooser: Segments;
  readonly #strength: HTMLElement;
  readonly #show: (() => void)[] = [];

  constructor(
    readonly changed: () => void,
    cleanup: Cleanup,
  ) {
    this.#chooser = new Segments("Brush", (tool) => this.take(tool as StrokeTool), cleanup);
    const slide = (
      what: string,
      title: string,
      [low, high, step]: number[],
      read: () => number,
      keep: (value: number) => void,
      text: (value: number) => string,
    ) => {
      const input = element("input.db-slide", { type: "range", min: low, max: high, step, title });
      const readout = element("span.db-muted");
      cleanup.listen(input, "input", () => {
        keep(input.valueAsNumber);
        this.changed();
        this.paint();
      });
      this.#show.push(() => {
        input.value = String(read());
        setText(readout, text(read()));
      });
      return element("label.db-tools", {}, what, input, readout);
    };
    const width = slide(
      "Width",
      "Width of the brush in cells ([ and ])",
      [1, WIDEST, 1],
      () => this.width,
      (value) => {
        this.width = value;
      },
      String,
    );
    this.#strength = slide(
      "Strength",
      "Share of the colour range that one stroke adds",
      [5, 100, 5],
      () => 100 * this.strength,
      (value) => {
        this.strength = value / 100;
      },
      (value) => `${value.toFixed(0)} %`,
    );
    this.element = element("div.db-brush", {}, this.#chooser.element, width, this.#strength);
    this.paint();
  }

  /** Show the tools for cells, or those for curves. */
  paint(cells = !this.#strength.hidden): void {
    setHidden(this.#strength, !cells);
    setHidden(this.#chooser.element, !cells);
    const choices = Object.entries(TOOLS).map(([value, title]) => ({
      value,
      text: SIGNS[value as StrokeTool],
      title,
    }));
    this.#chooser.paint(choices, this.tool);
    for (const show of this.#show) show();
  }

  take(tool: StrokeTool): void {
    this.tool = tool;
    this.paint();
    this.changed();
  }

  /** The tool, its sign turned by Shift. */
  toolWith(shift: boolean): StrokeTool {
    if (!shift) return this.tool;
    return this.tool === "add" ? "subtract" : this.tool === "subtract" ? "add" : this.tool;
  }

  /** Whether a key chooses a tool or a width. */
  key({ key }: KeyboardEvent): boolean {
    const way = { "]": 1, "[": -1 }[key];
    const tool = KEYS[key.toLowerCase()];
    if (tool && !this.#chooser.element.hidden) this.take(tool);
    else if (way) {
      this.width = clamp(this.width + way, 1, WIDEST);
      this.paint();
      this.changed();
    } else return false;
    return true;
  }
}
