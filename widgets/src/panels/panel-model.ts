/** The model of a widget that is a panel of another one: traits and messages travel in messages of the widget around it. */

import type { BenchModel } from "../kernel/contract";

type Callback = (...args: never[]) => void;
type Buffers = ArrayLike<DataView | ArrayBuffer | Uint8Array>;

/** What travels, in Jupyter's own words: "update" with traits, "custom" with a message. */
export interface PanelData {
  method: string;
  state?: Record<string, unknown>;
  buffer_paths?: string[][];
  content?: unknown;
  module?: string;
  text?: string;
}
export interface PanelMessage {
  type: "panel";
  panel: string;
  /** The only view that it is for; every one where there is none. */
  to?: string;
  /** The view whose own setting this is the echo of. */
  of?: string;
  data: PanelData;
}

export class PanelModel implements BenchModel {
  readonly #values = new Map<string, unknown>();
  readonly #callbacks = new Map<string, Set<Callback>>();
  readonly #unsaved = new Set<string>();
  readonly #post: (data: PanelData, buffers: ArrayBuffer[]) => void;

  constructor(post: (data: PanelData, buffers: ArrayBuffer[]) => void) {
    this.#post = post;
  }

  get(name: string): unknown {
    return this.#values.get(name);
  }

  set(name: string, value: unknown): void {
    this.#unsaved.add(name);
    this.#take(name, value);
  }

  on(event: string, callback: Callback): void {
    const known = this.#callbacks.get(event) ?? new Set();
    this.#callbacks.set(event, known.add(callback));
  }

  off(event: string, callback: Callback): void {
    this.#callbacks.get(event)?.delete(callback);
  }

  save_changes(): void {
    const state = Object.fromEntries([...this.#unsaved].map((name) => [name, this.get(name)]));
    this.#unsaved.clear();
    if (Object.keys(state).length > 0) this.#post({ method: "update", state, buffer_paths: [] }, []);
  }

  send(content: unknown, _callbacks?: unknown, buffers: ArrayBuffer[] = []): void {
    this.#post({ method: "custom", content }, buffers);
  }

  /** Take over what the kernel has sent. */
  receive({ method, state, buffer_paths, content }: PanelData, buffers: Buffers): void {
    if (method === "custom") this.#emit("msg:custom", content, buffers);
    if (!state) return;
    const values = new Map(Object.entries(state));
    for (const [i, [name]] of (buffer_paths ?? []).entries()) values.set(name, buffers[i]);
    for (const [name, value] of values) this.#take(name, value);
  }

  #take(name: string, value: unknown): void {
    if (Object.is(this.get(name), value)) return;
    this.#values.set(name, value);
    this.#emit(`change:${name}`);
  }

  #emit(event: string, ...args: unknown[]): void {
    for (const callback of [...(this.#callbacks.get(event) ?? [])])
      (callback as (...a: unknown[]) => void)(...args);
  }
}
