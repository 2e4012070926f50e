import { describe, expect, it } from "vitest";
import type { EditRequest, Request } from "./contract";
import { MAX_IN_FLIGHT, PATIENCE_MS, RequestQueue, type Slot } from "./request-queue";

const slot = (value: number, g = 0, name: Slot["name"] = "strf.weight"): Slot => ({
  name,
  index: [0, 0, g],
  value,
});

/** A clock that only moves when it is set, with its timers. */
class FakeClock {
  time = 0;
  private timers: { at: number; callback: () => void }[] = [];
  now = () => this.time;
  later = (callback: () => void, ms: number) => {
    const timer = { at: this.time + ms, callback };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((t) => t !== timer);
    };
  };
  get waiting(): number {
    return this.timers.length;
  }
  to(time: number): void {
    for (;;) {
      const due = this.timers.filter((t) => t.at <= time).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.timers = this.timers.filter((t) => t !== due);
      this.time = Math.max(this.time, due.at);
      due.callback();
    }
    this.time = time;
  }
}

function made() {
  const clock = new FakeClock();
  const out: { request: Request; values: number[] }[] = [];
  const queue = new RequestQueue({
    client: "me",
    now: clock.now,
    later: clock.later,
    send: (request, values) => out.push({ request, values: [...values] }),
  });
  return { clock, out, queue };
}

