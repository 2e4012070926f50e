import { describe, expect, it } from "vitest";
import { brushed, passed, Sweep, smoothed, softness } from "../../math/brush";
import { INFO } from "../../testing/bench.fixture";
import {
  type Curve,
  curvesOf,
  decayTicks,
  levelOf,
  logTicks,
  ROUNDER,
  reachable,
  rounded,
  tauRange,
  valueAt,
} from "./curves";
import { decayText, tauText } from "./text";

const TAU: Curve = {
  key: "on",
  label: "ON",
  what: "",
  unit: "ms",
  name: "prefilter.tau_on_ms",
  row: 0,
  low: 1,
  high: 10_000,
};
const W: Curve = {
  key: "w",
  label: "w",
  what: "",
  unit: "",
  name: "prefilter.w",
  row: 2,
  low: 0.001,
  high: 1,
};

describe("curves", () => {
  it("come with the limits of the table", () => {
    const rows = ["prefilter.tau_on_ms", "prefilter.tau_off_ms", "prefilter.w"];
    const prefilter = { kind: "adaptrans" as const, label: "", rows, taps: 9, local: true };
    const limits = {
      "prefilter.tau_on_ms": [2, null] as [number, null],
      "prefilter.tau_off_ms": [1, 10_000] as [number, number],
      "prefilter.w": [0.001, 1] as [number, number],
    };
    expect(curvesOf({ ...INFO, prefilter, limits }).map((c) => [c.key, c.row, c.low, c.high])).toEqual([
      ["on", 0, 2, Number.POSITIVE_INFINITY],
      ["off", 1, 1, 10_000],
      ["w", 2, 0.001, 1],
    ]);
    expect(curvesOf({ ...INFO, prefilter: { ...prefilter, kind: "other" } })).toEqual([]);
  });

  it("have levels that lead back to their values, within the limits", () => {
    for (const tau of [1, 3.7, 42, 10_000]) expect(valueAt(TAU, levelOf(TAU, tau))).toBeCloseTo(tau, 9);
    expect(valueAt(TAU, levelOf(TAU, Number.POSITIVE_INFINITY))).toBe(10_000);
    expect(valueAt(TAU, -5)).toBe(1);
    expect([levelOf(W, 0.3), levelOf(W, 0), valueAt(W, 2)]).toEqual([0.3, 0.001, 1]);
  });

  it("move together as far as the first of them can", () => {
    const held = (level: number, share = 1) => ({ curve: W, band: 0, level, share });
    expect(reachable([held(0.2), held(0.9)], 0.5)).toBeCloseTo(0.1, 12);
    expect(reachable([held(0.2), held(0.9)], -0.5)).toBeCloseTo(-0.199, 12);
    // What only follows part of the way does not hold the others back.
    expect(reachable([held(0.2), held(0.9, 0.5)], 0.5)).toBe(0.5);
    expect(reachable([], 3)).toBe(3);
  });
});

describe("a brush", () => {
  it("is soft as a cosine, and cut at the ends of the axis", () => {
    expect([softness(1, 0), softness(1, 1)]).toEqual([1, 0]);
    expect([0, 1, 2].map((d) => softness(3, d))).toEqual([1, 0.5, 0].map((x) => expect.closeTo(x, 12)));
    // (1 + cos(pi d / 4)) / 2.
    expect([1, 2, 3].map((d) => softness(7, d))).toEqual(
      [(1 + Math.SQRT1_2) / 2, 0.5, (1 - Math.SQRT1_2) / 2].map((x) => expect.closeTo(x, 12)),
    );
    expect(brushed(0, 3, 10).map(([band]) => band)).toEqual([0, 1]);
    expect(brushed(9, 7, 10).map(([band]) => band)).toEqual([6, 7, 8, 9]);
  });

  it("passes every band between two places, at the level of the line between them", () => {
    const F = 12;
    let seed = 1;
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    for (let round = 0; round < 500; round++) {
      const from = { band: -3 + (F + 5) * random(), level: random() };
      const to = { band: -3 + (F + 5) * random(), level: random() };
      const places = passed(from, to, F);
      const bands = places.map((p) => p.band);
      // Independently: every whole band on the way, but for the one that `from` lies on.
      const expected = Array.from({ length: F }, (_, band) => band).filter((band) => {
        const [low, high] = [Math.min(from.band, to.band), Math.max(from.band, to.band)];
        const there = band === Math.round(to.band);
        return there || (band >= low && band <= high && band !== Math.round(from.band));
      });
      if (to.band < from.band) expected.reverse();
      expect(bands).toEqual(expected);
      const slope = (to.level - from.level) / (to.band - from.band);
      for (const { band, level } of places) {
        const line = from.level + slope * (band - from.band);
        expect(level).toBeCloseTo(band === Math.round(to.band) ? to.level : line, 9);
      }
    }
  });

  it("takes the nearest pass of a sweep, and mixes from where the sweep began", () => {
    const sweep = new Sweep(Float64Array.of(0, 0, 0, 0), 3);
    expect(sweep.dab({ band: 1, level: 4 })).toEqual([
      { band: 0, level: expect.closeTo(2, 12) },
      { band: 1, level: 4 },
      { band: 2, level: expect.closeTo(2, 12) },
    ]);
    // Band 1 was under the middle of the brush: its edge does not undo that.
    expect(sweep.dab({ band: 2, level: 8 })).toEqual([
      { band: 2, level: 8 },
      { band: 3, level: expect.closeTo(4, 12) },
    ]);
  });
});

