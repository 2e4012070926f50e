/** What the gallery knows of every neuron: quantised receptive field, read-outs, and an order among them. No DOM. */

import { floats } from "../base/bytes";
import { fixed, frequency, milliseconds, octaves, signed } from "../base/format";
import { numbered } from "../base/names";
import type { BenchModel, Bytes } from "../kernel/contract";
import { tuningOf } from "../math/tuning";

/** Every trait of the gallery; the Python class has the same names. */
export const GALLERY_TRAITS = [
  "view",
  "info",
  "names",
  "cf_hz",
  "kernels",
  "table",
  "selected",
  "channel",
  "columns",
  "sort",
  "descending",
  "search",
  "ranges",
  "trained",
  "with_gain",
  "error",
] as const;
export type GalleryTrait = (typeof GALLERY_TRAITS)[number];

/** The traits that the browser also sets. */
export const GALLERY_WRITTEN = [
  "selected",
  "channel",
  "sort",
  "descending",
  "search",
  "ranges",
  "trained",
  "with_gain",
] as const;

/** Read-outs by which neurons are sorted and filtered. */
export const MEASURES = [
  "best_frequency_hz",
  "latency_ms",
  "bandwidth_oct",
  "separability",
  "on_off",
  "score",
  "score_gain",
] as const;
export type Measure = (typeof MEASURES)[number];

/** Columns of the (N, 10) array `table`. */
export const TABLE_COLUMNS = [...MEASURES, "edited", "peak", "preferred_hz"] as const;
export type TableColumn = (typeof TABLE_COLUMNS)[number];
export type Sort = "index" | "name" | Measure;

export interface GalleryInfo {
  model: string;
  n_neurons: number;
  n_channels: number;
  n_bands: number;
  n_lags: number;
  dt_ms: number;
  delay_ms: number;
  channel_names: string[];
  has_scores: boolean;
  /** A second model is compared with: there is a score gain. */
  has_other: boolean;
  kernels_given: boolean;
}
/** Lowest and highest value that passes; null for no end. */
export type Ranges = Partial<Record<Measure, [number | null, number | null]>>;
export interface Patch {
  type: "patch";
  rows: number[];
  kernels: number[];
}

interface Description {
  label: string;
  /** As in a card, where there is little room. */
  text: (value: number) => string;
  /** Unit in which it is typed, and how many of the table's unit that is. */
  unit: string;
  per: number;
}
export const DESCRIBED: Record<Measure, Description> = {
  best_frequency_hz: { label: "best frequency", text: frequency, unit: "kHz", per: 1000 },
  latency_ms: { label: "latency", text: milliseconds, unit: "ms", per: 1 },
  bandwidth_oct: { label: "bandwidth", text: octaves, unit: "oct", per: 1 },
  separability: { label: "separability", text: (v) => fixed(v, 2), unit: "", per: 1 },
  on_off: { label: "ON/OFF index", text: (v) => (v > 0 ? "+" : "") + fixed(v, 2), unit: "", per: 1 },
  score: { label: "score r", text: (v) => fixed(v, 2), unit: "", per: 1 },
  score_gain: { label: "r of A − r of B", text: (v) => (v > 0 ? "+" : "") + fixed(v, 3), unit: "", per: 1 },
};

/** The value as a text, a dash where there is none. */
export const measured = (measure: Measure, value: number): string =>
  Number.isNaN(value) ? "–" : DESCRIBED[measure].text(value);

/** Which read-outs a model of this kind has. */
export const measuresOf = (info: GalleryInfo): Measure[] =>
  MEASURES.filter(
    (m) =>
      (m !== "score" || info.has_scores) &&
      (m !== "score_gain" || (info.has_scores && info.has_other)) &&
      (m !== "on_off" || info.n_channels === 2),
  );

/** A copy is not made: 2,000 neurons take megabytes, and every view of the model then holds what a patch brought. */
function int8(bytes: unknown): Int8Array {
  if (bytes instanceof ArrayBuffer) return new Int8Array(bytes);
  if (ArrayBuffer.isView(bytes)) return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return new Int8Array(0);
}

export class GalleryData {
  info: GalleryInfo;
  names: string[];
  cfHz: Float32Array;
  kernels: Int8Array = new Int8Array(0);
  table: Float32Array = new Float32Array(0);

  readonly #model: BenchModel;

  constructor(model: BenchModel) {
    this.#model = model;
    this.info = model.get("info") as GalleryInfo;
    this.names = model.get("names") as string[];
    this.cfHz = floats(model.get("cf_hz"));
    this.read();
  }

