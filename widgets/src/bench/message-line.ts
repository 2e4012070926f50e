/** What the bench says about itself: one word beside the score, and one line below that says more, or what went wrong. */

import { type Cleanup, element, setAttribute, setText } from "../base/dom";
import { fixed } from "../base/format";
import type { Connection } from "../kernel/connection";
import { LOST } from "../kernel/delivery";
import type { BenchState } from "../state/bench-state";

const LATE_MS = 1000;
const SLOW_MS = 250;
const CHECK_MS = 250;

const WORDS: Record<Connection, string> = { live: "live", lost: "connection lost", gone: "kernel gone" };
const SENTENCES: Record<Connection, string> = {
  live: "",
  lost: "Connection to the kernel lost, trying again: what is edited meanwhile is sent when it is back",
  gone: LOST,
};

export class MessageLine {
  readonly element = element("p.db-message", { role: "status", "aria-live": "polite" });
  /** Whether the kernel answers. */
  readonly badge = element("output.db-link", { "aria-label": "State of the bench" });
  #cancel: (() => void) | null = null;
  /** Since when the arrays on screen are of another neuron than the one chosen. */
  #staleSince: number | null = null;

  readonly #state: BenchState;

  constructor(state: BenchState, cleanup: Cleanup) {
    this.#state = state;
    cleanup.add(() => this.#cancel?.());
    state.watch(cleanup, ["message", "neuron", "connection"], () => this.#paint());
  }

  #paint(): void {
    const state = this.#state;
    const waited = state.queue.oldestMs();
    this.#staleSince = state.current ? null : (this.#staleSince ?? state.clock.now());
    const stale = this.#staleSince === null ? 0 : state.clock.now() - this.#staleSince;
    const busyMs = state.connection === "live" ? Math.max(waited, stale) : 0;
    let text = this.#about();
    if (!text && waited > LATE_MS) text = `kernel is busy: ${fixed(waited / 1000, 0)} s`;
    else if (!text && stale > LATE_MS) text = `waiting for ${this.#wanted()}: ${fixed(stale / 1000, 0)} s`;
    else if (!text && state.rttMs !== null && state.rttMs > SLOW_MS)
      text = `last answer took ${fixed(state.rttMs, 0)} ms`;
    setText(this.element, text);
    const bad = state.error !== "" || state.connection !== "live";
    this.element.classList.toggle("db-error", bad);
    this.#paintBadge(busyMs);
    if (state.gone || (state.queue.idle && state.current) || this.#cancel) return;
    this.#cancel = state.clock.later(() => {
      this.#cancel = null;
      this.#paint();
    }, CHECK_MS);
  }

  #wanted(): string {
    const { info, neuron, sound } = this.#state;
    return info.sound === sound ? `neuron ${neuron + 1}` : `sound ${sound + 1}`;
  }

  /** What has gone wrong; empty when all is well. */
  #about(): string {
    const { connection, error, left } = this.#state;
    if (left) return `${LOST}; the new bench offers to put your edits back`;
    return SENTENCES[connection] || error;
  }

  #paintBadge(busyMs: number): void {
    const { connection } = this.#state;
    const busy = busyMs > LATE_MS;
    const since = () => new Date(Date.now() - busyMs).toLocaleTimeString();
    setText(this.badge, busy ? `kernel busy since ${since()}` : WORDS[connection]);
    setAttribute(this.badge, "data-link", busy ? "busy" : connection);
  }
}
