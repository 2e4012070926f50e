/** An open gesture: what a hand shows and sends between its beginning and its end, and what was there before. */

import { type RequestQueue, type Slot, slotKey } from "../kernel/request-queue";
import type { Preview } from "./preview";

export class Gesture {
  readonly id: string;
  /** The Gaussian in hand, of the channel on screen; -1 for none. */
  readonly gaussian: number;
  /** What each slot held before it was touched. */
  readonly #before = new Map<string, Slot>();
  readonly #shown: Preview;
  readonly #queue: RequestQueue;

  constructor(id: string, gaussian: number, shown: Preview, queue: RequestQueue) {
    this.id = id;
    this.gaussian = gaussian;
    this.#shown = shown;
    this.#queue = queue;
  }

  /** Show new values now, and tell the kernel when it can take them. Those that are free and other than before. */
  set(slots: Slot[], locked: readonly string[]): Slot[] {
    const shown = this.#shown;
    const moved = slots.filter(
      (slot) => Number.isFinite(slot.value) && shown.read(slot) !== slot.value && !locked.includes(slot.name),
    );
    if (moved.length === 0) return moved;
    for (const slot of moved) {
      const key = slotKey(slot);
      if (!this.#before.has(key)) this.#before.set(key, { ...slot, value: shown.read(slot) });
    }
    for (const slot of moved) shown.write(slot);
    this.#queue.push(this.id, moved, "move");
    return moved;
  }

  /** End it: one undo entry. `cancel` shows what was there before. The slots that it touched. */
  end(cancel = false): Slot[] {
    const before = [...this.#before.values()];
    const back = cancel ? before : [];
    for (const slot of back) this.#shown.write(slot);
    if (before.length > 0) this.#queue.push(this.id, back, "end");
    return before;
  }
}
