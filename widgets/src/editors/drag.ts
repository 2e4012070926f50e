/** A pointer that is pressed on something and drags it: capture, the threshold, and one end of it all. */

import type { Cleanup } from "../dom";
import type { OwnGesture } from "./gesture";

/** Pixels a pointer may tremble before it drags. */
const THRESHOLD_PX = 2;

/** What was pressed. */
export interface Grasp {
  /** Takes the pointer, and is marked while it drags. */
  target: HTMLElement;
  /** The press itself begins the gesture. */
  atOnce?: boolean;
  /** Begin the gesture. */
  begin(): void;
  /** Pixels from where the pointer was pressed. */
  move(dx: number, dy: number): void;
  /** Let go: by the hand, taken from it, or taken back. */
  done?(how: "lifted" | "lost" | "cancelled", moved: boolean): void;
}

export class Drag {
  #held: { grasp: Grasp; pointer: number; x: number; y: number; moved: boolean } | null = null;
  readonly #gesture: OwnGesture | null;

  /** `gesture` is null where nothing of the model changes; `press` says what lies under a pointer; null for nothing that can be dragged. */
  constructor(
    root: HTMLElement,
    gesture: OwnGesture | null,
    press: (event: PointerEvent) => Grasp | null,
    cleanup: Cleanup,
  ) {
    this.#gesture = gesture;
    cleanup.listen<PointerEvent>(root, "pointerdown", (event) => {
      if (event.button !== 0 || this.#held) return;
      const grasp = press(event);
      if (grasp) this.#press(grasp, event);
    });
    cleanup.listen<PointerEvent>(root, "pointermove", (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      cleanup.listen<PointerEvent>(root, type, (event) => {
        if (event.pointerId === this.#held?.pointer) this.release(false, type === "pointerup");
      });
    }
  }

  /** Something is pressed. */
  get held(): boolean {
    return this.#held !== null;
  }

  /** It has moved. */
  get moved(): boolean {
    return this.#held?.moved === true;
  }

  /** Let go and end the gesture; `cancel` takes it back. Whether there was one. */
  release(cancel: boolean, lifted = false): boolean {
    const held = this.#held;
    this.#held = null;
    if (held) {
      held.grasp.target.classList.remove("db-dragging");
      try {
        held.grasp.target.releasePointerCapture(held.pointer);
      } catch {
        // The pointer is gone already.
      }
    }
    const ended = this.#gesture ? this.#gesture.end(cancel) : held !== null;
    held?.grasp.done?.(cancel ? "cancelled" : lifted ? "lifted" : "lost", held.moved);
    return ended;
  }

  #press(grasp: Grasp, { pointerId, clientX, clientY }: PointerEvent): void {
    this.#held = { grasp, pointer: pointerId, x: clientX, y: clientY, moved: false };
    try {
      grasp.target.setPointerCapture(pointerId);
    } catch {
      // Without capture the drag still works while the pointer stays over the handle.
    }
    if (grasp.atOnce) this.#start();
  }

  #start(): void {
    const held = this.#held;
    if (!held) return;
    held.moved = true;
    held.grasp.target.classList.add("db-dragging");
    held.grasp.begin();
  }

  #move({ pointerId, clientX, clientY }: PointerEvent): void {
    const held = this.#held;
    if (!held || pointerId !== held.pointer) return;
    const [dx, dy] = [clientX - held.x, clientY - held.y];
    if (!held.moved) {
      if (Math.hypot(dx, dy) < THRESHOLD_PX) return;
      this.#start();
    } else if (this.#gesture?.open === false) {
      this.release(false);
      return;
    }
    held.grasp.move(dx, dy);
  }
}
