/** One line below: what went wrong, or why nothing moves. */

import { type Cleanup, element, setText } from "../base/dom";
import { fixed } from "../base/format";
import type { BenchState } from "../state/bench-state";

const LATE_MS = 1000;
const SLOW_MS = 250;
const CHECK_MS = 250;

export class MessageLine {
  readonly element = element("p.db-message", { role: "status", "aria-live": "polite" });
  #cancel: (() => void) | null = null;
  /** Since when the arrays on screen are of another neuron than the one chosen. */
  #staleSince: number | null = null;

  readonly #state: BenchState;

  constructor(state: BenchState, cleanup: Cleanup) {
    this.#state = state;
    cleanup.add(() => this.#cancel?.());
    state.watch(cleanup, ["message", "neuron"], () => this.#paint());
  }

  #paint(): void {
    const state = this.#state;
    const waited = state.queue.oldestMs();
    this.#staleSince = state.current ? null : (this.#staleSince ?? state.clock.now());
    const stale = this.#staleSince === null ? 0 : state.clock.now() - this.#staleSince;
    let text = "";
    if (state.error) text = state.error;
    else if (waited > LATE_MS) text = `kernel is busy: ${fixed(waited / 1000, 0)} s`;
    else if (stale > LATE_MS) text = `waiting for neuron ${state.neuron}: ${fixed(stale / 1000, 0)} s`;
    else if (state.rttMs !== null && state.rttMs > SLOW_MS)
      text = `last answer took ${fixed(state.rttMs, 0)} ms`;
    setText(this.element, text);
    this.element.classList.toggle("db-error", state.error !== "");
    if ((state.queue.idle && state.current) || this.#cancel) return;
    this.#cancel = state.clock.later(() => {
      this.#cancel = null;
      this.#paint();
    }, CHECK_MS);
  }
}
