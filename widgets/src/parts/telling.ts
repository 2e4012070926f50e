/** Numbers and spoken values: under a hand a few times a second, which is faster than they can be read or heard. */

import type { Frames } from "../draw/surface";

const TELL_MS = 100;

export class Telling {
  #toldAt = -Infinity;
  readonly #frames: Frames;
  readonly #inHand: () => boolean;
  readonly #tell: () => void;

  constructor(frames: Frames, inHand: () => boolean, tell: () => void) {
    this.#frames = frames;
    this.#inHand = inHand;
    this.#tell = tell;
  }

  /** To be called in a frame: tells at once, or in the first frame that is late enough. */
  readonly tell = (now: number): void => {
    if (this.#inHand() && now - this.#toldAt < TELL_MS) {
      this.#frames.request(this.tell);
      return;
    }
    this.#toldAt = now;
    this.#tell();
  };
}
