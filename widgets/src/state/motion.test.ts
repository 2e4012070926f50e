/** A fit moves the model while the user drags a part of it. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EditRequest } from "../kernel/contract";
import { bytes, Fixture, GAUSSIANS } from "../testing/bench.fixture";
import { BenchState } from "./bench-state";

/** Each motion comes in a frame of its own. */
let time = 0;
const clock = {
  now: () => {
    time += 17;
    return time;
  },
  later: () => () => {},
};
const made = (traits: Record<string, unknown> = {}, info = {}) => {
  const fixture = new Fixture({ playing: true, pins: [], ...traits }, info);
  return { fixture, state: new BenchState(fixture.model, clock) };
};
/** A state from 1000 ms on, whose clock goes on when the test says so. */
const timed = () => {
  let now = 1000;
  const later: { callback: () => void; at: number }[] = [];
  const fixture = new Fixture({ playing: true, pins: [], revision: 0 });
  const state = new BenchState(fixture.model, {
    now: () => now,
    later: (callback, ms) => {
      const one = { callback, at: now + ms };
      later.push(one);
      return () => later.splice(later.indexOf(one), 1);
    },
  });
  const until = (ms: number) => {
    now = ms;
    for (const one of later.filter(({ at }) => at <= ms)) {
      later.splice(later.indexOf(one), 1);
      one.callback();
    }
  };
  return { fixture, state, until };
};
const moved = (by: number) => GAUSSIANS.map((value) => Math.fround(value + by));
let number = 0;
const motion = (fixture: Fixture, gaussians: number[], more: object = {}) => {
  number += 1;
  fixture.model.message(
    { type: "motion", number, neuron: 0, version: number, parts: ["gaussians"], ...more },
    [bytes(gaussians)],
  );
};
const edits = (fixture: Fixture) => fixture.requests.filter((r): r is EditRequest => r.type === "edit");

