import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/forward.json";
import type { Info } from "../kernel/contract";
import { INFO } from "../testing/bench.fixture";
import { type Arrays, LocalSession, NO_ARRAYS } from "./local-session";

const [vector] = vectors;
const AXES = { cfHz: vector.cf_hz, F: vector.F, T: vector.T, dtMs: vector.dt_ms, delayMs: 0 };
const FRAMES = vector.stimulus.length / vector.F;
/** What no forward pass gives: it tells the response of the kernel from that of the browser. */
const GIVEN = new Float32Array(FRAMES).fill(-7);

function made(over: Partial<Info> = {}) {
  const info = {
    ...INFO,
    n_bands: vector.F,
    n_lags: vector.T,
    n_channels: vector.n_channels,
    n_gaussians: vector.n_gaussians,
    n_frames: FRAMES,
    dt_ms: vector.dt_ms,
    delay_ms: 0,
    prefilter: vector.prefilter as Info["prefilter"],
    activation: vector.activation,
    local: true,
    limits: {},
    ...over,
  };
  return opened(info, vector.stimulus, {
    gaussians: Float64Array.from(vector.gaussians),
    kernel: Float64Array.from(vector.kernel),
    prefilter: Float64Array.from(vector.rows),
    activation: Float64Array.from(vector.curve),
    affine: Float64Array.from(vector.affine),
    rate: GIVEN,
  });
}
function opened(info: Info, stimulus: number[], arrays: Partial<Arrays>) {
  const session = new LocalSession();
  session.begin(info, AXES, Float32Array.from(stimulus));
  const { now, trained } = session.add(0);
  for (const neuron of [now, trained]) neuron.adopt({ ...NO_ARRAYS(), ...arrays });
  return { session, now, trained };
}
const largest = (values: ArrayLike<number>, of: (v: number, i: number) => number) =>
  Math.max(...Array.from(values, (v, i) => Math.abs(of(v, i))));

