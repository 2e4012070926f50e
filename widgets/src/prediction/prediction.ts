/** A response to draw by hand before it is shown: the sound above, a pen for pointer and keys, the truth once Python shows it. */

import { type Box, holds, inset, layOver } from "../base/box";
import { floats } from "../base/bytes";
import { clamp } from "../base/clamp";
import { Cleanup, consume, element, pointIn, setAttribute, setText } from "../base/dom";
import { fixed, number } from "../base/format";
import { drawAxis, drawFrame, frequencyTicks, linearTicks } from "../draw/axes";
import { sequential } from "../draw/colormap";
import { LongImage } from "../draw/heatmap";
import { pathOn, strokeSignal, traceLine } from "../draw/line";
import { Frames, Surface, watchPixelRatio } from "../draw/surface";
import { readTheme, type Theme, watchTheme } from "../draw/theme";
import type { BenchModel } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import { button } from "../ui/button";
import { keepKeys } from "../ui/host-keys";
import { legend } from "../ui/legend";
import { type Listed, Shortcuts } from "../ui/shortcuts";
import { moveTo, setAria } from "../ui/slider-handle";
import { Drawing, type Place } from "./drawing";

export interface PredictionInfo {
  n_bins: number;
  dt_ms: number;
  /** Ends of the axis of what is drawn. */
  low: number;
  high: number;
  unit: string;
  title: string;
  /** Names of the curves that are shown from the start. */
  given: string[];
  /** Bands of the sound above; 0 where there is none. */
  n_bands: number;
}

const MARGIN = { left: 54, right: 16, top: 10, bottom: 40 };
const SOUND_PX = 84;
const GAP_PX = 10;
/** Pixels beside the plot at which a press still draws. */
const NEAR_PX = 12;
/** Steps of the pen over the whole plot; with Shift ten of them at once. */
const STEPS = { bin: 200, value: 40 };
const FAR = 10;
const SHORTCUTS: Listed = [
  ["Drag", "draw"],
  ["← → ↑ ↓", "move the pen; with Shift farther"],
  ["Home, End", "to the beginning, to the end"],
  ["Space, Enter", "draw a straight line here from where the pen was last set down"],
  ["Escape", "lift the pen; cancel the running stroke"],
  ["Ctrl + Z", "undo"],
  ["Ctrl + Shift + Z, Ctrl + Y", "redo"],
  ["?", "this list"],
];

