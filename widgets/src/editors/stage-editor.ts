/** What the editors of the three stages share: they paint in the next frame, and update texts less often in a drag. */

import type { Frames } from "../draw/surface";
import type { Theme } from "../draw/theme";
import type { BenchState } from "../state/bench-state";
import { ThrottledAnnouncer } from "../ui/throttled-announcer";
import { Tip } from "../ui/tip";

export abstract class StageEditor {
  protected readonly announcer: ThrottledAnnouncer;
  /** Numbers beside the hand. */
  protected readonly tip = new Tip();

  constructor(
    protected readonly state: BenchState,
    protected readonly frames: Frames,
    protected readonly theme: () => Theme,
  ) {
    this.announcer = new ThrottledAnnouncer(
      frames,
      () => this.dragging,
      () => {
        this.tip.renew();
        this.describe();
      },
    );
  }

  /** Paint in the next frame. */
  requestPaint(): void {
    this.frames.request(this.paint);
  }

  protected abstract get dragging(): boolean;
  protected abstract readonly paint: (now: number) => void;
  /** Update what need not follow every frame of a drag: numbers, and texts for screen readers. */
  protected abstract describe(): void;
}
