/** A widget model without a kernel: what anywidget's gives, kept in the browser. */

import type { BenchModel } from "../kernel/contract";

type Callback = (...args: never[]) => void;

export class StaticModel implements BenchModel {
  readonly #values: Map<string, unknown>;
  readonly #callbacks = new Map<string, Set<Callback>>();
  #changes: [string, unknown][] = [];

  /** Receives what the view sends; nothing answers when it is left out. */
  readonly #receive: (content: unknown, buffers: ArrayBuffer[]) => void;

  constructor(
    values: Record<string, unknown>,
    receive: (content: unknown, buffers: ArrayBuffer[]) => void = () => {},
  ) {
    this.#receive = receive;
    this.#values = new Map(Object.entries(values));
  }

  get(name: string): unknown {
    return this.#values.get(name);
  }

  /** Set a trait and notify listeners, as a change from either side does. */
  set(name: string, value: unknown): void {
    if (Object.is(this.#values.get(name), value)) return;
    this.#values.set(name, value);
    this.#changes.push([name, value]);
    this.#emit(`change:${name}`);
  }

  on(event: string, callback: Callback): void {
    const known = this.#callbacks.get(event) ?? new Set();
    known.add(callback);
    this.#callbacks.set(event, known);
  }

  off(event: string, callback: Callback): void {
    this.#callbacks.get(event)?.delete(callback);
  }

  /** How many callbacks are registered: none after the last view has gone. */
  listeners(): number {
    return [...this.#callbacks.values()].reduce((sum, set) => sum + set.size, 0);
  }

  /** Called with what changed since the last time; a host with something behind it overrides this. */
  saved: (changes: [string, unknown][]) => void = () => {};

  save_changes(): void {
    this.saved(this.#changes.splice(0));
  }

  send(content: unknown, _callbacks?: unknown, buffers: ArrayBuffer[] = []): void {
    this.#receive(content, buffers);
  }

  /** A custom message to the view. */
  message(content: unknown, buffers: DataView[] = []): void {
    this.#emit("msg:custom", content, buffers);
  }

  #emit(event: string, ...args: unknown[]): void {
    for (const callback of [...(this.#callbacks.get(event) ?? [])])
      (callback as (...a: unknown[]) => void)(...args);
  }
}