class PredictionView {
  readonly #model: BenchModel;
  readonly #info: PredictionInfo;
  readonly #drawing: Drawing;
  readonly #cfHz: Float32Array;
  readonly #given: Float32Array[];
  readonly #image: LongImage | null;
  readonly #frames: Frames;
  readonly #root: HTMLElement;
  readonly #canvas = element("canvas.db-canvas", { "aria-hidden": "true" });
  readonly #pen = element("div.db-pen", {
    role: "slider",
    tabindex: 0,
    "aria-orientation": "vertical",
    "aria-description": "Arrows move the pen, Space draws a line from where it was last set down",
  });
  readonly #plot = element("div.db-plot", {}, this.#pen);
  readonly #stage = element("div.db-stage", {}, this.#canvas, this.#plot);
  readonly #readout = element("p.db-readout");
  readonly #message = element("p.db-message", { role: "status", "aria-live": "polite" });
  readonly #undo = button("Undo (Ctrl+Z)", "Undo");
  readonly #redo = button("Redo (Ctrl+Y)", "Redo");
  readonly #clear = button("Take all of the drawing away", "Clear");
  readonly #help = button("Keys and gestures", "?");
  readonly #surface: Surface;
  #theme: Theme | null = null;
  #box: Box = { x: 0, y: 0, width: 1, height: 1 };
  /** Where the pen of the keys is, and where it was last set down. */
  #at: Place;
  #from: Place | null = null;
  #pressed: { pointer: number; left: number; top: number; last: Place } | null = null;
  #hover: Place | null = null;
  #lost = false;

  constructor(model: BenchModel, el: HTMLElement, cleanup: Cleanup) {
    this.#model = delivering(model, () => {
      this.#lost = true;
      this.#say();
    });
    const info = model.get("info") as PredictionInfo;
    this.#info = info;
    const { n_bins: n, n_bands: F } = info;
    const drawn = floats(model.get("drawn"));
    const empty = new Float32Array(n).fill(Number.NaN);
    this.#drawing = new Drawing(drawn.length === n ? drawn : empty, info.low, info.high);
    this.#at = { bin: 0, value: info.low };
    this.#cfHz = floats(model.get("cf_hz"));
    const given = floats(model.get("given"));
    this.#given = info.given.map((_, i) => given.subarray(i * n, (i + 1) * n));
    const sound = floats(model.get("sound"));
    const level = (least: boolean) => sound.reduce((a, b) => (least === b < a ? b : a), sound[0] ?? 0);
    this.#image = F > 0 ? new LongImage(sound, F, n, [level(true), level(false)], sequential()) : null;
    this.#root = element("div.deepstrf-bench.db-view-prediction", { tabindex: -1, "data-sound": F > 0 });
    const shortcuts = new Shortcuts(cleanup, SHORTCUTS);
    const entries: [string, string][] = [
      ...info.given.map((name): [string, string] => ["recorded", name]),
      ["model", "your drawing"],
      ["on", "the truth, once it is shown"],
    ];
    const names = element("p.db-legend", {}, ...legend(entries));
    const title = element("h3.db-title", {}, info.title);
    const tools = [this.#undo, this.#redo, this.#clear, this.#help];
    const head = element("div.db-head", {}, title, this.#readout, element("span.db-spring"), ...tools);
    this.#root.append(head, this.#stage, names, this.#message, shortcuts.element);
    el.append(this.#root);
    cleanup.add(() => this.#root.remove());
    this.#frames = new Frames(cleanup);
    this.#surface = new Surface(this.#canvas, cleanup, () => this.#request());
    watchTheme(this.#root, cleanup, () => {
      this.#theme = null;
      this.#request();
    });
    watchPixelRatio(cleanup, () => this.#request());
    cleanup.listen(this.#undo, "click", () => this.#step(() => this.#drawing.undo()));
    cleanup.listen(this.#redo, "click", () => this.#step(() => this.#drawing.redo()));
    cleanup.listen(this.#clear, "click", () =>
      this.#step(() => this.#drawing.put(empty.slice()) === undefined),
    );
    cleanup.listen(this.#help, "click", () => shortcuts.open());
    this.#listen(shortcuts, cleanup);
    const adopt = () => this.#adopt();
    for (const trait of ["drawn", "truth", "said", "error"]) {
      model.on(`change:${trait}`, adopt);
      cleanup.add(() => model.off(`change:${trait}`, adopt));
    }
    cleanup.add(() => this.#end(false));
    this.#say();
    this.#request();
  }

  get #shown(): boolean {
    return floats(this.#model.get("truth")).length > 0;
  }

  /** What Python has set: another drawing, the truth, or what it says of them. */
  #adopt(): void {
    const drawn = floats(this.#model.get("drawn"));
    const { values } = this.#drawing;
    const same = drawn.length === values.length && drawn.every((value, i) => Object.is(value, values[i]));
    if (this.#shown) this.#end(true);
    if (!same && drawn.length === values.length && !this.#drawing.open) this.#drawing.put(drawn);
    this.#say();
    this.#request();
  }

  #step(act: () => boolean): void {
    this.#end(false);
    if (this.#shown || !act()) return;
    this.#from = null;
    this.#save();
  }

  #save(): void {
    this.#model.set("drawn", new DataView(this.#drawing.values.slice().buffer));
    this.#model.save_changes();
    this.#say();
    this.#request();
  }

  #end(cancel: boolean): boolean {
    const open = this.#drawing.open;
    this.#pressed = null;
    if (this.#drawing.end(cancel)) this.#save();
    else if (open) this.#request();
    return open;
  }

  #say(): void {
    const said = this.#model.get("said") as string;
    const error = this.#model.get("error") as string;
    const { share, canUndo, canRedo } = this.#drawing;
    const drawn = share === 0 ? "Nothing drawn yet" : `${fixed(Math.floor(100 * share), 0)} % drawn`;
    setText(this.#message, this.#lost ? LOST : error || said || drawn);
    this.#message.classList.toggle("db-error", this.#lost || error !== "");
    const shown = this.#shown;
    setAttribute(this.#stage, "data-shown", shown);
    this.#undo.disabled = shown || !canUndo;
    this.#redo.disabled = shown || !canRedo;
    this.#clear.disabled = shown || share === 0;
  }

  // ---- pointer and keys -------------------------------------------------------------------------------------

  #listen(shortcuts: Shortcuts, cleanup: Cleanup): void {
    const stage = this.#stage;
    cleanup.listen<PointerEvent>(stage, "pointerdown", (event) => this.#onDown(event));
    cleanup.listen<PointerEvent>(stage, "pointermove", (event) => this.#onMove(event));
    cleanup.listen(stage, "pointerleave", () => this.#onHover(null));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      cleanup.listen<PointerEvent>(stage, type, (event) => {
        if (event.pointerId === this.#pressed?.pointer) this.#end(false);
      });
    }
    keepKeys(this.#root, cleanup);
    cleanup.listen<KeyboardEvent>(this.#root, "keydown", (event) => {
      const command = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      if (event.altKey) return;
      if (command && key === "z" && !event.shiftKey) this.#step(() => this.#drawing.undo());
      else if (command && (key === "z" || key === "y")) this.#step(() => this.#drawing.redo());
      else if (command) return;
      else if (event.key === "?") shortcuts.open();
      else if (event.target !== this.#pen || !this.#onPenKey(event.key, event.shiftKey)) return;
      consume(event);
    });
    cleanup.listen(this.#pen, "focus", () => this.#request());
    cleanup.listen(this.#pen, "blur", () => this.#request());
  }

  /** The place under a point of the stage, the nearest one where it lies beside the plot. */
  #placeAt(x: number, y: number): Place {
    const { n_bins: n, low, high } = this.#info;
    const box = this.#box;
    const bin = clamp(((x - box.x) / box.width) * n - 0.5, 0, n - 1);
    const value = clamp(high - ((y - box.y) / box.height) * (high - low), low, high);
    return { bin, value };
  }

  #onDown(event: PointerEvent): void {
    if (event.button !== 0 || this.#pressed || this.#shown) return;
    const at = pointIn(this.#stage, event);
    if (!holds(this.#box, at, NEAR_PX)) return;
    event.preventDefault();
    this.#pen.focus({ preventScroll: true });
    const start = this.#placeAt(at.x, at.y);
    this.#pressed = {
      pointer: event.pointerId,
      left: event.clientX - at.x,
      top: event.clientY - at.y,
      last: start,
    };
    try {
      this.#stage.setPointerCapture(event.pointerId);
    } catch {
      // Without capture the stroke goes on while the pointer stays over the stage.
    }
    this.#drawing.begin();
    this.#draw(start, start);
  }

  #onMove(event: PointerEvent): void {
    const pressed = this.#pressed;
    if (!pressed) {
      const at = pointIn(this.#stage, event);
      this.#onHover(holds(this.#box, at) ? this.#placeAt(at.x, at.y) : null);
      return;
    }
    if (event.pointerId !== pressed.pointer) return;
    const to = this.#placeAt(event.clientX - pressed.left, event.clientY - pressed.top);
    this.#draw(pressed.last, to);
    pressed.last = to;
  }

  #draw(from: Place, to: Place): void {
    this.#drawing.line(from, to);
    this.#at = { bin: Math.round(to.bin), value: to.value };
    this.#from = this.#at;
    this.#onHover(this.#at);
  }

  #onHover(place: Place | null): void {
    this.#hover = place;
    this.#request();
  }

  /** Whether the key means something to the pen. */
  #onPenKey(key: string, far: boolean): boolean {
    const { n_bins: n, low, high } = this.#info;
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key];
    const bin = { Home: 0, End: n - 1 }[key];
    if (way) {
      const times = far ? FAR : 1;
      const step = Math.max(Math.round(n / STEPS.bin), 1);
      const value = this.#at.value + way[1] * times * ((high - low) / STEPS.value);
      this.#at = {
        bin: clamp(this.#at.bin + way[0] * times * step, 0, n - 1),
        value: clamp(value, low, high),
      };
    } else if (bin !== undefined) this.#at = { ...this.#at, bin };
    else if (key === " " || key === "Enter") {
      if (this.#shown || this.#pressed || (key === "Enter" && far)) return false;
      this.#drawing.begin();
      this.#draw(this.#from ?? this.#at, { ...this.#at });
      this.#end(false);
    } else if (key === "Escape") {
      if (!this.#end(true) && !this.#from) return false;
      this.#from = null;
    } else return false;
    this.#hover = null;
    this.#request();
    return true;
  }

  // ---- on screen --------------------------------------------------------------------------------------------

  #request(): void {
    this.#frames.request(this.#paint);
  }

  readonly #paint = (): void => {
    const { n_bins: n, dt_ms, low, high, unit, n_bands: F } = this.#info;
    const room = inset(this.#surface, MARGIN);
    const above = this.#image ? SOUND_PX + GAP_PX : 0;
    const box = { ...room, y: room.y + above, height: Math.max(room.height - above, 10) };
    this.#box = box;
    layOver(this.#plot, box);
    const ctx = this.#surface.begin();
    if (ctx) {
      this.#theme ??= readTheme(this.#root);
      const theme = this.#theme;
      const every = { from: 0, to: n };
      const place = (value: number) => box.y + box.height * (1 - (value - low) / (high - low));
      const seconds = (n * dt_ms) / 1000;
      const times = linearTicks(0, seconds, Math.max(Math.floor(box.width / 80), 2));
      drawAxis(ctx, theme, box, "bottom", times, (s) => box.x + (s / seconds) * box.width, "time (s)");
      drawAxis(ctx, theme, box, "left", linearTicks(low, high, Math.floor(box.height / 30)), place, unit);
      if (this.#image) {
        const sound = { ...room, height: SOUND_PX };
        this.#image.draw(ctx, sound, 0, n, sound.width * devicePixelRatio);
        const perBand = sound.height / F;
        const height = (band: number) => sound.y + sound.height - (band + 0.5) * perBand;
        drawAxis(ctx, theme, sound, "left", frequencyTicks(this.#cfHz, sound.height), height, "kHz");
        drawFrame(ctx, theme, sound);
      }
      const curves: [string, ArrayLike<number>][] = [
        ...this.#given.map((values): [string, Float32Array] => [theme.recorded, values]),
        [theme.on, floats(this.#model.get("truth"))],
        [theme.model, this.#drawing.values],
      ];
      for (const [colour, values] of curves) {
        const path = pathOn(ctx);
        traceLine(path, values, every, box, place);
        strokeSignal(ctx, colour, path);
      }
      drawFrame(ctx, theme, box);
    }
    const { bin, value } = this.#at;
    moveTo(this.#pen, ((bin + 0.5) / n) * box.width, box.height * (1 - (value - low) / (high - low)));
    setText(this.#readout, this.#textAt(this.#hover ?? this.#at));
    if (!this.#drawing.open) {
      const from = this.#from ? `, from ${this.#textAt(this.#from)}` : "";
      setAria(this.#pen, `Pen: ${this.#info.title}`, [low, high], value, this.#textAt(this.#at) + from);
    }
  };

  /** "0.52 s: 45 dB". */
  #textAt({ bin, value }: Place): string {
    const { dt_ms, unit } = this.#info;
    return `${fixed((Math.round(bin) * dt_ms) / 1000, 3)} s: ${number(value, 3)} ${unit}`.trim();
  }
}

export function mountPrediction(model: BenchModel, el: HTMLElement): () => void {
  const cleanup = new Cleanup();
  new PredictionView(model, el, cleanup);
  return () => cleanup.run();
}
