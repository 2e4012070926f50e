/** A pointer that is pressed on something and drags it: capture, the threshold, and one end of it all. */

import type { Cleanup } from "../base/dom";

/** Pixels a pointer may tremble before it drags. */
const THRESHOLD_PX = 2;

/** The edit that a drag makes: whether it is open, and its end. */
export interface DragGesture {
  readonly open: boolean;
  /** End it; `cancel` takes it back. Whether it was open. */
  end(cancel?: boolean): boolean;
}

/** What was pressed. */
export interface DragTarget {
  /** Takes the pointer, and is marked while it drags. */
  element: HTMLElement;
  /** The press itself begins the gesture. */
  atOnce?: boolean;
  /** Begin the gesture. */
  begin(): void;
  /** Pixels from where the pointer was pressed. */
  move(dx: number, dy: number): void;
  /** The drag has ended: the pointer was lifted, was lost to something else, or the user cancelled. */
  done?(how: "lifted" | "lost" | "cancelled", moved: boolean): void;
}

export class Drag {
  #held: { target: DragTarget; pointer: number; x: number; y: number; moved: boolean } | null = null;
  readonly #gesture: DragGesture | null;

  /** `gesture` is null where nothing of the model changes; `press` says what lies under a pointer; null for nothing that can be dragged. */
  constructor(
    root: HTMLElement,
    gesture: DragGesture | null,
    press: (event: PointerEvent) => DragTarget | null,
    cleanup: Cleanup,
  ) {
    this.#gesture = gesture;
    cleanup.listen<PointerEvent>(root, "pointerdown", (event) => {
      if (event.button !== 0 || this.#held) return;
      const target = press(event);
      if (target) this.#press(target, event);
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
      held.target.element.classList.remove("db-dragging");
      try {
        held.target.element.releasePointerCapture(held.pointer);
      } catch {
        // The pointer is gone already.
      }
    }
    const ended = this.#gesture ? this.#gesture.end(cancel) : held !== null;
    held?.target.done?.(cancel ? "cancelled" : lifted ? "lifted" : "lost", held.moved);
    return ended;
  }

  #press(target: DragTarget, { pointerId, clientX, clientY }: PointerEvent): void {
    this.#held = { target, pointer: pointerId, x: clientX, y: clientY, moved: false };
    try {
      target.element.setPointerCapture(pointerId);
    } catch {
      // Without capture the drag still works while the pointer stays over the handle.
    }
    if (target.atOnce) this.#start();
  }

  #start(): void {
    const held = this.#held;
    if (!held) return;
    held.moved = true;
    held.target.element.classList.add("db-dragging");
    held.target.begin();
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
    held.target.move(dx, dy);
  }
}
