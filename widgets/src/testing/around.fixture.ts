/** The bench around a panel, with a time cursor that a test moves. */

import type { Cleanup } from "../base/dom";
import type { Around } from "../panels/mount-panel";

export function fakeAround(rate: number[] = []) {
  let frame: number | null = null;
  const moved = new Set<() => void>();
  const pinned: number[] = [];
  const hovered: (number | null)[] = [];
  const around: Around = {
    rate: () => rate,
    neuron: () => 0,
    onRate: () => {},
    moment: () => frame,
    hover: (at) => hovered.push(at),
    pin: (at) => pinned.push(at),
    onMoment: (changed: () => void, until: Cleanup) => {
      moved.add(changed);
      until.add(() => moved.delete(changed));
    },
  };
  /** Put the cursor at a bin, or at none. */
  const at = (next: number | null) => {
    frame = next;
    for (const changed of moved) changed();
  };
  return { around, at, moved, pinned, hovered };
}