  /** Take the arrays over from the traits. */
  read(): void {
    this.kernels = int8(this.#model.get("kernels"));
    this.table = floats(this.#model.get("table"));
  }

  /** Take over the rows that a message brings. */
  patch({ rows, kernels }: Patch, [values, fields]: Bytes[]): void {
    const width = TABLE_COLUMNS.length;
    const numbers = floats(values);
    rows.forEach((n, i) => {
      this.table.set(numbers.subarray(i * width, (i + 1) * width), n * width);
    });
    const cells = int8(fields);
    kernels.forEach((n, i) => {
      this.kernels.set(cells.subarray(i * this.cells, (i + 1) * this.cells), n * this.cells);
    });
  }

  /** Numbers in one neuron's receptive field. */
  get cells(): number {
    return this.info.n_channels * this.info.n_bands * this.info.n_lags;
  }

  value(neuron: number, column: TableColumn): number {
    return this.table[neuron * TABLE_COLUMNS.length + TABLE_COLUMNS.indexOf(column)];
  }

  /** Weight of one cell of a receptive field. */
  weight(neuron: number, channel: number, band: number, lag: number): number {
    const { n_bands, n_lags } = this.info;
    const at = ((neuron * this.info.n_channels + channel) * n_bands + band) * n_lags + lag;
    return (this.kernels[at] / 127) * this.value(neuron, "peak");
  }

  /** "38 · A1_unit_12", or "neuron 38" where it has no name of its own. */
  label(neuron: number): string {
    const label = numbered(this.names[neuron] ?? "", neuron, "neuron");
    return label === String(neuron + 1) ? `neuron ${label}` : label;
  }

  /**
   * "inhibition 4.2 kHz, 35 ms" of a neuron whose largest weight is negative, empty for others: the read-outs are those of
   * what excites.
   */
  inhibition(neuron: number): string {
    const { n_channels, n_bands, n_lags, dt_ms, delay_ms } = this.info;
    const size = n_bands * n_lags;
    const field = this.kernels.subarray(neuron * this.cells, (neuron + 1) * this.cells);
    const lowest = field.reduce((least, weight) => Math.min(least, weight), 0);
    if (lowest === 0 || -lowest <= field.reduce((most, weight) => Math.max(most, weight), 0)) return "";
    const channel = Math.min(Math.floor(field.indexOf(lowest) / size), n_channels - 1);
    const opposite = Float64Array.from(
      field.subarray(channel * size, (channel + 1) * size),
      (weight) => -weight,
    );
    const { bestHz, latencyMs } = tuningOf(opposite, n_bands, n_lags, this.cfHz, dt_ms, delay_ms);
    return `inhibition ${frequency(bestHz)}, ${milliseconds(latencyMs)}`;
  }

  /** All read-outs of one neuron with their units. */
  described(neuron: number): string {
    const texts = measuresOf(this.info).map((m) =>
      m === "score"
        ? `r = ${measured(m, this.value(neuron, m))}`
        : `${DESCRIBED[m].label} ${measured(m, this.value(neuron, m))}`,
    );
    const edited = this.value(neuron, "edited") === 1 ? "edited" : "";
    const preferred = this.value(neuron, "preferred_hz");
    const doubt =
      preferred > 0 ? `the recording would rather have its peak about ${frequency(preferred)}` : "";
    return [edited, this.inhibition(neuron), ...texts, doubt].filter(Boolean).join(", ");
  }

  /** "ON 4.2 kHz, 35 ms: +0.012" for one cell of a receptive field. */
  cell(neuron: number, { channel, band, lag }: { channel: number; band: number; lag: number }): string {
    const { n_channels, n_lags, dt_ms, delay_ms, channel_names } = this.info;
    const where = `${frequency(this.cfHz[band])}, ${milliseconds((n_lags - 1 - lag) * dt_ms + delay_ms)}`;
    const weight = signed(this.weight(neuron, channel, band, lag), 2);
    return `${n_channels > 1 ? `${channel_names[channel]} ` : ""}${where}: ${weight}`;
  }

  /** "0.5–20 kHz": what the pictures' bands span. */
  span(): string {
    const ends = [this.cfHz[0], this.cfHz[this.cfHz.length - 1]].map((hz) =>
      Number((hz / 1000).toPrecision(2)),
    );
    return `${ends.join("–")} kHz`;
  }
}

/** Key by which a name is sorted: numbers within it count as numbers, so that 2 comes before 10. */
export const nameKey = (name: string): string =>
  name.toLowerCase().replace(/[0-9]+/g, (digits) => digits.padStart(12, "0"));

/**
 * Numbers of the neurons that pass `search` and `ranges`, sorted; the twin of `TuningTable.order` in Python.
 *
 * A neuron without a value passes no range and stands last, whichever the direction. Equal ones stand by number.
 */
export function orderOf(
  data: GalleryData,
  sort: Sort,
  descending: boolean,
  search: string,
  ranges: Ranges,
): number[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const limits = Object.entries(ranges) as [Measure, [number | null, number | null]][];
  const found: number[] = [];
  for (let i = 0; i < data.info.n_neurons; i++) {
    const text = words.length ? `${i + 1} ${data.names[i]}`.toLowerCase() : "";
    const passes = limits.every(([measure, [low, high]]) => {
      const value = data.value(i, measure);
      return value >= (low ?? Number.NEGATIVE_INFINITY) && value <= (high ?? Number.POSITIVE_INFINITY);
    });
    if (passes && words.every((word) => text.includes(word))) found.push(i);
  }
  if (sort === "index") return descending ? found.reverse() : found;
  const keys: (string | number)[] = [];
  for (const i of found) keys[i] = sort === "name" ? nameKey(data.names[i]) : data.value(i, sort);
  const turn = descending ? -1 : 1;
  return found.sort((a, b) => {
    const [x, y] = [keys[a], keys[b]];
    if (x === y) return a - b;
    if (Number.isNaN(x)) return Number.isNaN(y) ? a - b : 1;
    if (Number.isNaN(y)) return -1;
    return x < y ? -turn : turn;
  });
}
