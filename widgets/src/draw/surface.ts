/** A canvas that is as sharp as the screen and as wide as its place. */

import { clamp } from "../base/clamp";
import type { Cleanup } from "../base/dom";
import { SvgContext } from "./svg-context";

/** What is painted goes in here, by canvas, while it is recorded. */
let recorded: Map<Element, SvgContext> | null = null;

/** What `paint` would paint, all of it and on no screen. */
export function record(paint: () => void): ReadonlyMap<Element, SvgContext> {
  const drawn = new Map<Element, SvgContext>();
  recorded = drawn;
  try {
    paint();
  } finally {
    recorded = null;
  }
  return drawn;
}

/** What measures a place that no frame has been painted in yet. */
const unmeasured = new Set<() => void>();

/** Measure before the next frame is painted: a new view has its place by then, and observers would tell it a frame later. */
export function measureFirst(measure: () => void, cleanup: Cleanup): void {
  unmeasured.add(measure);
  cleanup.add(() => unmeasured.delete(measure));
}

export class Surface {
  width = 0;
  height = 0;
  readonly #context: CanvasRenderingContext2D | null;

  constructor(
    readonly canvas: HTMLCanvasElement,
    cleanup: Cleanup,
    onResize: () => void,
  ) {
    this.#context = canvas.getContext("2d");
    const measure = () => {
      const { clientWidth, clientHeight } = canvas;
      if (clientWidth === this.width && clientHeight === this.height) return;
      this.width = clientWidth;
      this.height = clientHeight;
      onResize();
    };
    const observer = new ResizeObserver(measure);
    observer.observe(canvas);
    cleanup.add(() => observer.disconnect());
    measureFirst(measure, cleanup);
    measure();
  }

  /** A cleared context in CSS pixels; null while there is nothing to paint on. */
  begin(): CanvasRenderingContext2D | null {
    if (this.width === 0 || this.height === 0) return null;
    if (recorded) {
      const vector = new SvgContext();
      recorded.set(this.canvas, vector);
      return vector as unknown as CanvasRenderingContext2D;
    }
    if (!this.#context) return null;
    const ratio = devicePixelRatio || 1;
    const [w, h] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#context.clearRect(0, 0, this.width, this.height);
    return this.#context;
  }
}

/** Calls back when a canvas pixel has become larger or smaller: zoom of the page, another screen. */
export function watchPixelRatio(cleanup: Cleanup, onChange: () => void): void {
  let stop = () => {};
  const follow = () => {
    const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    const changed = () => {
      stop();
      follow();
      onChange();
    };
    query.addEventListener("change", changed);
    stop = () => query.removeEventListener("change", changed);
  };
  follow();
  cleanup.add(() => stop());
}

/** Runs painters once in the next animation frame, however often they were requested. */
export class Frames {
  readonly #waiting = new Set<(now: number) => void>();
  #handle: number | null = null;

  constructor(cleanup: Cleanup) {
    cleanup.add(() => {
      this.#waiting.clear();
      if (this.#handle !== null) cancelAnimationFrame(this.#handle);
    });
  }

  request(painter: (now: number) => void): void {
    this.#waiting.add(painter);
    this.#handle ??= requestAnimationFrame((now) => {
      for (const measure of unmeasured) measure();
      unmeasured.clear();
      this.#handle = null;
      this.run(now);
    });
  }

  /** Run what waits for the next frame. */
  run(now: number): void {
    const painters = [...this.#waiting];
    this.#waiting.clear();
    for (const paint of painters) paint(now);
  }
}

/** The values that a picture was last painted from. */
export class PaintInputs {
  #last: unknown[] = [];

  /** Whether any value differs from those of the last call, which these replace; always true while a picture is recorded. */
  changedSince(...given: unknown[]): boolean {
    if (recorded) return true;
    const values = [...given, devicePixelRatio];
    const changed = values.length !== this.#last.length || values.some((value, i) => value !== this.#last[i]);
    this.#last = values;
    return changed;
  }
}

const EASE_MS = 180;

/** A number that follows its goal: at once, after a short glide, or not at all while it is held. */
export class Eased {
  #from = 0;
  #startedAt = 0;
  #goal = Number.NaN;
  value = Number.NaN;

  /** Set the goal; without motion the value is there at once. */
  aim(goal: number, now: number, glide: boolean): void {
    if (goal === this.#goal) return;
    const first = Number.isNaN(this.value);
    this.#goal = goal;
    this.#from = this.value;
    this.#startedAt = now;
    if (first || !glide) this.value = goal;
  }

  /** Move on to `now`; true while it still moves. */
  step(now: number): boolean {
    if (this.value === this.#goal) return false;
    const share = clamp((now - this.#startedAt) / EASE_MS, 0, 1);
    const eased = 1 - (1 - share) ** 3;
    this.value = share >= 1 ? this.#goal : this.#from + eased * (this.#goal - this.#from);
    return this.value !== this.#goal;
  }
}
