/** What the kernel tells of a network. Fields are (F, T) little-endian float32; the last lag is now. */

/** Parts of one kind that can be switched off; `on` has "1" or "0" for each. */
export interface PartInfo {
  name: string;
  label: string;
  meaning: string;
  labels: string[];
  on: string;
}

export interface InsideInfo {
  dt_ms: number;
  delay_ms: number;
  stimulus_unit: string;
  rate_unit: string;
  neuron_names: string[];
}

/** The gradient of the response in one bin; `text` says why there is none. */
export interface MomentMessage {
  type: "moment";
  frame: number;
  stamp: string;
  text: string;
  shape?: [number, number];
  work_ms?: number;
}

/** Filters (K, F, T), and where there are two the mean response in the cells of the plane that they span. */
export interface SubspaceMessage {
  type: "subspace";
  stamp: string;
  shape: [number, number];
  shares: number[];
  moments: number;
  edges?: [[number, number], [number, number]];
  cells?: number;
}

/** Correlations of the model rebuilt from k filters, where it was made and where it was not. */
export interface RebuiltMessage {
  type: "rebuilt";
  k: number;
  r: number | null;
  r_used: number | null;
  bins: number;
  r_recorded: number | null;
  r_model: number | null;
}

/** The sound so far. */
export interface WantedMessage {
  type: "wanted";
  stamp: string;
  shape: [number, number];
  step: number;
  steps: number;
  response: number;
  silence: number;
  rms: number;
  against: number | null;
  done: boolean;
  note: string;
}

export type InsideMessage = MomentMessage | SubspaceMessage | RebuiltMessage | WantedMessage;
