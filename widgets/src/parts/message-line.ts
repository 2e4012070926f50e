/** One line below: what went wrong, or why nothing moves. */

import { type Cleanup, element, setText } from "../dom";
import { fixed } from "../format";
import type { BenchState } from "../state";

const LATE_MS = 1000;
const SLOW_MS = 250;
const LOOK_MS = 250;

export class MessageLine {
  readonly element = element("p", { class: "db-message", role: "status", "aria-live": "polite" });
  private cancel: (() => void) | null = null;

  constructor(
    private readonly state: BenchState,
    cleanup: Cleanup,
  ) {
    cleanup.add(
      state.onChange((parts) => {
        if (parts.has("message") || parts.has("neuron")) this.paint();
      }),
    );
    cleanup.add(() => this.cancel?.());
    this.paint();
  }

  private paint(): void {
    const { state } = this;
    const waited = state.queue.oldestMs();
    let text = "";
    if (state.error) text = state.error;
    else if (waited > LATE_MS) text = `kernel is busy: ${fixed(waited / 1000, 0)} s`;
    else if (state.rttMs !== null && state.rttMs > SLOW_MS)
      text = `last answer took ${fixed(state.rttMs, 0)} ms`;
    setText(this.element, text);
    this.element.classList.toggle("db-error", state.error !== "");
    if (state.queue.idle || this.cancel) return;
    this.cancel = state.clock.later(() => {
      this.cancel = null;
      this.paint();
    }, LOOK_MS);
  }
}