describe("RequestQueue", () => {
  it("sends the first at once and merges what waits, newest value first", () => {
    const { out, queue } = made();
    queue.push("g1", [slot(1)], "move");
    queue.push("g1", [slot(2)], "move");
    queue.push("g1", [slot(3), slot(9, 1)], "move");
    expect(out).toHaveLength(1);
    queue.answer(1, 5);
    expect(out).toHaveLength(2);
    const { request, values } = out[1];
    expect(request).toMatchObject({ type: "edit", client: "me", seq: 2, gesture: "g1", phase: "move" });
    expect((request as EditRequest).edits.map((e) => e.index)).toEqual([
      [0, 0, 0],
      [0, 0, 1],
    ]);
    expect(values).toEqual([3, 9]);
  });

  it("tells the age of the oldest request without an answer", () => {
    const { clock, queue } = made();
    expect(queue.oldestMs()).toBe(0);
    queue.push("g", [slot(1)], "move");
    clock.to(30);
    expect(queue.oldestMs()).toBe(30);
    queue.answer(1, 5);
    expect(queue.oldestMs()).toBe(0);
  });

  it("keeps the ends of gestures and the order of undo among them", () => {
    const { out, queue } = made();
    queue.push("g1", [slot(1)], "move");
    queue.push("g1", [slot(2)], "end");
    queue.push("g2", [slot(3)], "move");
    queue.command({ type: "undo" });
    queue.push("g2", [slot(4)], "end");
    for (let seq = 1; seq <= 5; seq++) queue.answer(seq, 1000);
    const phases = out.map(({ request, values }) => [
      request.type,
      (request as EditRequest).phase,
      ...values,
    ]);
    expect(phases).toEqual([
      ["edit", "move", 1],
      ["edit", "end", 2],
      ["edit", "move", 3],
      ["undo", undefined],
      ["edit", "end", 4],
    ]);
    expect(queue.idle).toBe(true);
  });

  it("keeps the end of a gesture even where more of it comes late", () => {
    const { out, queue } = made();
    queue.push("g0", [slot(0)], "end");
    queue.push("g1", [slot(1)], "end");
    queue.push("g1", [slot(2)], "move");
    queue.answer(1, 1);
    expect(out[1]).toMatchObject({ request: { gesture: "g1", phase: "end" }, values: [2] });
  });

  it("drops answers that a newer one has overtaken, and duplicates", () => {
    const { clock, queue } = made();
    queue.push("g", [slot(1)], "move");
    clock.to(10);
    expect(queue.answer(1, 5)).toEqual({ stale: false, idle: true, rttMs: 10 });
    expect(queue.answer(1, 5).stale).toBe(true);
    queue.push("g", [slot(2)], "move");
    queue.push("g", [slot(3)], "move");
    expect(queue.answer(0, 5).stale).toBe(true);
    expect(queue.answer(2, 5)).toMatchObject({ stale: false, idle: false });
    expect(queue.answer(3, 5)).toMatchObject({ stale: false, idle: true });
  });

  it("takes an error as an acknowledgement and goes on", () => {
    const { out, queue } = made();
    queue.push("g", [slot(1)], "move");
    queue.push("g", [slot(2)], "end");
    expect(queue.refuse(1).stale).toBe(false);
    expect(out[1].values).toEqual([2]);
    expect(queue.refuse(1).stale).toBe(true);
    queue.refuse(2);
    expect(queue.idle).toBe(true);
  });

  it("opens the window to the round trip over the work time, and not for a busy kernel", () => {
    // A quick kernel: a line of less than a frame, 16.7 ms, opens 1, of two frames 3, and of many 4 (at most).
    for (const [line, open] of [
      [15, 1],
      [18, 2],
      [33, 3],
      [400, MAX_IN_FLIGHT],
    ]) {
      const far = made();
      for (let i = 1; i <= 30; i++) {
        far.queue.push("g", [slot(i)], "move");
        far.clock.to(far.clock.time + line);
        far.queue.answer(far.queue.seq, 2);
      }
      expect(far.queue.window()).toBe(open);
    }
    const busy = made();
    for (let i = 1; i <= 30; i++) {
      busy.queue.push("g", [slot(i)], "move");
      busy.clock.to(busy.clock.time + 34);
      busy.queue.answer(busy.queue.seq, 30);
    }
    expect(busy.queue.window()).toBe(1);
  });

  it("opens no window for answers that wait for a slow page", () => {
    let pageMs = 120;
    const clock = new FakeClock();
    const queue = new RequestQueue({
      client: "me",
      now: clock.now,
      later: clock.later,
      pageMs: () => pageMs,
      send: () => {},
    });
    for (let i = 1; i <= 30; i++) {
      queue.push("g", [slot(i)], "move");
      clock.to(clock.time + 400);
      queue.answer(queue.seq, 2);
    }
    expect(queue.window()).toBe(1);
    pageMs = 12;
    expect(queue.window()).toBe(MAX_IN_FLIGHT);
  });

  it("takes the first measurement in full, and of each further one a quarter", () => {
    const { clock, queue } = made();
    const answeredAfter = (ms: number, work: number) => {
      queue.push("g", [slot(clock.time)], "move");
      clock.to(clock.time + ms);
      queue.answer(queue.seq, work);
    };
    answeredAfter(200, 50);
    expect(queue.window()).toBe(4);
    // 200 - (200 - 50) / 4 is 162.5 ms: three times the work.
    answeredAfter(50, 50);
    expect(queue.window()).toBe(3);
  });

  it("measures the round trip in units of the work that the kernel reports", () => {
    const { clock, queue } = made();
    queue.push("g", [slot(1)], "move");
    clock.to(400);
    queue.answer(1, 200);
    expect(queue.window()).toBe(2);
  });

  it("leaves its own queue out of the round trip", () => {
    // A kernel with 30 ms of work and no line: four in flight answer after 30, 60, 90, 120 ms.
    const { clock, queue } = made();
    for (let i = 1; i <= 30; i++) {
      queue.push("g", [slot(i)], "move");
      clock.to(clock.time + 200);
      queue.answer(i, 30);
    }
    expect(queue.window()).toBe(MAX_IN_FLIGHT);
    let doneAt = clock.time;
    let answered = queue.seq;
    for (let i = 0; i < 60; i++) {
      queue.push("g", [slot(100 + i)], "move");
      if (queue.inFlightCount() === queue.window()) {
        doneAt = Math.max(doneAt, clock.time) + 30;
        clock.to(doneAt);
        answered += 1;
        queue.answer(answered, 30);
      }
    }
    expect(queue.window()).toBe(1);
  });

  it("sends an unanswered request again under its own number, ever more rarely", () => {
    const { clock, out, queue } = made();
    queue.push("g", [slot(1)], "end");
    clock.to(PATIENCE_MS - 1);
    expect(out).toHaveLength(1);
    clock.to(PATIENCE_MS);
    expect(out[1]).toEqual(out[0]);
    clock.to(2 * PATIENCE_MS);
    expect(out).toHaveLength(2);
    clock.to(3 * PATIENCE_MS);
    expect(out).toHaveLength(3);
    // Which of the copies is answered is not known: no round trip is taken from it.
    expect(queue.answer(1, 5).rttMs).toBeNull();
    expect(clock.waiting).toBe(0);
  });

  it("waits at most a minute between two tries, and after an answer as long as at first", () => {
    const { clock, out, queue } = made();
    queue.push("g", [slot(1)], "end");
    const tries: number[] = [];
    for (let sent = out.length; clock.time < 400_000; clock.to(clock.time + 1000)) {
      if (out.length > sent) tries.push(clock.time);
      sent = out.length;
    }
    const gaps = tries.slice(1).map((time, i) => time - tries[i]);
    // 4 s and 8 s pass before the second and the third try; from then on doubled up to a minute.
    expect(gaps).toEqual([8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000, 60_000]);
    queue.answer(1, 5);
    queue.push("g2", [slot(2)], "end");
    const begun = out.length;
    clock.to(clock.time + PATIENCE_MS - 1);
    expect(out).toHaveLength(begun);
    clock.to(clock.time + 1);
    expect(out).toHaveLength(begun + 1);
  });

  it("takes no notice of a refusal that comes after a newer answer", () => {
    const { out, queue } = made();
    queue.push("g", [slot(1)], "move");
    queue.answer(1, 5);
    queue.push("g", [slot(2)], "move");
    queue.push("g", [slot(3)], "move");
    expect(queue.refuse(1)).toEqual({ stale: true, idle: false, rttMs: null });
    expect(queue.pending()).toBe(2);
    expect(out).toHaveLength(2);
    expect(queue.refuse(2)).toEqual({ stale: false, idle: false, rttMs: null });
    expect(out).toHaveLength(3);
  });

  it("lets go of everything at the end and leaves no timer", () => {
    const { clock, out, queue } = made();
    queue.push("g", [slot(1)], "move");
    queue.push("g", [slot(2)], "end");
    queue.close();
    expect(out.map(({ values }) => values[0])).toEqual([1, 2]);
    expect(clock.waiting).toBe(0);
    queue.push("g2", [slot(3)], "end");
    queue.answer(2, 1);
    expect(out).toHaveLength(2);
  });
});

