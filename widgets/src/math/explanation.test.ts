import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/forward.json";
import { productsAt } from "./explanation";

describe("the products under a field", () => {
  const cases = vectors.flatMap((v) => v.explained.map((e) => [v.name, e.frame, v, e] as const));

  it.each(cases)("are Python's, and add up to the drive: %s, bin %i", (_, __, v, wanted) => {
    const [bias, scale, shift] = v.affine;
    const shape = [v.n_channels, v.F, v.T] as const;
    const found = productsAt(v.kernel, v.adapted, shape, wanted.frame, { bias, scale, shift });
    const size = Math.max(...wanted.products.map(Math.abs), 1e-300);
    wanted.stretch.forEach((value, i) => {
      if (value === null) expect(found.stretch[i]).toBeNaN();
      else expect(found.stretch[i]).toBe(value);
    });
    wanted.products.forEach((value, i) => {
      expect(Math.abs(found.products[i] - value)).toBeLessThanOrEqual(1e-9 * size);
    });
    wanted.sums.forEach((value, c) => {
      expect(Math.abs(found.sums[c] - value)).toBeLessThanOrEqual(1e-9 * size * v.F * v.T);
    });
    expect(wanted.terms.slice(0, 3)).toEqual([bias, scale, shift]);
    const terms = Math.abs(scale) * (size * found.products.length + Math.abs(bias)) + Math.abs(shift);
    expect(Math.abs(found.drive - wanted.terms[3])).toBeLessThanOrEqual(1e-9 * terms);
    expect(Math.abs(found.drive - v.drive[wanted.frame])).toBeLessThanOrEqual(1e-9 * terms);
  });

  it("are none before the sound began, and NaN in the sound stays NaN", () => {
    const seen = [1, Number.NaN, 3];
    const affine = { bias: 0.5, scale: 2, shift: 1 };
    const first = productsAt([10, 20], seen, [1, 1, 2], 0, affine);
    expect([...first.stretch]).toEqual([Number.NaN, 1]);
    expect([...first.products]).toEqual([0, 20]);
    expect(first.drive).toBe(2 * (20 + 0.5) + 1);
    expect(productsAt([10, 20], seen, [1, 1, 2], 2, affine).drive).toBeNaN();
  });
});
