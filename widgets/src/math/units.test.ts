import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/units.json";
import { bandToHz, frameToLagMs, hzToBand, lagMsToFrame, octavesPerBand } from "./units";

/** Largest relative difference, absolute below 1. */
function worst(mine: number[], theirs: number[]): number {
  return Math.max(...mine.map((v, i) => Math.abs(v - theirs[i]) / Math.max(Math.abs(theirs[i]), 1)));
}

describe("frequency equals Python", () => {
  it.each(vectors.frequency)("on $name", (axis) => {
    const { cf_hz, band } = axis;
    expect(
      worst(
        band.map((b) => bandToHz(b, cf_hz)),
        axis.band_to_hz,
      ),
    ).toBeLessThan(1e-12);
    expect(
      worst(
        axis.band_to_hz.map((hz) => hzToBand(hz, cf_hz)),
        axis.hz_to_band,
      ),
    ).toBeLessThan(1e-12);
    expect(
      worst(
        band.map((b) => octavesPerBand(b, cf_hz)),
        axis.octaves_per_band,
      ),
    ).toBeLessThan(1e-12);
  });

  it.each(vectors.frequency)("hzToBand is the inverse of bandToHz on $name", ({ cf_hz, band }) => {
    expect(
      worst(
        band.map((b) => hzToBand(bandToHz(b, cf_hz), cf_hz)),
        band,
      ),
    ).toBeLessThan(1e-11);
  });
});

describe("lag equals Python", () => {
  it.each(vectors.lag)(
    "with T = $T at $dt_ms ms, $delay_ms ms late",
    ({ T, dt_ms, delay_ms, frame, frame_to_lag_ms, lag_ms_to_frame }) => {
      expect(
        worst(
          frame.map((f) => frameToLagMs(f, T, dt_ms, delay_ms)),
          frame_to_lag_ms,
        ),
      ).toBeLessThan(1e-12);
      expect(
        worst(
          frame_to_lag_ms.map((lag) => lagMsToFrame(lag, T, dt_ms, delay_ms)),
          lag_ms_to_frame,
        ),
      ).toBeLessThan(1e-12);
    },
  );
});