describe("a fit that moves the model", () => {
  it("moves what nobody holds", () => {
    const { fixture, state } = made();
    motion(fixture, moved(0.25));
    expect([...state.gaussians]).toEqual(moved(0.25));
  });

  it("leaves what the user drags where it is dragged, and moves all else", () => {
    const { fixture, state } = made();
    state.beginGesture(1);
    state.edit({ band: 2.5 });
    motion(fixture, moved(0.25));
    expect(state.gaussian(1).band).toBe(2.5);
    expect(state.gaussian(1).weight).toBe(-0.25);
    expect(state.gaussian(0).band).toBe(1.25);
  });

  it("leaves a Gaussian that is grabbed and not moved yet, and the kernel knows of it", () => {
    const { fixture, state } = made();
    state.beginGesture(0);
    motion(fixture, moved(0.25));
    expect(state.gaussian(0)).toEqual({ band: 1, frame: 2, sigma_bands: 1, sigma_frames: 1, weight: 0.5 });
    expect(edits(fixture)[0]).toMatchObject({ phase: "move", edits: { length: 5 } });
    fixture.answer({});
    state.endGesture();
    expect(edits(fixture).at(-1)).toMatchObject({ phase: "end" });
  });

  it("does not tell the kernel of a grab where nothing is played", () => {
    const { fixture, state } = made({ playing: false });
    state.beginGesture(0);
    state.endGesture();
    expect(edits(fixture)).toEqual([]);
  });

  it("moves a parameter again once its drag has ended and the kernel knows of it", () => {
    const { fixture, state } = made();
    state.beginGesture(1);
    state.edit({ band: 2.5 });
    state.endGesture();
    for (let i = 0; i < 4; i++) fixture.answer({ revision: 0 });
    motion(fixture, moved(0.5));
    expect([...state.gaussians]).toEqual(moved(0.5));
  });

  it("says when it has painted, and shows another neuron nothing", () => {
    const later: (() => void)[] = [];
    const fixture = new Fixture({ playing: true, pins: [] });
    const state = new BenchState(fixture.model, {
      now: () => 0,
      later: (callback) => {
        later.push(callback);
        return () => {};
      },
    });
    for (const _ of [1, 2]) motion(fixture, moved(0.25), { neuron: 2 });
    expect([...state.gaussians]).toEqual(GAUSSIANS.map(Math.fround));
    for (const callback of later) callback();
    expect(fixture.requests).toEqual([
      expect.objectContaining({ type: "painted", seq: number - (number % 2) }),
    ]);
  });

  it("shows the newest of those that come within one frame in the next frame", () => {
    const { fixture, state, until } = timed();
    let shown = 0;
    state.onChange((parts) => {
      if (parts.has("field")) shown += 1;
    });
    const seen = () => [
      shown,
      Number(((state.gaussians[0] as number) - (GAUSSIANS[0] as number)).toFixed(3)),
    ];
    motion(fixture, moved(0.125));
    expect(seen()).toEqual([1, 0.125]);
    until(1003);
    motion(fixture, moved(0.25));
    motion(fixture, moved(0.375));
    expect(seen()).toEqual([1, 0.125]);
    until(1017);
    expect(seen()).toEqual([2, 0.375]);
    until(1033);
    motion(fixture, moved(0.5));
    expect(seen()).toEqual([2, 0.375]);
    state.close();
    until(1100);
    expect(seen()).toEqual([2, 0.375]);
  });

  it("does not show a step that waits for its frame once the kernel knows of a later edit", () => {
    const { fixture, state, until } = timed();
    motion(fixture, moved(0.125));
    until(1003);
    motion(fixture, moved(0.25));
    state.beginGesture(1);
    state.edit({ band: 2.5 });
    state.endGesture();
    while (state.queue.pending() > 0) fixture.answer({ revision: 1 });
    until(1100);
    expect(state.gaussian(1).band).toBe(2.5);
    motion(fixture, moved(0.5));
    expect([...state.gaussians]).toEqual(moved(0.5));
  });

  it("brings scores now and then", () => {
    const { fixture, state } = made();
    const fit = { explained: 0.1, normalized_explained: null, rate_bias: 0, mismatch: "" };
    const scores = {
      score: 0.9,
      normalized_score: null,
      sound_score: null,
      fit,
      can_undo: true,
      can_redo: false,
    };
    motion(fixture, moved(0.25), { scores });
    expect([state.score, state.canUndo]).toEqual([0.9, true]);
    motion(fixture, moved(0.5));
    expect(state.score).toBe(0.9);
  });

  it("knows what is pinned on the channel on screen", () => {
    const columns = ["band", "frame", "sigma_bands", "sigma_frames", "weight"].map((name) => `strf.${name}`);
    const { state } = made({ pins: columns.map((name) => [name, [0, 0, 1]]) });
    expect([state.pinned(0), state.pinned(1)]).toEqual([false, true]);
    const whole = made({ pins: columns.map((name) => [name, []]) });
    expect([whole.state.pinned(0), whole.state.pinned(1)]).toEqual([true, true]);
  });

  it("never moves what is dragged, in whatever order motions, drags and answers come", () => {
    const act = fc.oneof(
      fc.record({ kind: fc.constant("motion"), by: fc.double({ min: -0.2, max: 0.2, noNaN: true }) }),
      fc.record({ kind: fc.constant("drag"), by: fc.double({ min: 0, max: 3, noNaN: true }) }),
      fc.record({ kind: fc.constantFrom("grab", "drop", "answer"), by: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 30 }), (acts) => {
        const { fixture, state } = made();
        let held: number | null = null;
        for (const { kind, by } of acts) {
          if (kind === "motion") motion(fixture, moved(Math.fround(by)));
          else if (kind === "grab") {
            state.beginGesture(0);
            held = state.gaussian(0).band;
          } else if (kind === "drag" && held !== null) {
            state.edit({ band: by });
            held = state.gaussian(0).band;
          } else if (kind === "drop") {
            state.endGesture();
            held = null;
          } else if (kind === "answer" && state.queue.pending() > 0) fixture.answer({});
          if (held !== null) expect(state.gaussian(0).band).toBe(held);
        }
        state.endGesture();
        while (state.queue.pending() > 0) fixture.answer({});
        motion(fixture, moved(0.125));
        expect([...state.gaussians]).toEqual(moved(0.125));
      }),
      { numRuns: 100 },
    );
  });
});