/** Uniform numbers in [0, 1) that depend on the seed alone. */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

describe("over a line whose answers are late, doubled, out of order and lost", () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    "the last value of every slot arrives (seed %i)",
    (seed) => {
      const next = random(seed);
      const clock = new FakeClock();
      const kernel = new Map<string, number>();
      const ended = new Set<string>();
      let newest = 0;
      const loss = seed % 4 === 0 ? 0 : 0.25;
      const inFlight: number[] = [];
      const queue: RequestQueue = new RequestQueue({
        client: "me",
        now: clock.now,
        later: clock.later,
        send: (request, values) => {
          expect(queue.inFlightCount()).toBeLessThanOrEqual(MAX_IN_FLIGHT);
          inFlight.push(queue.inFlightCount());
          const copies = next() < 0.2 ? 2 : 1;
          for (let copy = 0; copy < copies; copy++) {
            // The way to the kernel is one ordered line; a repeated request is only answered.
            if (request.seq > newest && request.type === "edit") {
              expect(request.seq).toBe(newest + 1);
              request.edits.forEach((edit, i) => {
                kernel.set(`${edit.name}/${edit.index}`, values[i]);
              });
            }
            if (request.type === "edit" && request.phase === "end") ended.add(request.gesture);
            const seq = request.seq;
            newest = Math.max(newest, seq);
            if (next() < loss) continue;
            clock.later(
              () => (next() < 0.1 ? queue.refuse(seq) : queue.answer(seq, 1 + 30 * next())),
              400 * next(),
            );
          }
        },
      });
      const wanted = new Map<string, number>();
      const gestures: string[] = [];
      for (let gesture = 0; gesture < 6; gesture++) {
        const id = `g${gesture}`;
        const g = Math.floor(3 * next());
        const moves = 1 + Math.floor(25 * next());
        for (let move = 0; move < moves; move++) {
          const value = Math.fround(next());
          wanted.set(`strf.weight/0,0,${g}`, value);
          queue.push(id, [slot(value, g)], "move");
          clock.to(clock.time + 16);
        }
        queue.push(id, [], "end");
        gestures.push(id);
      }
      for (let i = 0; i < 4000 && !queue.idle; i++) clock.to(clock.time + 250);
      expect(queue.idle).toBe(true);
      expect(queue.pending()).toBe(0);
      expect(Object.fromEntries(kernel)).toEqual(Object.fromEntries(wanted));
      expect([...ended]).toEqual(gestures);
      expect(Math.max(...inFlight)).toBeLessThanOrEqual(MAX_IN_FLIGHT);
    },
  );

  it("sends painted neighbours as runs, whatever their order, and the rest as it came", () => {
    const { queue, out } = made();
    const cell = (value: number, ...index: number[]) => ({
      name: "strf.kernel",
      index: [0, ...index],
      value,
    });
    queue.push(
      "a",
      [cell(5, 1, 0, 0), cell(3, 0, 2, 4), slot(9), cell(1, 0, 2, 2), cell(2, 0, 2, 3), cell(4, 0, 3, 5)],
      "end",
    );
    expect((out[0].request as EditRequest).edits).toEqual([
      { name: "strf.weight", index: [0, 0, 0] },
      { name: "strf.kernel", index: [0, 0, 2, 2], count: 3 },
      { name: "strf.kernel", index: [0, 0, 3, 5] },
      { name: "strf.kernel", index: [0, 1, 0, 0] },
    ]);
    expect(out[0].values).toEqual([9, 1, 2, 3, 4, 5]);
  });

  it("joins painted neighbours of two profiles whatever the order in which they were painted", () => {
    const { out, queue } = made();
    queue.push("g", [slot(1)], "move");
    for (let i = 0; i < 3; i++)
      for (const name of ["strf.factor_t", "strf.factor_f"]) queue.push("g", [slot(i, i, name)], "move");
    queue.answer(1, 5);
    expect((out[1].request as EditRequest).edits).toEqual([
      { name: "strf.factor_f", index: [0, 0, 0], count: 3 },
      { name: "strf.factor_t", index: [0, 0, 0], count: 3 },
    ]);
    expect(out[1].values).toEqual([0, 1, 2, 0, 1, 2]);
  });
});
