/** The stretch of sound on screen: zoom with Ctrl and the wheel or the buttons, pan by dragging or with the arrows. */

import type { Box } from "../base/box";
import { clamp } from "../base/clamp";
import { type Cleanup, consume, element } from "../base/dom";
import type { Window } from "../draw/line";
import { button } from "../ui/button";

const FEWEST_FRAMES = 20;
const ZOOM = 1.6;
/** A sound longer than this is opened on so many seconds: one pixel would hold many bins. */
const LONG_S = 12;
const FIRST_S = 6;

export class TimeAxis {
  readonly tools = element("div.db-tools", { role: "group", "aria-label": "Time axis" });
  window: Window = { from: 0, to: 1 };
  #length = 1;
  #pan: { pointer: number; x: number; from: number } | null = null;

  readonly #stage: HTMLElement;
  readonly #box: () => Box;
  readonly #changed: () => void;

  constructor(stage: HTMLElement, box: () => Box, changed: () => void, cleanup: Cleanup) {
    this.#stage = stage;
    this.#box = box;
    this.#changed = changed;
    const whole = button("Show the whole sound (0)", "whole");
    whole.append(element("span.db-wide", {}, " sound"));
    const tools: [HTMLButtonElement, () => void][] = [
      [button("Zoom out (Ctrl and wheel)", "−", "icon"), () => this.zoom(ZOOM)],
      [button("Zoom in (Ctrl and wheel)", "+", "icon"), () => this.zoom(1 / ZOOM)],
      [whole, () => this.whole()],
    ];
    for (const [tool, act] of tools) {
      cleanup.listen(tool, "click", act);
      this.tools.append(tool);
    }
    cleanup.listen<WheelEvent>(stage, "wheel", (e) => this.#onWheel(e), { passive: false });
    cleanup.listen<PointerEvent>(stage, "pointerdown", (e) => this.#onDown(e));
    cleanup.listen<PointerEvent>(stage, "pointermove", (e) => this.#onMove(e));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      cleanup.listen(stage, type, () => this.#onUp());
    }
    cleanup.listen<KeyboardEvent>(stage, "keydown", (e) => this.#onKey(e));
  }

  /** A sound of so many frames of `dtMs`: all of it is shown, and of a long one its first seconds. */
  setLength(frames: number, dtMs: number): void {
    if (frames === this.#length) return;
    this.#length = Math.max(frames, 1);
    const first = (frames * dtMs) / 1000 > LONG_S ? Math.round((FIRST_S * 1000) / dtMs) : this.#length;
    this.window = { from: 0, to: clamp(first, 1, this.#length) };
  }

  whole(): void {
    this.#show(0, this.#length);
  }

  /** Show `factor` times as many frames around the frame `at` (the middle when left out). */
  zoom(factor: number, at = (this.window.from + this.window.to) / 2): void {
    const { from, to } = this.window;
    const span = Math.min(
      Math.max((to - from) * factor, Math.min(FEWEST_FRAMES, this.#length)),
      this.#length,
    );
    const share = (at - from) / (to - from);
    this.#show(at - share * span, at + (1 - share) * span);
  }

  /** Bring a frame into view. */
  reveal(frame: number): void {
    const { from, to } = this.window;
    if (frame < from) this.#show(frame, frame + to - from);
    else if (frame + 1 > to) this.#show(frame + 1 - (to - from), frame + 1);
  }

  #show(from: number, to: number): void {
    const span = Math.min(to - from, this.#length);
    const start = clamp(from, 0, this.#length - span);
    this.window = { from: start, to: start + span };
    this.#changed();
  }

  #frameAt(clientX: number): number {
    const box = this.#box();
    const share = (clientX - this.#stage.getBoundingClientRect().left - box.x) / box.width;
    return this.window.from + clamp(share, 0, 1) * (this.window.to - this.window.from);
  }

  #onWheel(event: WheelEvent): void {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(1.0025 ** event.deltaY, this.#frameAt(event.clientX));
  }

  #onDown(event: PointerEvent): void {
    if (event.button !== 0 || this.#pan) return;
    this.#pan = { pointer: event.pointerId, x: event.clientX, from: this.window.from };
    try {
      this.#stage.setPointerCapture(event.pointerId);
    } catch {
      // Panning then ends where the pointer leaves the panel.
    }
  }

  #onMove(event: PointerEvent): void {
    const pan = this.#pan;
    if (!pan || pan.pointer !== event.pointerId) return;
    const span = this.window.to - this.window.from;
    if (span >= this.#length || Math.abs(event.clientX - pan.x) < 1) return;
    this.#stage.classList.add("db-panning");
    const from = pan.from - ((event.clientX - pan.x) / this.#box().width) * span;
    this.#show(from, from + span);
  }

  #onUp(): void {
    this.#pan = null;
    this.#stage.classList.remove("db-panning");
  }

  #onKey(event: KeyboardEvent): void {
    // A slider in it has its own keys.
    if (event.target !== this.#stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const span = this.window.to - this.window.from;
    const step = (event.shiftKey ? 0.5 : 0.1) * span;
    if (event.key === "ArrowRight") this.#show(this.window.from + step, this.window.to + step);
    else if (event.key === "ArrowLeft") this.#show(this.window.from - step, this.window.to - step);
    else if (event.key === "+" || event.key === "=") this.zoom(1 / ZOOM);
    else if (event.key === "-" || event.key === "_") this.zoom(ZOOM);
    else if (event.key === "0" || event.key === "Home") this.whole();
    else return;
    consume(event);
  }
}
