/**
 * Latest wins: how edits travel to the kernel and which answers still count.
 *
 * Pure: the clock, the timer and the sender are given. At most `window()` requests are in flight; what does not fit
 * waits and is merged, slot by slot, within its gesture. Nothing final is lost: the last value of every slot and the
 * end of every gesture reach the kernel, a request whose answer never comes is sent again with its own number.
 */

import { clamp } from "../base/clamp";
import type { Edit, EditName, EditRequest, Request, RestoreRequest, RevertRequest } from "./contract";

export const MAX_IN_FLIGHT = 4;
/** Two thirds of a frame: a second request leaves, rounded, where the first takes longer than the frame it was sent in. */
export const LEAST_WORK_MS = 11;
/** Silence after which a request is sent again, doubled each time. */
export const PATIENCE_MS = 4000;
const LONGEST_PATIENCE_MS = 60_000;
/** An answer costs a page that is slow about so many times the time after which anything else has a turn. */
const TURNS_OF_AN_ANSWER = 3;
/** Share of a new measurement in the running means. */
const NEW_SHARE = 0.25;

/** One changed number. */
export interface Slot {
  name: EditName;
  index: number[];
  value: number;
}

export interface QueueOptions {
  client: string;
  send(request: Request, values: Float32Array<ArrayBuffer>): void;
  now(): number;
  /** Calls back once after `ms`; returns what cancels it. */
  later(callback: () => void, ms: number): () => void;
  /** How long the page lately took for its own work before anything else had a turn, in ms. */
  pageMs?(): number;
}

type Command =
  | Omit<RevertRequest, "client" | "seq">
  | Omit<RestoreRequest, "client" | "seq">
  | { type: "undo" | "redo" };
type Waiting =
  | { kind: "edit"; gesture: string; slots: Map<string, Slot>; ended: boolean }
  | { kind: "command"; command: Command };
interface InFlight {
  request: Request;
  values: Float32Array<ArrayBuffer>;
  sentAt: number;
  ahead: number;
  repeated: boolean;
}

/** What an acknowledged answer means for the view. */
export interface Verdict {
  /** A newer answer has been seen: throw this one away. */
  stale: boolean;
  /** Nothing is in flight and nothing waits: the answer holds the present state. */
  idle: boolean;
  /** Time between sending the acknowledged request and this answer; null when it is not known. */
  rttMs: number | null;
}

/** One text for one slot. */
export const slotKey = (slot: Slot) => `${slot.name}/${slot.index.join(",")}`;

export class RequestQueue {
  /** Number of the last request sent, and of the newest answered. */
  seq = 0;
  answered = 0;
  sent = 0;
  #waiting: Waiting[] = [];
  #inFlight: InFlight[] = [];
  #rtt: number | null = null;
  #work: number | null = null;
  #patience = PATIENCE_MS;
  #stopTimer: (() => void) | null = null;
  #closed = false;

  readonly #options: QueueOptions;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Queue new values of a gesture; `end` closes it. */
  push(gesture: string, slots: Slot[], phase: "move" | "end"): void {
    const last = this.#waiting.at(-1);
    let item = last?.kind === "edit" && last.gesture === gesture ? last : null;
    if (!item) {
      item = { kind: "edit", gesture, slots: new Map(), ended: false };
      this.#waiting.push(item);
    }
    for (const slot of slots) item.slots.set(slotKey(slot), slot);
    if (phase === "end") item.ended = true;
    this.#pump();
  }

  /** Queue an undo, redo, revert or restore; it keeps its place among the edits. */
  command(command: Command): void {
    this.#waiting.push({ kind: "command", command });
    this.#pump();
  }

  /** Note an answer to everything up to `seq`. */
  answer(seq: number, workMs: number): Verdict {
    if (seq <= this.answered) return { stale: true, idle: this.idle, rttMs: null };
    const newest = this.#inFlight.filter((f) => f.request.seq <= seq).at(-1);
    let rttMs: number | null = null;
    if (newest && newest.request.seq === seq && !newest.repeated) {
      rttMs = this.#options.now() - newest.sentAt;
      const work = Math.max(workMs, 0.1);
      this.#work = mean(this.#work, work);
      this.#rtt = mean(this.#rtt, Math.max(rttMs - newest.ahead * work, work));
    }
    this.#acknowledge(seq);
    return { stale: false, idle: this.idle, rttMs };
  }

  /** Note that the request `seq`, and with it all before it, was refused. */
  refuse(seq: number): Verdict {
    const stale = seq <= this.answered;
    if (!stale) this.#acknowledge(seq);
    return { stale, idle: this.idle, rttMs: null };
  }

