/** A gallery of made-up neurons, without a kernel. */

import { StaticModel } from "../src/offline/static-model";

const [C, F, T] = [2, 34, 40];
const DT_MS = 5;

export function fakeGallery(neurons: number): StaticModel {
  const cfHz = Float32Array.from({ length: F }, (_, i) => 500 * 40 ** (i / (F - 1)));
  const kernels = new Int8Array(neurons * C * F * T);
  const table = new Float32Array(neurons * 8);
  let seed = 7;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  for (let n = 0; n < neurons; n++) {
    const blobs = Array.from({ length: 5 }, () => ({
      c: random() < 0.6 ? 0 : 1,
      f: 3 + 28 * random(),
      t: 39 - 25 * random() ** 1.5,
      sf: 1 + 4 * random() ** 2,
      st: 1.2 + 4 * random() ** 2,
      w: random() < 0.6 ? 0.4 + random() : -0.3 - 0.6 * random(),
    }));
    const field = new Float64Array(C * F * T);
    for (const { c, f, t, sf, st, w } of blobs) {
      for (let i = 0; i < F; i++) {
        for (let j = 0; j < T; j++) {
          field[(c * F + i) * T + j] += w * Math.exp(-0.5 * (((i - f) / sf) ** 2 + ((j - t) / st) ** 2));
        }
      }
    }
    const peak = field.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    field.forEach((v, i) => {
      kernels[n * field.length + i] = Math.round((127 * v) / peak);
    });
    const best = field.indexOf(Math.max(...field));
    const [band, lag] = [Math.floor(best / T) % F, best % T];
    const row = [
      cfHz[band],
      (T - 1 - lag) * DT_MS,
      0.2 + 2 * random(),
      0.4 + 0.6 * random(),
      2 * random() - 1,
    ];
    table.set([...row, 0.1 + 0.8 * random(), Number(n % 9 === 4), 0.05 * peak], n * 8);
  }
  return new StaticModel({
    view: "gallery",
    info: {
      model: "LinearNonlinear",
      n_neurons: neurons,
      n_channels: C,
      n_bands: F,
      n_lags: T,
      dt_ms: DT_MS,
      channel_names: ["ON", "OFF"],
      has_scores: true,
      kernels_given: false,
    },
    names: Array.from({ length: neurons }, (_, n) => (n % 5 ? `A1_ferret_unit_${n}` : `neuron ${n}`)),
    cf_hz: new DataView(cfHz.buffer),
    kernels: new DataView(kernels.buffer),
    table: new DataView(table.buffer),
    selected: 0,
    channel: null,
    columns: 0,
    sort: "index",
    descending: false,
    search: "",
    ranges: {},
    trained: false,
    with_gain: false,
    error: "",
  });
}