describe("the numbers on screen", () => {
  it("are the kernel's until an edit is ahead, and again when they are adopted", () => {
    const { session, now } = made();
    expect(now.rate).toBe(GIVEN);
    const b = { name: "activation.b", index: [0] };
    const before = session.read(b);
    session.apply([{ ...b, value: before + 0.5 }]);
    expect(session.read(b)).toBe(before + 0.5);
    // The baseline adds to the rate; the stimulus came as float32.
    expect(largest(now.rate, (rate, i) => rate - vector.rate[i] - 0.5)).toBeLessThan(1e-5);
    now.follow(GIVEN);
    expect(now.rate).not.toBe(GIVEN);
    now.adopt({ ...NO_ARRAYS(), rate: GIVEN });
    expect(now.rate).toBe(GIVEN);
  });

  it.each([
    ["prefilter.tau_on_ms", [2], 40],
    ["prefilter.w", [0], 0.9],
    ["strf.weight", [0, 1, 2], 3],
    ["strf.frame", [0, 0, 1], 2.5],
    ["strf.band", [0, 0, 1], 3.25],
    ["strf.sigma_bands", [0, 0, 1], 0.75],
    ["strf.sigma_frames", [0, 0, 1], 0.75],
  ])("follow %s into the response", (name, index, value) => {
    const { session, now } = made();
    session.apply([{ name, index, value }]);
    expect(session.read({ name, index })).toBe(value);
    expect(largest(now.rate, (rate, i) => rate - vector.rate[i])).toBeGreaterThan(1e-4);
  });

  it("of the adaptation follow its edits before anything else is computed", () => {
    const { session, now } = made();
    const before = Float64Array.from(now.adapted ?? []);
    expect(largest(before, (value, i) => value - vector.adapted[i])).toBeLessThan(1e-5);
    session.apply([{ name: "prefilter.w", index: [0], value: 0.9 }]);
    expect(largest(now.adapted ?? [], (value, i) => value - before[i])).toBeGreaterThan(1e-4);
  });

  it("of a model that only the kernel can compute keep its response, and take each new one", () => {
    const { session, now } = made({ local: false });
    session.apply([{ name: "strf.weight", index: [0, 0, 0], value: 3 }]);
    expect(now.rate).toBe(GIVEN);
    expect(now.drive).toBeNull();
    const news = new Float32Array(FRAMES);
    now.follow(news);
    expect(now.rate).toBe(news);
  });

  it("of the adaptation are the browser's also before layers that only the kernel knows", () => {
    const { session, now } = made({ local: false });
    expect(largest(now.adapted ?? [], (value, i) => value - vector.adapted[i])).toBeLessThan(1e-5);
    session.apply([{ name: "prefilter.w", index: [0], value: 0.9 }]);
    expect(largest(now.adapted ?? [], (value, i) => value - vector.adapted[i])).toBeGreaterThan(1e-4);
    expect(now.rate).toBe(GIVEN);
  });

  it("of an adaptation that only the kernel can compute are left out", () => {
    const prefilter = { ...vector.prefilter, local: false } as Info["prefilter"];
    expect(made({ local: false, prefilter }).now.adapted).toBeNull();
  });

  it("know no other parameters, places or neurons", () => {
    const { session, now } = made();
    for (const name of [
      "strf.colour",
      "strf.kernel",
      "prefilter.colour",
      "activation.colour",
      "readout.b",
      "",
    ]) {
      expect(session.read({ name, index: [0, 0, 0] })).toBeNaN();
      expect(session.apply([{ name, index: [0, 0, 0], value: 1 }])).toEqual([]);
    }
    for (const index of [[0], [0, 0], [0, 0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, -1], [0, 0, 3]]) {
      expect(session.read({ name: "strf.weight", index })).toBeNaN();
      expect(session.apply([{ name: "strf.weight", index, value: 1 }])).toEqual([]);
    }
    expect([now.rate, session.canUndo]).toEqual([GIVEN, false]);
  });

  it("are a free field's cells as they are painted, and the trained ones again", () => {
    const full = vectors.find((v) => v.kind === "full") as (typeof vectors)[number];
    const info: Info = {
      ...INFO,
      ...{ n_bands: full.F, n_lags: full.T, n_channels: full.n_channels, n_gaussians: 0, n_frames: FRAMES },
      ...{ kind: "full", local: true, limits: {}, dt_ms: full.dt_ms },
      prefilter: full.prefilter as Info["prefilter"],
      activation: full.activation,
    };
    const kernel = Float64Array.from(full.kernel);
    const { session, now } = opened(info, full.stimulus, {
      kernel,
      prefilter: Float64Array.from(full.rows),
      activation: Float64Array.from(full.curve),
      affine: Float64Array.from(full.affine),
      rate: GIVEN,
    });
    const cell = { name: "strf.kernel", index: [0, 1, 2, 3] };
    const at = (full.F + 2) * full.T + 3;
    expect(session.read(cell)).toBe(kernel[at]);
    session.apply([{ ...cell, value: kernel[at] + 1 }]);
    expect(now.kernel[at]).toBe(kernel[at] + 1);
    expect(kernel[at]).toBe(full.kernel[at]);
    // One cell more is its gain times the adapted sound at its lag.
    const [gain, lag] = [full.affine[1], full.T - 1 - 3];
    const input = full.adapted.slice((full.F + 2) * FRAMES, (full.F + 3) * FRAMES);
    const drive = now.drive as Float64Array;
    expect(largest(drive, (v, t) => v - full.drive[t] - (t < lag ? 0 : gain * input[t - lag]))).toBeLessThan(
      1e-5,
    );
    session.revert(null, [0]);
    expect(session.read(cell)).toBe(kernel[at]);
    expect(largest(now.rate, (rate, t) => rate - full.rate[t])).toBeLessThan(1e-5);
    expect(session.read({ ...cell, index: [0, 9, 0, 0] })).toBeNaN();
  });
});

describe("the field of a neuron is edited", () => {
  it("by an edit of that neuron's own, and not by that of another one or of another stage", () => {
    const { session, now } = made();
    const { gaussians, kernel, prefilter, activation, affine } = now;
    const other = session.add(1);
    for (const pair of [other.now, other.trained])
      pair.adopt({ ...NO_ARRAYS(), gaussians, kernel, prefilter, activation, affine, rate: GIVEN });
    const edited = () => [0, 1].map((neuron) => session.fieldEdited(neuron));
    session.apply([{ name: "activation.b", index: [0], value: 3 }]);
    expect(session.edited).toBe(true);
    expect(edited()).toEqual([false, false]);
    const weight = { name: "strf.weight", index: [1, 1, 2] };
    const before = session.read(weight);
    session.apply([{ ...weight, value: before + 1 }]);
    expect(edited()).toEqual([false, true]);
    session.apply([{ ...weight, value: before }]);
    expect(edited()).toEqual([false, false]);
  });
});

