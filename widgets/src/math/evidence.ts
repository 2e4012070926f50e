/** Weights that have met no sound: left out of read-outs and of the colour scale. */

type Numbers = ArrayLike<number>;

/** What was silent in the recording that a session began with. */
export interface Unheard {
  /** Bands without sound, as channel * F + band. */
  rows: number[];
  /** Frames from the first that no sound was long enough for. */
  frames: number;
  /** How many there are, in words; empty when there are none. */
  text: string;
}

/** Fields (.., F, T) from channel `first` on, 0 where no sound was met; the array itself where all was. */
export function heardOnly(
  values: Numbers,
  { rows, frames }: Unheard,
  F: number,
  T: number,
  first = 0,
): Numbers {
  if (rows.length === 0 && frames === 0) return values;
  const heard = Float64Array.from(values);
  for (const row of rows) {
    const at = (row - first * F) * T;
    if (at >= 0 && at < heard.length) heard.fill(0, at, at + T);
  }
  for (let at = 0; at < heard.length; at += T) heard.fill(0, at, at + frames);
  return heard;
}
