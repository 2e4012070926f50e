import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/tuning.json";
import { separabilityIndex, tuningOf } from "./tuning";

describe("the tuning of a receptive field", () => {
  it.each(vectors.map((v) => [v.name, v] as const))("is the library's: %s", (_, v) => {
    const found = tuningOf(v.field, v.F, v.T, v.cf_hz, v.dt_ms, v.delay_ms);
    for (const [ours, theirs] of [
      [found.bestHz, v.best_hz],
      [found.latencyMs, v.latency_ms],
      [found.separability, v.separability],
    ] as const) {
      if (theirs === null) expect(ours).toBeNaN();
      else expect(Math.abs(ours - theirs)).toBeLessThanOrEqual(1e-6 * Math.abs(theirs));
    }
  });

  it("is separable where every row is a multiple of one, and half so where two that share nothing are equal", () => {
    const product = Array.from({ length: 12 }, (_, i) => (1 + Math.floor(i / 4)) * Math.sin(i % 4));
    expect(separabilityIndex(product, 3, 4)).toBeCloseTo(1, 9);
    expect(separabilityIndex([1, 0, 0, 1], 2, 2)).toBeCloseTo(0.5, 9);
  });
});
