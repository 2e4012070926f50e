/** Selecting on the picture beside the handles: a press takes the Gaussian that lies there, a drag those within a box. */

import { holds, nearestIn } from "../../../base/box";
import { type Cleanup, pointIn } from "../../../base/dom";
import type { Grid } from "../../../draw/grid";
import type { BenchState } from "../../../state/bench-state";
import { Drag, type DragTarget } from "../../../ui/drag";
import type { Marks } from "../marks";
import { inUse } from "./group";
import type { Handles } from "./handles";
import type { Selection } from "./selection";

/** How many widths from its centre a Gaussian is still taken. */
const REACH = 1.3;
/** Pixels that a finger may slip in a tap. */
const SLIP_PX = 10;

/** What the picture belongs to. */
interface Field {
  state: BenchState;
  selection: Selection;
  handles: Handles;
  marks: Marks;
  canvas: HTMLElement;
  /** The grid on screen. */
  grid(): Grid | null;
  /** Add a Gaussian at a place. */
  add(at: { band: number; frame: number }): void;
}

export class AreaSelect {
  readonly #drag: Drag;
  readonly #field: Field;

  constructor(field: Field, cleanup: Cleanup) {
    this.#field = field;
    this.#drag = new Drag(field.canvas, null, (e) => this.#press(e), cleanup);
    cleanup.listen<MouseEvent>(field.canvas, "dblclick", (event) => {
      const on = this.#at(event);
      if (on) field.add({ band: on.grid.band(on.at.y), frame: on.grid.frame(on.at.x) });
    });
  }

  get held(): boolean {
    return this.#drag.held;
  }

  get dragging(): boolean {
    return this.#drag.moved;
  }

  release(cancel: boolean): boolean {
    return this.#drag.release(cancel);
  }

  #at(event: MouseEvent) {
    const { state, canvas } = this.#field;
    const grid = this.#field.grid();
    if (!grid || state.info.kind !== "gaussians") return null;
    const at = pointIn(canvas, event);
    return holds(grid.box, at) ? { grid, at } : null;
  }

  /** A finger selects where it is lifted, as it may scroll the page; only a mouse or a pen draws a box. */
  #press(event: PointerEvent): DragTarget | null {
    const on = this.#at(event);
    if (!on) return null;
    const { state, selection, handles, marks, canvas } = this.#field;
    const { grid, at } = on;
    const finger = event.pointerType === "touch";
    const { shiftKey } = event;
    const before = selection.all;
    const choose = () => {
      handles.release(false);
      const k = this.#under(grid, at.x, at.y);
      if (!shiftKey) selection.set(k < 0 ? [] : [k]);
      else if (k >= 0) selection.toggle(k);
    };
    if (!finger) choose();
    const others = shiftKey ? before : [];
    let slipped = false;
    return {
      element: canvas,
      begin: () => {},
      move: (dx, dy) => {
        if (finger) {
          slipped ||= Math.hypot(dx, dy) > SLIP_PX;
          return;
        }
        const to = nearestIn(grid.box, { x: at.x + dx, y: at.y + dy });
        const box = {
          x: Math.min(at.x, to.x),
          y: Math.min(at.y, to.y),
          width: Math.abs(to.x - at.x),
          height: Math.abs(to.y - at.y),
        };
        marks.stretch({ ...box, x: box.x - grid.box.x, y: box.y - grid.box.y });
        const inside = inUse(state).filter((k) => holds(box, grid.centre(state.gaussian(k))));
        const ks = [...others.filter((k) => !inside.includes(k)), ...inside];
        if (`${ks}` !== `${selection.all}`) selection.set(ks);
      },
      done: (how) => {
        marks.stretch(null);
        if (finger && how === "lifted" && !slipped) choose();
        else if (how !== "lifted") selection.set(before);
        // Only now: the press itself gave the focus to the stage.
        if (how === "lifted" && state.selected >= 0) handles.focus(state.selected, true);
      },
    };
  }

  /** The Gaussian in whose ellipse a place lies, the nearest one; -1 for none. */
  #under(grid: Grid, x: number, y: number): number {
    const { state } = this.#field;
    let best = -1;
    let nearest = REACH;
    for (const k of inUse(state)) {
      const p = state.gaussian(k);
      const distance = Math.hypot(
        (grid.frame(x) - p.frame) / p.sigma_frames,
        (grid.band(y) - p.band) / p.sigma_bands,
      );
      if (distance < nearest) [best, nearest] = [k, distance];
    }
    return best;
  }
}
