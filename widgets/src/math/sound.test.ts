import { describe, expect, it } from "vitest";
import { clicks, drawSpikes, SAMPLE_RATE, seeded, synthesise, trialSpikes } from "./sound";

const energy = (sound: ArrayLike<number>, from: number, to: number) => {
  let sum = 0;
  for (let i = Math.round(from * SAMPLE_RATE); i < Math.round(to * SAMPLE_RATE); i++) sum += sound[i] ** 2;
  return sum;
};

describe("a spectrogram as sound", () => {
  // Two bands, 20 bins of 5 ms: the lower one sounds in the first half, the upper one in the second.
  const levels = Float32Array.from({ length: 40 }, (_, i) => (i < 10 || i >= 30 ? 70 : -100));
  const sound = synthesise(levels, 20, [1000, 4000], 5, 0, 20);

  it("has the pitch of the band that is loud", () => {
    expect(sound.length).toBe(0.1 * SAMPLE_RATE);
    for (const [from, to, hz] of [
      [0.01, 0.04, 1000],
      [0.06, 0.09, 4000],
    ]) {
      let crossings = 0;
      for (let i = Math.round(from * SAMPLE_RATE); i < to * SAMPLE_RATE; i++) {
        if (sound[i] < 0 && sound[i + 1] >= 0) crossings += 1;
      }
      // One upward crossing a cycle; the ends of the stretch cut one at most.
      expect(Math.abs(crossings - hz * (to - from))).toBeLessThanOrEqual(1);
    }
  });

  it("plays a stretch as part of the whole", () => {
    expect(synthesise(levels, 20, [1000, 4000], 5, 10, 20).length).toBe(0.05 * SAMPLE_RATE);
  });

  it("is silent where every band is 60 dB below the loudest, and leaves out what cannot be played", () => {
    const quiet = levels.map((v, i) => (i % 20 < 4 ? -100 : v));
    expect(energy(synthesise(quiet, 20, [1000, 4000], 5, 0, 20), 0, 0.014)).toBe(0);
    expect(energy(synthesise(levels, 20, [30_000, 40_000], 5, 0, 20), 0, 0.1)).toBe(0);
  });
});

describe("spikes", () => {
  it("are as many as the rate, in the bins where it is", () => {
    const rate = Float64Array.from({ length: 4000 }, (_, i) => (i % 2 ? 0.3 : 0));
    const times = drawSpikes(rate, 0, 4000, 5, seeded(3));
    // Poisson with mean 2000 * 0.3 = 600: within four standard deviations of 24.5.
    expect(Math.abs(times.length - 600)).toBeLessThan(98);
    for (const time of times) expect(Math.floor(time / 0.005) % 2).toBe(1);
    expect([...times].sort((a, b) => a - b)).toEqual(times);
    expect(drawSpikes(rate, 0, 4000, 5, seeded(3))).toEqual(times);
  });

  it("are none where nothing was recorded", () => {
    expect(drawSpikes([Number.NaN, 0, -1], 0, 3, 5, seeded(1))).toEqual([]);
  });

  it("sound when they happen", () => {
    const sound = clicks([0.01, 0.0499], 0.05);
    expect(energy(sound, 0, 0.0099)).toBe(0);
    expect(energy(sound, 0.01, 0.014)).toBeGreaterThan(0);
    expect(energy(sound, 0.0145, 0.0498)).toBe(0);
    expect(Math.max(...sound.map(Math.abs))).toBeLessThanOrEqual(1);
  });
});

it("spikes of a recorded trial are heard in their own bins, and no other trial's are", () => {
  // Three trials of 10 bins: two spikes in bin 4 of the second one.
  const spikes = [3, 2, 14, 14, 19, 24];
  const times = trialSpikes(spikes, 1, 10, 0, 10, 5, seeded(1));
  expect(times.map((time) => Math.floor((time * 1000) / 5))).toEqual([4, 4, 9]);
  expect(trialSpikes(spikes, 1, 10, 5, 10, 5, seeded(1)).length).toBe(1);
  expect(trialSpikes([], 0, 10, 0, 10, 5, seeded(1))).toEqual([]);
});
