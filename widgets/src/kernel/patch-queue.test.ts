import { beforeEach, describe, expect, it } from "vitest";
import { APART_MS, PATIENCE_MS, PatchQueue } from "./patch-queue";

let now = 0;
let timers: { at: number; callback: () => void }[] = [];
let sent: [from: number, to: number, settled: boolean, seq: number][] = [];
let patches: PatchQueue;

/** Let time pass. */
function pass(ms: number): void {
  const end = now + ms;
  for (;;) {
    const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
    if (!next) break;
    timers = timers.filter((timer) => timer !== next);
    now = next.at;
    next.callback();
  }
  now = end;
}

beforeEach(() => {
  now = 1000;
  timers = [];
  sent = [];
  patches = new PatchQueue({
    send: (...message) => sent.push(message),
    now: () => now,
    later: (callback, ms) => {
      const timer = { at: now + ms, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
  });
});

describe("patches", () => {
  it("have one message in flight: the newest frames replace those that wait", () => {
    patches.push(5, 8, false);
    patches.push(7, 9, false);
    patches.push(2, 3, false);
    pass(500);
    expect(sent).toEqual([[5, 8, false, 1]]);
    patches.answered(1);
    expect(sent.at(-1)).toEqual([2, 9, false, 2]);
    patches.answered(2);
    expect(patches.idle).toBe(true);
  });

  it("leave ten times a second at the most while a stroke runs", () => {
    const times: number[] = [];
    for (let i = 0; i < 100; i++) {
      patches.push(i, i + 1, false);
      patches.answered(patches.seq);
      pass(10);
      while (times.length < sent.length) times.push(now);
    }
    pass(APART_MS);
    expect(times.length).toBe(11);
    times.slice(1).forEach((at, i) => {
      expect(at - times[i]).toBeGreaterThanOrEqual(APART_MS - 10);
    });
    const covered = new Set(
      sent.flatMap(([from, to]) => Array.from({ length: to - from }, (_, k) => from + k)),
    );
    expect(covered.size).toBe(100);
  });

  it("tell the end of a stroke at once, and once", () => {
    patches.push(5, 8, false);
    patches.answered(1);
    pass(1);
    patches.push(8, 9, false);
    patches.push(5, 9, true);
    expect(sent.slice(1)).toEqual([[5, 9, true, 2]]);
    patches.answered(2);
    pass(1000);
    expect(sent.length).toBe(2);
  });

  it("tell an end that had to wait when the answer comes", () => {
    patches.push(5, 8, false);
    patches.push(5, 9, true);
    patches.push(20, 21, false);
    expect(sent.length).toBe(1);
    patches.answered(1);
    expect(sent.at(-1)).toEqual([5, 21, true, 2]);
  });

  it("do not mind an answer to something else", () => {
    patches.push(5, 8, false);
    patches.push(8, 9, false);
    patches.answered(7);
    expect(sent.length).toBe(1);
    expect(patches.idle).toBe(false);
  });

  it("send everything again where no answer comes", () => {
    patches.push(5, 8, true);
    patches.push(8, 9, false);
    pass(PATIENCE_MS - 1);
    expect(sent.length).toBe(1);
    expect(patches.late).toBe(false);
    pass(1);
    expect(sent.at(-1)).toEqual([0, Infinity, true, 2]);
    expect(patches.late).toBe(true);
    patches.answered(2);
    expect(patches.late).toBe(false);
  });

  it("leave when the view goes away, and nothing after that", () => {
    patches.push(5, 8, false);
    patches.push(8, 9, false);
    patches.close();
    expect(sent.at(-1)).toEqual([8, 9, true, 2]);
    expect(timers).toEqual([]);
    patches.answered(2);
    patches.push(1, 2, true);
    pass(2 * PATIENCE_MS);
    expect(sent.length).toBe(2);
  });
});
