/** What a stimulus and a neuron sound like: tones at the centre frequencies, and a click for every drawn spike. */
import { clamp } from "../base/clamp";

export const SAMPLE_RATE = 44_100;
/** Bands this far below the loudest moment are silent. */
const FLOOR_DB = 60;
const CLICK_HZ = 1800;
const CLICK_S = 0.004;
const STIMULUS_GAIN = 0.35;
const CLICK_GAIN = 0.6;

/** Uniform numbers in [0, 1) that depend on the seed alone. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Times in s of spikes drawn from a rate in spikes per bin: Poisson, uniform within the bin; none where it is NaN. */
export function drawSpikes(
  rate: ArrayLike<number>,
  from: number,
  to: number,
  dtMs: number,
  random: () => number,
): number[] {
  const times: number[] = [];
  for (let bin = from; bin < to; bin++) {
    const mean = rate[bin];
    if (!(mean > 0)) continue;
    // Knuth's product of uniforms; a bin of 5 ms holds a few spikes at the most.
    let product = random();
    for (const limit = Math.exp(-Math.min(mean, 50)); product > limit; product *= random()) {
      times.push(((bin - from + random()) * dtMs) / 1000);
    }
  }
  return times.sort((a, b) => a - b);
}

/** Times in s of the spikes of one recorded trial in frames [from, to), uniform within their bins; see the trait `spikes`. */
export function trialSpikes(
  spikes: ArrayLike<number>,
  trial: number,
  n: number,
  from: number,
  to: number,
  dtMs: number,
  random: () => number,
): number[] {
  const times: number[] = [];
  for (let i = 1; i < spikes.length; i++) {
    const bin = spikes[i] - trial * n;
    if (bin >= from && bin < to) times.push(((bin - from + random()) * dtMs) / 1000);
  }
  return times.sort((a, b) => a - b);
}

/**
 * Frames [from, to) of a spectrogram (F, n) in dB as sound: one tone a band, its level interpolated between the bins.
 * Bands above half the sample rate are left out.
 */
export function synthesise(
  levels: ArrayLike<number>,
  n: number,
  cfHz: ArrayLike<number>,
  dtMs: number,
  from: number,
  to: number,
): Float32Array<ArrayBuffer> {
  const perBin = (SAMPLE_RATE * dtMs) / 1000;
  const sound = new Float32Array(Math.ceil((to - from) * perBin));
  let loudest = -Infinity;
  for (let i = 0; i < levels.length; i++) if (levels[i] > loudest) loudest = levels[i];
  const random = seeded(1);
  for (let f = 0; f < cfHz.length; f++) {
    const phase = 2 * Math.PI * random();
    if (cfHz[f] >= SAMPLE_RATE / 2) continue;
    const step = (2 * Math.PI * cfHz[f]) / SAMPLE_RATE;
    const amplitude = (bin: number) => {
      const below = levels[f * n + clamp(bin, 0, n - 1)] - loudest;
      return below > -FLOOR_DB ? 10 ** (below / 20) : 0;
    };
    for (let bin = from; bin < to; bin++) {
      const [a, b] = [amplitude(bin), amplitude(bin + 1)];
      if (a === 0 && b === 0) continue;
      const start = Math.round((bin - from) * perBin);
      const end = Math.min(Math.round((bin + 1 - from) * perBin), sound.length);
      for (let i = start; i < end; i++) {
        sound[i] += (a + ((b - a) * (i - start)) / (end - start)) * Math.sin(phase + step * i);
      }
    }
  }
  return normalised(sound, STIMULUS_GAIN);
}

/** Short decaying clicks at the given times. */
export function clicks(times: number[], seconds: number): Float32Array<ArrayBuffer> {
  const sound = new Float32Array(Math.ceil(seconds * SAMPLE_RATE));
  const length = Math.round(CLICK_S * SAMPLE_RATE);
  for (const time of times) {
    const start = Math.round(time * SAMPLE_RATE);
    for (let i = 0; i < length && start + i < sound.length; i++) {
      const decay = Math.exp((-6 * i) / length);
      sound[start + i] += CLICK_GAIN * decay * Math.sin((2 * Math.PI * CLICK_HZ * i) / SAMPLE_RATE);
    }
  }
  for (let i = 0; i < sound.length; i++) sound[i] = clamp(sound[i], -1, 1);
  return sound;
}

function normalised(sound: Float32Array<ArrayBuffer>, peak: number): Float32Array<ArrayBuffer> {
  let largest = 0;
  for (const value of sound) largest = Math.max(largest, Math.abs(value));
  if (largest > 0) for (let i = 0; i < sound.length; i++) sound[i] *= peak / largest;
  return sound;
}