describe("the history", () => {
  const weight = (value: number, k = 0) => ({ name: "strf.weight", index: [0, 0, k], value });
  const read = (session: LocalSession, k = 0) => session.read({ name: "strf.weight", index: [0, 0, k] });

  it("has one step for a gesture, and none for one that ended where it began", () => {
    const { session } = made();
    const before = read(session);
    for (const value of [1, 2, 3]) session.apply([weight(value)], "one");
    session.apply([weight(7, 1)], "one");
    expect(session.end("one")).toEqual([weight(before), expect.objectContaining({ index: [0, 0, 1] })]);
    session.apply([weight(4)], "two");
    session.apply([weight(3)], "two");
    session.end("two");
    session.undo();
    expect([read(session), session.canUndo, session.canRedo]).toEqual([before, false, true]);
    session.redo();
    expect([read(session), read(session, 1), session.canRedo]).toEqual([3, 7, false]);
  });

  it("takes a cancelled gesture back and forgets it; a new edit leaves nothing to redo", () => {
    const { session } = made();
    const before = read(session);
    session.apply([weight(5)], "one");
    expect(session.end("one", true)).toEqual([weight(before)]);
    expect([read(session), session.canUndo]).toEqual([before, false]);
    expect(session.end("one")).toEqual([]);
    session.apply([weight(6)]);
    session.undo();
    session.apply([weight(8)]);
    expect([session.canUndo, session.canRedo]).toEqual([true, false]);
    session.clearHistory();
    expect(session.canUndo).toBe(false);
  });

  it("leaves the prefilter, which all neurons share, where one neuron is reverted", () => {
    const { session } = made();
    const w = { name: "prefilter.w", index: [0] };
    session.apply([{ ...w, value: 0.31 }, weight(4)]);
    expect(session.canRevert(null, [0])).toBe(true);
    session.revert(null, [0]);
    expect([session.read(w), read(session)]).toEqual([0.31, vector.gaussians[4]]);
    // What is left of the edits is not this neuron's.
    expect([session.canRevert(null, [0]), session.edited, session.canRevert(null)]).toEqual([
      false,
      true,
      true,
    ]);
    session.revert(null);
    expect([session.edited, session.canRevert(null)]).toEqual([false, false]);
    expect(session.read(w)).toBe(vector.rows[vector.prefilter.rows.indexOf("prefilter.w") * vector.F]);
  });

  it("reverts what is named, at a part of its index, and leaves what is locked", () => {
    const { session } = made({ locked: ["strf.frame"] });
    const places = [
      { name: "strf.weight", index: [0, 0, 0] },
      { name: "strf.weight", index: [0, 1, 0] },
      { name: "strf.frame", index: [0, 0, 0] },
      { name: "prefilter.w", index: [1] },
      { name: "activation.b", index: [0] },
    ];
    const before = places.map((place) => session.read(place));
    const edited = () => places.map((place, i) => session.read(place) !== before[i]);
    session.apply(places.map((place, i) => ({ ...place, value: 0.31 + i / 100 })));
    expect(edited()).toEqual([true, true, true, true, true]);
    expect([session.canRevert(["strf.weight"], [0, 0]), session.canRevert(["strf.frame"])]).toEqual([
      true,
      false,
    ]);
    session.revert(["strf.weight"], [0, 0]);
    expect(edited()).toEqual([false, true, true, true, true]);
    expect([session.canRevert(["strf.weight"], [0, 0]), session.canRevert(["strf.weight"])]).toEqual([
      false,
      true,
    ]);
    session.revert(null, [0]);
    expect(edited()).toEqual([false, false, true, true, false]);
    session.revert(["prefilter.w"], [0]);
    expect(edited()[3]).toBe(true);
    session.revert(["prefilter.w"]);
    expect(edited()).toEqual([false, false, true, false, false]);
    for (let i = 0; i < 3; i++) session.undo();
    expect(edited()).toEqual([true, true, true, true, true]);
  });

  it("can be reverted at the band, or the Gaussian, that was edited, and at no other", () => {
    const { session } = made();
    session.apply([
      { name: "prefilter.w", index: [1], value: 0.125 },
      { name: "strf.weight", index: [0, 1, 2], value: 9 },
    ]);
    const at = (name: string, ...places: number[][]) =>
      places.map((index) => session.canRevert([name], index));
    expect(at("prefilter.w", [0], [1], [2])).toEqual([false, true, false]);
    expect(at("strf.weight", [0, 1, 2], [0, 1, 1], [0, 0], [0, 1], [0])).toEqual([
      ...[true, false, false],
      ...[true, true],
    ]);
  });
});