describe("smoothing", () => {
  it("spreads a peak as binomial weights and keeps what is flat", () => {
    const peak = Float64Array.of(0, 0, 0, 1, 0, 0, 0);
    // Two rounds of 1/4 1/2 1/4 are 1 4 6 4 1 sixteenths.
    expect([...smoothed(peak, 2)]).toEqual([0, 1, 4, 6, 4, 1, 0].map((n) => n / 16));
    expect([...smoothed([3, 3, 3])]).toEqual([3, 3, 3]);
    expect([...smoothed([5])]).toEqual([5]);
  });
});

describe("axes", () => {
  it("end at round numbers", () => {
    expect([rounded(3, true), rounded(3, false), rounded(0.05, true), rounded(700, true)]).toEqual([
      5, 2, 0.05, 1000,
    ]);
    expect(rounded(650, true, ROUNDER)).toBe(700);
  });

  it("of tau hold all finite values with room, a decade at least, within the limits", () => {
    expect(tauRange([48, 217, Number.POSITIVE_INFINITY], 0.5, 10_000)).toEqual([20, 500]);
    // One value, 100: a factor of the root of 10 on either side, 31.6 and 316.
    expect(tauRange([100], 0.5, 10_000)).toEqual([20, 500]);
    expect(tauRange([0.6, 9000], 0.5, 10_000)).toEqual([0.5, 10_000]);
    expect(tauRange([Number.POSITIVE_INFINITY], 0.5, 10_000)).toEqual([5, 200]);
  });

  it("of tau have ticks at 1, 2, 5 where these do not touch, and both ends", () => {
    // 120 px for 1.4 decades are 86 a decade, 26 from 1 to 2.
    expect(logTicks(20, 500, 120, 15)).toEqual([20, 50, 100, 200, 500]);
    // 40 a decade: 12 from 1 to 2, too few for 15.
    expect(logTicks(10, 10_000, 120, 15)).toEqual([10, 100, 1000, 10_000]);
    // 60 a decade: 1, 3, 10.
    expect(logTicks(10, 1000, 120, 19)).toEqual([10, 30, 100, 300, 1000]);
    expect(logTicks(Math.exp(Math.log(50)), Math.exp(Math.log(1000)), 120, 15)).toEqual([
      50, 100, 200, 500, 1000,
    ]);
  });

  it("of decays have round ones, apart enough to read", () => {
    const ticks = decayTicks(20, 500, 5, 120, 15);
    expect(ticks.map((t) => t.text)).toEqual(["0.8", "0.9", "0.95", "0.97", "0.98", "0.99"]);
    for (const { tauMs, text } of ticks) expect(Math.exp(-5 / tauMs)).toBeCloseTo(Number(text), 12);
    for (const [i, { tauMs }] of ticks.slice(1).entries()) {
      expect((Math.log(tauMs / ticks[i].tauMs) / Math.log(25)) * 120).toBeGreaterThanOrEqual(15);
    }
  });
});

describe("words", () => {
  it("tell a decay from 1", () => {
    // exp(-5 / 35) and exp(-5 / 10000).
    expect([decayText(Math.exp(-1 / 7)), decayText(Math.exp(-0.0005)), decayText(1)]).toEqual([
      "0.867",
      "0.9995",
      "1",
    ]);
    expect([tauText(35.2), tauText(2.5), tauText(Number.POSITIVE_INFINITY)]).toEqual([
      "35 ms",
      "2.5 ms",
      "∞",
    ]);
  });
});
