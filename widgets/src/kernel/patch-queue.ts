/** How painted frames travel to the kernel: one message in flight, and what is painted meanwhile leaves as one. */

/** Shortest time between two messages of a running stroke. */
export const APART_MS = 100;
/** Silence after which everything is sent again. */
export const PATIENCE_MS = 4000;

interface Options {
  /** Send these frames as they are now. */
  send(from: number, to: number, settled: boolean, seq: number): void;
  now(): number;
  /** Calls back once after `ms`; returns what cancels it. */
  later(callback: () => void, ms: number): () => void;
}

export class PatchQueue {
  seq = 0;
  /** No answer has come for so long that everything was sent again. */
  late = false;
  #from = Infinity;
  #to = -Infinity;
  #settled = false;
  #waits = false;
  #inFlight = false;
  #closed = false;
  #sentAt = -Infinity;
  #cancel = () => {};
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  get idle(): boolean {
    return !this.#waits && !this.#inFlight;
  }

  /** These frames have changed; `settled` at the end of a stroke, which is sent without delay. */
  push(from: number, to: number, settled: boolean): void {
    this.#from = Math.min(this.#from, from);
    this.#to = Math.max(this.#to, to);
    this.#settled ||= settled;
    this.#waits = true;
    this.#pump();
  }

  /** The kernel has taken or refused a message. */
  answered(seq: number): void {
    if (seq !== this.seq || !this.#inFlight) return;
    this.#cancel();
    this.#inFlight = this.late = false;
    this.#pump();
  }

  /** The view goes away: what waits leaves at once, as the end. */
  close(): void {
    this.#cancel();
    if (this.#waits) this.#launch(true);
    this.#closed = true;
    this.#cancel();
  }

  #pump(): void {
    if (this.#closed || !this.#waits || this.#inFlight) return;
    const { now, later } = this.#options;
    this.#cancel();
    const wait = this.#settled ? 0 : this.#sentAt + APART_MS - now();
    if (wait > 0) this.#cancel = later(() => this.#pump(), wait);
    else this.#launch(this.#settled);
  }

  #launch(settled: boolean): void {
    const { send, now, later } = this.#options;
    const [from, to] = [this.#from, this.#to];
    [this.#from, this.#to] = [Infinity, -Infinity];
    this.#waits = this.#settled = false;
    this.#inFlight = true;
    this.#sentAt = now();
    this.seq += 1;
    send(from, to, settled, this.seq);
    this.#cancel = later(() => {
      this.#inFlight = false;
      this.late = true;
      this.push(0, Infinity, settled);
    }, PATIENCE_MS);
  }
}
