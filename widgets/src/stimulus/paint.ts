/** A spectrogram to paint on; the kernel gets it while the stroke runs. */

import { holds } from "../base/box";
import { floats } from "../base/bytes";
import { clamp } from "../base/clamp";
import { Cleanup, consume, element, pointIn, setText } from "../base/dom";
import { fixed, frequency } from "../base/format";
import { Frames } from "../draw/surface";
import type { BenchModel, Bytes } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import { PatchQueue } from "../kernel/patch-queue";
import { bandToHz } from "../math/units";
import type { Around } from "../panels/mount-panel";
import { keepKeys } from "../ui/host-keys";
import { type Listed, Shortcuts } from "../ui/shortcuts";
import { setAria } from "../ui/slider-handle";
import { ThrottledAnnouncer } from "../ui/throttled-announcer";
import { type Cell, Painting } from "./painting";
import { PaintPlot } from "./plot";
import { type PaintInfo, PaintTools } from "./tools";

const SHORTCUTS: Listed = [
  ["Drag", "paint; with Shift a straight line"],
  ["Arrows", "to the next cell; with Shift farther"],
  ["Space, Enter", "paint a dab; of a sweep or a burst of noise its beginning, then its end"],
  ["Delete", "erase a dab"],
  ["+ / −", "level"],
  ["[ ]", "width of the brush"],
  ["Escape", "cancel the running stroke"],
  ["Ctrl + Z", "undo"],
  ["Ctrl + Shift + Z, Ctrl + Y", "redo"],
  ["?", "this list"],
];
/** Cells that an arrow key moves by with Shift. */
const FAR = { frame: 10, band: 4 };

export interface PaintMessage {
  type: "painted" | "cells" | "error";
  client?: string;
  seq?: number;
  settled?: boolean;
  text?: string;
}

interface PressedPointer {
  pointer: number;
  /** Where the stage lies on the screen, measured once. */
  left: number;
  top: number;
  start: Cell;
  last: Cell;
}

export class PaintView {
  readonly #client = Math.random().toString(36).slice(2, 12);
  readonly #root = element("div.deepstrf-bench.db-view-paint", { tabindex: -1 });
  readonly #readout = element("p.db-readout");
  readonly #message = element("p.db-message", { role: "status", "aria-live": "polite" });
  readonly #plot: PaintPlot;
  readonly #tools: PaintTools;
  readonly #patches: PatchQueue;
  readonly #info: PaintInfo;
  readonly #cfHz: Float64Array;
  readonly #model: BenchModel;
  readonly #painting: Painting;
  /** The cell of the keys, and where they began a line or a patch. */
  #at: Cell;
  #from: Cell | null = null;
  #pressed: PressedPointer | null = null;
  #hover: Cell | null = null;
  #requested = false;

