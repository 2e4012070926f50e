/** The pinned moment on the time axis, a slider for keys. */

import { type Cleanup, consume, element, setAttribute, setHidden, setStyle } from "../base/dom";
import { fixed, number, px } from "../base/format";
import type { BenchState } from "../state/bench-state";

export class MomentHandle {
  readonly element = element("div.db-moment", {
    role: "slider",
    tabindex: 0,
    "aria-label": "Pinned moment",
    "aria-orientation": "horizontal",
  });
  readonly #state: BenchState;
  readonly #stage: HTMLElement;

  /** `reveal` brings a bin into view; the stage has the focus once the moment is let go of. */
  constructor(state: BenchState, stage: HTMLElement, reveal: (frame: number) => void, cleanup: Cleanup) {
    this.#state = state;
    this.#stage = stage;
    cleanup.listen<KeyboardEvent>(this.element, "keydown", (event) => {
      const { moment, info } = state;
      const at = moment.pinned;
      if (at === null || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = event.shiftKey ? 10 : 1;
      if (event.key === "ArrowRight" || event.key === "ArrowUp") moment.pin(at + step);
      else if (event.key === "ArrowLeft" || event.key === "ArrowDown") moment.pin(at - step);
      else if (event.key === "Home") moment.pin(0);
      else if (event.key === "End") moment.pin(info.n_frames - 1);
      else if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
        moment.pin(null);
        stage.focus({ preventScroll: true });
      } else return;
      if (moment.pinned !== null) reveal(moment.pinned);
      consume(event);
    });
  }

  focus(): void {
    this.#stage.append(this.element);
    setHidden(this.element, false);
    this.element.focus({ preventScroll: true });
  }

  /** Show it at a place of the stage; null where it is out of view. */
  paint(x: number | null): void {
    const { moment, info, rate } = this.#state;
    const { pinned } = moment;
    if (pinned === null) this.element.remove();
    if (pinned === null) return;
    if (this.element.parentElement !== this.#stage) this.#stage.append(this.element);
    // What has the focus keeps it while it is out of view.
    setHidden(this.element, x === null && !this.element.matches(":focus"));
    if (x !== null) setStyle(this.element, "transform", `translateX(${px(x)}px)`);
    const seconds = fixed(((pinned + 0.5) * info.dt_ms) / 1000, 3);
    setAttribute(this.element, "aria-valuemin", 0);
    setAttribute(this.element, "aria-valuemax", info.n_frames - 1);
    setAttribute(this.element, "aria-valuenow", pinned);
    setAttribute(
      this.element,
      "aria-valuetext",
      `${seconds} s, rate ${number(rate[pinned] ?? Number.NaN, 2)}`,
    );
  }
}
