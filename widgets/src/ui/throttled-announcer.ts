/** Numbers and screen-reader texts: while the user drags a few times a second, which is faster than anyone reads or hears. */

import type { Frames } from "../draw/surface";

const INTERVAL_MS = 200;

export class ThrottledAnnouncer {
  #announcedAt = -Infinity;
  readonly #frames: Frames;
  readonly #dragging: () => boolean;
  readonly #update: () => void;

  constructor(frames: Frames, dragging: () => boolean, update: () => void) {
    this.#frames = frames;
    this.#dragging = dragging;
    this.#update = update;
  }

  /** Call it in every frame: it updates at once, or in the first frame that is late enough. */
  readonly announce = (now: number): void => {
    if (this.#dragging() && now - this.#announcedAt < INTERVAL_MS) {
      this.#frames.request(this.announce);
      return;
    }
    this.#announcedAt = now;
    this.#update();
  };
}