  constructor(model: BenchModel, el: HTMLElement, around: Around | undefined, cleanup: Cleanup) {
    this.#model = delivering(model, () => this.#showMessage(LOST, true));
    const info = model.get("info") as PaintInfo;
    this.#info = info;
    this.#cfHz = Float64Array.from(floats(model.get("cf_hz")));
    this.#painting = new Painting(info.n_bands, info.low, floats(model.get("cells")));
    this.#at = { frame: 0, band: Math.floor(info.n_bands / 2) };
    const frames = new Frames(cleanup);
    const announcer = new ThrottledAnnouncer(
      frames,
      () => this.#painting.open,
      () => this.#setAria(),
    );
    const shortcuts = new Shortcuts(cleanup, SHORTCUTS);
    this.#tools = new PaintTools(
      info,
      {
        undo: () => this.#whole(() => this.#painting.undo()),
        redo: () => this.#whole(() => this.#painting.redo()),
        clear: () => this.#put(new Float32Array(this.#painting.values.length).fill(info.low)),
        copySound: () => {
          this.#end(false);
          this.#requested = true;
          this.#model.send({ type: "copy" });
        },
        resize: (n) => this.#put(this.#painting.resized(n)),
        chosen: () => {
          this.#from = null;
          this.#plot.requestPaint();
        },
        help: () => shortcuts.open(),
      },
      cleanup,
    );
    this.#patches = new PatchQueue({
      send: (from, to, settled, seq) => this.#send(from, to, settled, seq),
      now: () => performance.now(),
      later: (callback, ms) => {
        const handle = setTimeout(callback, ms);
        return () => clearTimeout(handle);
      },
    });
    el.append(this.#root);
    cleanup.add(() => this.#root.remove());
    cleanup.add(() => {
      this.#end(false);
      this.#patches.close();
    });
    const marks = () => ({
      at: this.#at,
      from: this.#from,
      hover: this.#hover,
      width: this.#tools.tool === "noise" ? 0 : this.#tools.width,
      moment: around?.moment() ?? null,
    });
    const { announce } = announcer;
    this.#plot = new PaintPlot(
      this.#root,
      info,
      this.#cfHz,
      this.#painting,
      frames,
      marks,
      announce,
      cleanup,
    );
    around?.onMoment(() => this.#plot.requestPaint(), cleanup);
    const title = element("h3.db-title", {}, "Painted sound");
    const head = element("div.db-head", {}, title, this.#readout, this.#tools.history);
    this.#root.append(this.#tools.element, head, this.#plot.element, this.#message, shortcuts.element);
    this.#listen(cleanup);
    // For tests: whether everything that was painted has been onMessage.
    Object.defineProperty(this.#root, "__paint", { value: this.#patches });
    const onMessage = (message: PaintMessage, buffers?: ArrayLike<unknown>) =>
      this.#onMessage(message, buffers ?? []);
    model.on("msg:custom", onMessage);
    cleanup.add(() => model.off("msg:custom", onMessage));
    this.#updateTools();
    // What the traits do not hold: strokes are not sent back.
    this.#model.send({ type: "ready" });
  }

  // ---- from and to the kernel -------------------------------------------------------------------------------

  #send(from: number, to: number, settled: boolean, seq: number): void {
    const { n } = this.#painting;
    const start = clamp(from, 0, n - 1);
    const { buffer } = this.#painting.frames(start, clamp(to, start + 1, n));
    const message = { type: "paint", client: this.#client, seq, start, n_frames: n, settled };
    if (this.#patches.late) this.#showMessage("kernel is busy", false);
    this.#model.send(message, undefined, [buffer]);
  }

  #onMessage(message: PaintMessage, buffers: ArrayLike<unknown>): void {
    const mine = message.client === this.#client;
    const refused = message.type === "error" && (mine || !message.client);
    if (message.type === "cells") this.#adopt(floats(buffers[0] as Bytes));
    else if (mine || refused) {
      this.#showMessage(message.text ?? "", refused);
      this.#patches.answered(message.seq ?? 0);
    }
    // The kernel has what this view has not: after an error, or painted in another view.
    if (refused || (!mine && message.type === "painted" && message.settled))
      this.#model.send({ type: "ready" });
  }

  #adopt(values: Float32Array): void {
    const painting = this.#painting;
    if (!this.#requested && !this.#patches.idle) return;
    const same = values.length === painting.values.length && values.every((v, i) => v === painting.values[i]);
    if (!same && values.length) {
      this.#pressed = null;
      if (this.#requested) painting.put(values);
      else painting.reset(values);
      this.#changed();
    }
    this.#requested = false;
  }

  #showMessage(text: string, bad: boolean): void {
    setText(this.#message, text);
    this.#message.classList.toggle("db-error", bad);
  }

  // ---- strokes ----------------------------------------------------------------------------------------------

  /** Something else stands in the whole painting: send it to the kernel. */
  #whole(act: () => boolean | undefined): void {
    this.#end(false);
    if (act() === false) return;
    this.#patches.push(0, Infinity, true);
    this.#changed();
  }

  #put(values: Float32Array): void {
    this.#whole(() => {
      this.#painting.put(values);
      return true;
    });
  }

  #changed(): void {
    const { n } = this.#painting;
    this.#at.frame = Math.min(this.#at.frame, n - 1);
    this.#from = null;
    this.#plot.all();
    this.#updateTools();
  }

  #begin(erase: boolean): void {
    this.#painting.begin(erase ? null : this.#tools.level);
  }

  /** Paint from one cell to another what the tool makes of it; `straight` forgets what lay between. */
  #stroke(from: Cell, to: Cell, straight: boolean): void {
    const painting = this.#painting;
    const { tool, width } = this.#tools;
    if (straight) painting.restart();
    if (tool === "noise") painting.noise(from, to);
    else painting.line(from, to, width);
    const [first, last] = painting.taken();
    if (this.#pressed) this.#patches.push(first, last, false);
    this.#plot.touch([first, last]);
  }

  #end(cancel: boolean): boolean {
    if (!this.#painting.open) return false;
    this.#pressed = null;
    const touched = this.#painting.end(cancel);
    this.#patches.push(...touched, true);
    this.#updateTools();
    this.#plot.touch(touched);
    return true;
  }

  // ---- pointer and keys -------------------------------------------------------------------------------------

  #listen(cleanup: Cleanup): void {
    const stage = this.#plot.element;
    cleanup.listen<PointerEvent>(stage, "pointerdown", (event) => this.#onDown(event));
    cleanup.listen<PointerEvent>(stage, "pointermove", (event) => this.#onMove(event));
    cleanup.listen(stage, "pointerleave", () => this.#onHover(null));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      cleanup.listen<PointerEvent>(stage, type, (event) => {
        if (event.pointerId === this.#pressed?.pointer) this.#end(false);
      });
    }
    keepKeys(this.#root, cleanup);
    cleanup.listen<KeyboardEvent>(this.#root, "keydown", (event) => this.#onKey(event));
    cleanup.listen(this.#plot.cursor, "focus", () => this.#plot.requestPaint());
  }

  /** The cell under a place of the stage, the nearest one where it lies beside the grid. */
  #cellAt(x: number, y: number): Cell {
    const { n, F } = this.#painting;
    const frame = clamp(Math.round(this.#plot.grid.frame(x)), 0, n - 1);
    return { frame, band: clamp(this.#plot.grid.band(y), 0, F - 1) };
  }

  #onDown(event: PointerEvent): void {
    if (event.button !== 0 || this.#pressed) return;
    const at = pointIn(this.#plot.element, event);
    if (!holds(this.#plot.grid.box, at, 6)) return;
    event.preventDefault();
    this.#plot.cursor.focus({ preventScroll: true });
    const start = this.#cellAt(at.x, at.y);
    const { tool } = this.#tools;
    this.#pressed = {
      pointer: event.pointerId,
      left: event.clientX - at.x,
      top: event.clientY - at.y,
      start,
      last: start,
    };
    this.#place(start);
    try {
      this.#plot.element.setPointerCapture(event.pointerId);
    } catch {
      // Without capture the stroke goes on while the pointer stays over the stage.
    }
    this.#begin(tool === "erase");
    this.#stroke(start, start, false);
  }

  #onMove(event: PointerEvent): void {
    const pressed = this.#pressed;
    if (!pressed) {
      const at = pointIn(this.#plot.element, event);
      this.#onHover(holds(this.#plot.grid.box, at) ? this.#cellAt(at.x, at.y) : null);
      return;
    }
    if (event.pointerId !== pressed.pointer) return;
    const to = this.#cellAt(event.clientX - pressed.left, event.clientY - pressed.top);
    const { tool } = this.#tools;
    const straight = tool === "sweep" || tool === "noise" || event.shiftKey;
    this.#stroke(straight ? pressed.start : pressed.last, to, straight);
    pressed.last = to;
    this.#place(to);
  }

  #onHover(cell: Cell | null): void {
    this.#hover = cell;
    this.#plot.requestPaint();
  }

  #place({ frame, band }: Cell): void {
    this.#hover = { frame, band };
    this.#at = { frame, band: Math.round(band) };
  }

  #onKey(event: KeyboardEvent): void {
    const { key } = event;
    const command = event.ctrlKey || event.metaKey;
    const lower = key.toLowerCase();
    if (event.target instanceof HTMLInputElement || event.altKey) return;
    if (command) {
      if (lower === "z" && !event.shiftKey) this.#whole(() => this.#painting.undo());
      else if (lower === "z" || lower === "y") this.#whole(() => this.#painting.redo());
      else return;
    } else if (key === "Escape") {
      if (!this.#end(true) && !this.#from) return;
      this.#from = null;
      this.#plot.requestPaint();
    } else if (key === "?") this.#tools.does.help();
    else if (event.target !== this.#plot.cursor || !this.#onCellKey(key, event.shiftKey)) return;
    consume(event);
  }

  /** Whether the key means something to the cell. */
  #onCellKey(key: string, far: boolean): boolean {
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key];
    const step = { "+": 1, "=": 1, "-": -1, _: -1 }[key];
    const wider = { "]": 1, "[": -1 }[key];
    if (way) {
      const { n, F } = this.#painting;
      const at = this.#at;
      at.frame = clamp(at.frame + way[0] * (far ? FAR.frame : 1), 0, n - 1);
      at.band = clamp(at.band + way[1] * (far ? FAR.band : 1), 0, F - 1);
      this.#hover = null;
      this.#plot.requestPaint();
    } else if (step) this.#tools.stepLevel(step);
    else if (wider) this.#tools.stepWidth(wider);
    else if (this.#pressed) return false;
    else if (key === " " || (key === "Enter" && !far)) this.#dab();
    else if (key === "Delete" || key === "Backspace") {
      this.#begin(true);
      this.#painting.dab(this.#at, this.#tools.width);
      this.#end(false);
    } else return false;
    return true;
  }

  #dab(): void {
    const { tool } = this.#tools;
    const at = { ...this.#at };
    if ((tool === "sweep" || tool === "noise") && !this.#from) {
      this.#from = at;
      this.#plot.requestPaint();
      return;
    }
    this.#begin(tool === "erase");
    this.#stroke(this.#from ?? at, at, false);
    this.#from = null;
    this.#end(false);
  }

  // ---- words ------------------------------------------------------------------------------------------------

  #setAria(): void {
    setText(this.#readout, this.#textAt(this.#hover ?? this.#at));
    const { tool } = this.#tools;
    const from = this.#from ? `, from ${this.#textAt(this.#from)}` : "";
    const label = `Painted sound, ${tool === "erase" ? "eraser" : tool}`;
    const ends = [this.#cfHz[0], this.#cfHz[this.#cfHz.length - 1]] as const;
    setAria(this.#plot.cursor, label, ends, this.#cfHz[this.#at.band], this.#textAt(this.#at) + from);
  }

  /** "4.2 kHz, 0.35 s: 40 dB". */
  #textAt({ frame, band }: Cell): string {
    const { dt_ms, unit, low, high } = this.#info;
    const nearest = Math.round(band);
    const seconds = fixed((frame * dt_ms) / 1000, dt_ms < 10 ? 3 : 2);
    const level = fixed(this.#painting.level(frame, nearest), high - low < 20 ? 2 : 0);
    return `${frequency(bandToHz(nearest, this.#cfHz))}, ${seconds} s: ${level} ${unit}`.trim();
  }

  #updateTools(): void {
    const { n, canUndo, canRedo } = this.#painting;
    this.#tools.update(n, canUndo, canRedo);
  }
}

export function mountPaint(model: BenchModel, el: HTMLElement, around?: Around): () => void {
  const cleanup = new Cleanup();
  new PaintView(model, el, around, cleanup);
  return () => cleanup.run();
}
