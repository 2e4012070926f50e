/** What a benchmark reads: how often, when and how late. Only the last 600 times are kept. */

const KEPT = 600;

function keep(times: number[], time: number): void {
  times.push(time);
  if (times.length > KEPT) times.shift();
}

/** Repaints and when they happened, in ms of the page's clock. */
export class Paints {
  count = 0;
  readonly times: number[] = [];

  painted(now: number): void {
    this.count += 1;
    keep(this.times, now);
  }
}

/** Answers to this view. */
export class Counters {
  answers = 0;
  readonly answeredAt: number[] = [];
  readonly rtts: number[] = [];
  /** Round trip of the last answer in ms; null while none could be measured. */
  rttMs: number | null = null;

  answered(now: number, rttMs: number | null): void {
    this.answers += 1;
    keep(this.answeredAt, now);
    if (rttMs === null) return;
    this.rttMs = rttMs;
    keep(this.rtts, rttMs);
  }
}