  get idle(): boolean {
    return this.#inFlight.length === 0 && this.#waiting.length === 0;
  }

  /** Requests in flight and waiting. */
  pending(): number {
    return this.#inFlight.length + this.#waiting.length;
  }

  inFlightCount(): number {
    return this.#inFlight.length;
  }

  /** Age in ms of the oldest request without an answer, 0 when there is none. */
  oldestMs(): number {
    return this.#inFlight.length ? this.#options.now() - this.#inFlight[0].sentAt : 0;
  }

  /**
   * How many requests may be in flight: round trip over work time, 1 to 4. Work counts as {@link LEAST_WORK_MS} at least:
   * on a near machine browser, server and kernel share its cores with the drag, and more than an answer for each frame
   * only makes all of them late. On a slow page the round trip is long because answers wait for the page, where more of
   * them only take its time.
   */
  window(): number {
    if (this.#rtt === null || this.#work === null) return 1;
    const page = TURNS_OF_AN_ANSWER * (this.#options.pageMs?.() ?? 0);
    const work = Math.max(this.#work, LEAST_WORK_MS, page);
    return clamp(Math.round(this.#rtt / work), 1, MAX_IN_FLIGHT);
  }

  /** The view goes away: what still waits leaves at once, and nothing is repeated after that. */
  close(): void {
    while (this.#waiting.length > 0) this.#launch(this.#waiting.shift() as Waiting);
    this.#closed = true;
    this.#stopTimer?.();
    this.#stopTimer = null;
  }

  #acknowledge(seq: number): void {
    this.answered = seq;
    this.#inFlight = this.#inFlight.filter((f) => f.request.seq > seq);
    this.#patience = PATIENCE_MS;
    this.#watch();
    this.#pump();
  }

  #pump(): void {
    while (!this.#closed && this.#waiting.length > 0 && this.#inFlight.length < this.window()) {
      this.#launch(this.#waiting.shift() as Waiting);
    }
  }

  #launch(item: Waiting): void {
    const [request, values] = this.#numbered(item);
    const flight = {
      request,
      values,
      sentAt: this.#options.now(),
      ahead: this.#inFlight.length,
      repeated: false,
    };
    this.#inFlight.push(flight);
    if (this.#inFlight.length === 1) this.#watch();
    this.#transmit(flight);
  }

  #numbered(item: Waiting): [Request, Float32Array<ArrayBuffer>] {
    const { client } = this.#options;
    this.seq += 1;
    if (item.kind === "command") return [{ ...item.command, client, seq: this.seq }, new Float32Array(0)];
    const all = [...item.slots.values()];
    const slots = [...all.filter((slot) => !isPainted(slot)), ...all.filter(isPainted).sort(byCell)];
    const edits = runsOf(slots);
    const phase = item.ended ? "end" : "move";
    const request: EditRequest = { type: "edit", client, seq: this.seq, gesture: item.gesture, phase, edits };
    return [request, Float32Array.from(slots, (slot) => slot.value)];
  }

  #transmit(flight: InFlight): void {
    this.sent += 1;
    this.#options.send(flight.request, flight.values);
  }

  /** (Re)start the timer that sends the unanswered again. */
  #watch(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
    if (this.#closed || this.#inFlight.length === 0) return;
    this.#stopTimer = this.#options.later(() => {
      this.#patience = Math.min(2 * this.#patience, LONGEST_PATIENCE_MS);
      for (const flight of [...this.#inFlight]) {
        flight.repeated = true;
        this.#transmit(flight);
      }
      this.#watch();
    }, this.#patience);
  }
}

/** Whether a brush changes it cell by cell. */
const isPainted = ({ name }: Slot) => /^strf\.(kernel|factor_.)$/.test(name);

function byCell(a: Slot, b: Slot): number {
  let way = a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  for (let i = 0; way === 0 && i < a.index.length; i++) way = a.index[i] - b.index[i];
  return way;
}

/** Slots in their order as edits; painted neighbours along the last axis share one. */
function runsOf(slots: Slot[]): Edit[] {
  const edits: Edit[] = [];
  for (const slot of slots) {
    const { name, index } = slot;
    const last = edits.at(-1);
    const count = last?.count ?? 1;
    const follows = (at: number, i: number) =>
      at === (last?.index[i] ?? -1) + (i === index.length - 1 ? count : 0);
    if (last?.name === name && isPainted(slot) && index.every(follows)) last.count = count + 1;
    else edits.push({ name, index });
  }
  return edits;
}

/** The running mean with one more value. */
export function mean(old: number | null, value: number): number {
  return old === null ? value : old + NEW_SHARE * (value - old);
}
