import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/forward.json";
import type { Curve } from "./curves";
import { Forward, type Shape } from "./forward";

type Vector = (typeof vectors)[number];

function shapeOf(v: Vector): Shape {
  return {
    axes: { cfHz: v.cf_hz, F: v.F, T: v.T, dtMs: v.dt_ms, delayMs: 0 },
    frames: v.stimulus.length / v.F,
    channels: v.n_channels,
    gaussians: v.n_gaussians,
    prefilter: v.prefilter.kind as Shape["prefilter"],
    taps: v.prefilter.taps,
    curve: v.activation.kind as Curve,
    curveNames: v.activation.names,
  };
}

function run(forward: Forward, v: Vector, changes: { rows?: number[]; gaussians?: number[] } = {}) {
  const [bias, scale, shift] = v.affine;
  const rows = Float64Array.from(changes.rows ?? v.rows);
  const gaussians = Float64Array.from(changes.gaussians ?? v.gaussians);
  const drive = forward.drive(rows, gaussians, v.kernel, { bias, scale, shift });
  return { drive, rate: forward.rate(drive, v.curve) };
}

/** Largest difference relative to the largest value. */
function error(ours: ArrayLike<number>, theirs: number[]): number {
  expect(ours.length).toBe(theirs.length);
  const largest = Math.max(...theirs.map(Math.abs));
  let worst = 0;
  for (let i = 0; i < ours.length; i++) worst = Math.max(worst, Math.abs(ours[i] - theirs[i]));
  return worst / largest;
}

describe("the forward pass", () => {
  it.each(vectors.map((v) => [v.name, v] as const))("is torch's: %s", (_, v) => {
    const forward = new Forward(shapeOf(v), Float64Array.from(v.stimulus));
    const { drive, rate } = run(forward, v);
    // Both compute in float64; the natural units of a width cost some digits on the way.
    expect(error(forward.adapted, v.adapted)).toBeLessThan(1e-9);
    expect(error(drive, v.drive)).toBeLessThan(1e-9);
    expect(error(rate, v.rate)).toBeLessThan(1e-9);
    for (const value of rate) expect(Number.isFinite(value)).toBe(true);
  });

  it.each(vectors.filter((v) => v.n_gaussians > 0).map((v) => [v.name, v] as const))(
    "takes an edit up as a fresh one would: %s",
    (_, v) => {
      const worn = new Forward(shapeOf(v), Float64Array.from(v.stimulus));
      run(worn, v);
      const gaussians = v.gaussians.map((value, i) => (i === 7 ? value * 0.9 : i === 4 ? -2 : value));
      const rows = v.rows.map((value, i) => (i === 1 ? value * 1.5 : value));
      run(worn, v, { gaussians });
      const then = run(worn, v, { gaussians, rows });
      const fresh = run(new Forward(shapeOf(v), Float64Array.from(v.stimulus)), v, { gaussians, rows });
      expect(Array.from(then.drive)).toEqual(Array.from(fresh.drive));
      expect(error(then.drive, v.drive)).toBeGreaterThan(1e-3);
    },
  );

  it.each(vectors.filter((v) => v.kind === "full").map((v) => [v.name, v] as const))(
    "takes a painted stroke up as a fresh one would: %s",
    (_, v) => {
      const worn = new Forward(shapeOf(v), Float64Array.from(v.stimulus));
      run(worn, v);
      const kernel = [...v.kernel];
      for (let dab = 0; dab < 40; dab++) {
        const at = (7 * dab) % kernel.length;
        kernel[at] = dab % 5 ? Math.sin(dab) : 0;
        kernel[(at + 1) % kernel.length] += 0.25;
        const then = run(worn, { ...v, kernel });
        const fresh = run(new Forward(shapeOf(v), Float64Array.from(v.stimulus)), { ...v, kernel });
        expect(error(then.drive, [...fresh.drive])).toBeLessThan(1e-12);
      }
      expect(error(run(worn, { ...v, kernel }).drive, v.drive)).toBeGreaterThan(1e-3);
      // Back where it began, through a weight that is no number.
      kernel[3] = Number.NaN;
      run(worn, { ...v, kernel });
      expect(error(run(worn, v).drive, v.drive)).toBeLessThan(1e-9);
    },
  );
});
