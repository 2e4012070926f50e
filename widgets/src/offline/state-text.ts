/**
 * All edits of a page as the text that Python's `explorer.state` is: JSON in natural units, zlib, base64 for addresses.
 *
 * Twin of `deepstrf_widgets/session/serialization.py`. What goes wrong is an Error whose message completes a sentence.
 */

import type { Info } from "../kernel/contract";
import { type Slot, slotKey } from "../kernel/request-queue";
import { limitsOf } from "../math/field";
import { bandToHz, frameToLagMs, hzToBand, lagMsToFrame, octavesPerBand } from "../math/units";
import type { LocalSession } from "../state/local-session";

export const PREFIX = "deepstrf1:";
/** Some browsers take no longer address. */
export const MOST_CHARACTERS = 64_000;
const MOST_BYTES = 10_000_000;
/** Up to so many changed values of a neuron are listed one by one, more of them as an array where any value goes. */
const FEW = 8;
/** Limit of parameters that have none of their own, and by which part of a limit values may exceed it. */
const LARGEST = 1e9;
const SLACK = 1e-5;
/** Digits that tell all float32 values apart. */
const DIGITS = 9;

/** One edit in natural units; `value` is an array where `index` stands for a part of the parameter. */
export type Edit = [name: string, index: number[], value: unknown];
export interface View {
  neuron: number;
  sound: number;
  channel: number;
}
/** What of the bench in Python a page has: numbers there, and edits that the page cannot make itself. */
export interface Origin {
  n_neurons: number;
  neurons: number[];
  sounds: number[];
  fixed: Edit[];
}
interface State {
  neurons: number;
  edits: Edit[];
  view: Partial<View>;
}

/** Names on the grid, and in natural units. */
const NATURAL: Record<string, string> = {
  "strf.band": "strf.center_hz",
  "strf.frame": "strf.center_ms",
  "strf.sigma_bands": "strf.sigma_oct",
  "strf.sigma_frames": "strf.sigma_ms",
};
const ON_GRID = Object.fromEntries(Object.entries(NATURAL).map(([grid, natural]) => [natural, grid]));

// ---- text <-> JSON ------------------------------------------------------------------------------------------------

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  by: GenericTransformStream,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = new Blob([bytes])
    .stream()
    .pipeThrough(by as ReadableWritablePair)
    .getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    length += value.length;
    if (length > MOST_BYTES) {
      await reader.cancel();
      throw new Error("it holds too much");
    }
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function packed(state: object): Promise<string> {
  const bytes = await through(
    new TextEncoder().encode(JSON.stringify(state)),
    new CompressionStream("deflate"),
  );
  let letters = "";
  for (let i = 0; i < bytes.length; i += 4096) letters += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return PREFIX + btoa(letters).replace(/\+/g, "-").replace(/\//g, "_");
}

const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

async function unpacked(text: string): Promise<State> {
  const found = await (async () => {
    const letters = atob(text.slice(PREFIX.length).replace(/-/g, "+").replace(/_/g, "/"));
    const bytes = await through(
      Uint8Array.from(letters, (c) => c.charCodeAt(0)),
      new DecompressionStream("deflate"),
    );
    return JSON.parse(new TextDecoder().decode(bytes)) as Partial<State> | null;
  })().catch(() => null);
  const { neurons, edits, view = {} } = found ?? {};
  const good =
    isCount(neurons) &&
    Array.isArray(edits) &&
    edits.every(
      (edit) =>
        Array.isArray(edit) &&
        edit.length === 3 &&
        typeof edit[0] === "string" &&
        Array.isArray(edit[1]) &&
        edit[1].every(isCount),
    ) &&
    typeof view === "object" &&
    view !== null &&
    Object.values(view).every(isCount);
  if (!good) throw new Error("The state in the address is damaged");
  return { neurons, edits, view };
}

// ---- JSON <-> a session -------------------------------------------------------------------------------------------

export class StateText {
  readonly #session: LocalSession;
  readonly #origin: Origin;
  /** Edits of neurons that the page does not have: they stay in its texts. */
  #elsewhere: Edit[];
  /** Edits of what the page cannot change. */
  readonly #fixed: Edit[];

  constructor(session: LocalSession, origin: Origin) {
    this.#session = session;
    this.#origin = origin;
    const { elsewhere, fixed } = this.#sorted(origin.fixed);
    this.#elsewhere = elsewhere;
    this.#fixed = fixed;
  }

  /** The text of what the session holds now, with what is on screen. */
  async write(view: View): Promise<string> {
    const { n_neurons, neurons, sounds } = this.#origin;
    const own = this.#info.local ? this.#edits() : [];
    const edits = [...this.#fixed, ...this.#elsewhere, ...own];
    const { channel } = view;
    const numbers = { neuron: neurons[view.neuron], sound: sounds[view.sound], channel };
    const shown = Object.fromEntries(Object.entries(numbers).filter(([, n]) => n > 0));
    return packed({
      neurons: n_neurons,
      edits: edits.sort((a, b) => Number(b[0] === "strf.center_hz") - Number(a[0] === "strf.center_hz")),
      ...(Object.keys(shown).length > 0 ? { view: shown } : {}),
    });
  }

  /** Make the session what a text holds, as one step to undo; what is then on screen. Nothing changes where it throws. */
  async read(text: string): Promise<View> {
    if (!text.startsWith(PREFIX)) throw new Error("The address ends in no state of a bench");
    if (text.length > MOST_CHARACTERS)
      throw new Error(
        `The state in the address has ${text.length} characters, ${MOST_CHARACTERS} at most are read`,
      );
    const { neurons, edits, view } = await unpacked(text);
    const { n_neurons, neurons: mine, sounds } = this.#origin;
    if (neurons !== n_neurons)
      throw new Error(
        `The state in the address is of ${neurons} neurons, this page of a model with ${n_neurons}`,
      );
    const { own, elsewhere, fixed } = this.#sorted(edits);
    const kept = (some: Edit[]) => JSON.stringify(some.map((edit) => JSON.stringify(edit)).sort());
    if (kept(fixed) !== kept(this.#fixed)) {
      const name = fixed[0]?.[0] ?? this.#fixed[0][0];
      throw new Error(
        `The state in the address needs a kernel, or is of another model: this page cannot set ${name}`,
      );
    }
    const slots = this.#slots(own);
    this.#session.restore(slots);
    this.#elsewhere = elsewhere;
    return {
      neuron: Math.max(mine.indexOf(view.neuron ?? 0), 0),
      sound: Math.max(sounds.indexOf(view.sound ?? 0), 0),
      channel: Math.min(view.channel ?? 0, this.#info.n_channels - 1),
    };
  }

  get #info(): Info {
    return this.#session.info;
  }

  #sorted(edits: Edit[]) {
    const sorted: Record<"own" | "elsewhere" | "fixed", Edit[]> = { own: [], elsewhere: [], fixed: [] };
    const { neurons, n_neurons } = this.#origin;
    for (const edit of edits) {
      const [name, index] = edit;
      const whose = this.#info.local ? this.#session.whose(ON_GRID[name] ?? name) : "nobody";
      // The page has its names on the grid under those in natural units alone.
      if (whose === "nobody" || name in NATURAL) sorted.fixed.push(edit);
      else if (whose === "all" || neurons.includes(index[0])) sorted.own.push(edit);
      else if (index[0] < n_neurons) sorted.elsewhere.push(edit);
      else sorted.fixed.push(edit);
    }
    return sorted;
  }

  /** What differs from the trained values, in natural units, neurons by their numbers in Python. */
  #edits(): Edit[] {
    const rows = new Map<string, Slot[]>();
    for (const slot of this.#session.changes()) {
      const each = this.#session.whose(slot.name) === "each";
      const key = each ? `${slot.name}/${slot.index[0]}` : slot.name;
      const row = rows.get(key);
      if (row) row.push(slot);
      else rows.set(key, [slot]);
    }
    const edits: Edit[] = [];
    for (const slots of rows.values()) {
      const [{ name, index }] = slots;
      const each = this.#session.whose(name) === "each";
      const row = each ? [index[0]] : [];
      const [low, high] = limitsOf(name, this.#info.limits);
      const anything = low <= -LARGEST && high >= LARGEST;
      if (slots.length > FEW && anything)
        edits.push(this.#edit({ name, index: row, value: 0 }, this.#whole(name, row)));
      else for (const slot of slots) edits.push(this.#edit(slot, this.#natural(slot)));
    }
    return edits;
  }

  #edit({ name, index }: Slot, value: unknown): Edit {
    const each = this.#session.whose(name) === "each";
    const place = each ? [this.#origin.neurons[index[0]], ...index.slice(1)] : index;
    return [NATURAL[name] ?? name, place, value];
  }

  /** All values of a parameter from an index on, as nested arrays. */
  #whole(name: string, index: number[]): unknown {
    const shape = this.#session.shapeOf(name);
    const inner = index.length - (this.#session.whose(name) === "each" ? 1 : 0);
    if (inner === shape.length)
      return this.#natural({ name, index, value: this.#session.read({ name, index }) });
    return Array.from({ length: shape[inner] }, (_, i) => this.#whole(name, [...index, i]));
  }

  #natural({ name, index, value }: Slot): number {
    const { cfHz, T, dtMs, delayMs } = this.#session.axes;
    const values: Record<string, () => number> = {
      "strf.band": () => bandToHz(value, cfHz),
      "strf.frame": () => frameToLagMs(value, T, dtMs, delayMs),
      "strf.sigma_bands": () =>
        value * octavesPerBand(this.#session.read({ name: "strf.band", index }), cfHz),
      "strf.sigma_frames": () => value * dtMs,
    };
    return Number((values[name]?.() ?? value).toPrecision(DIGITS));
  }

  /** One slot for each value of the edits, on the grid. */
  #slots(edits: Edit[]): Slot[] {
    const slots = new Map<string, Slot>();
    const put = (name: string, index: number[], value: unknown, left: number) => {
      if (left > 0) {
        const axis = this.#session.shapeOf(name).length - left;
        const size = this.#session.shapeOf(name)[axis];
        if (Array.isArray(value) && value.length !== size) throw foreign(name);
        for (let i = 0; i < size; i++)
          put(name, [...index, i], Array.isArray(value) ? value[i] : value, left - 1);
        return;
      }
      const slot = { name, index, value: value as number };
      const key = slotKey(slot);
      const fits =
        typeof value === "number" && Number.isFinite(value) && !Number.isNaN(this.#session.read(slot));
      // Each place once: what a short text sets is no more than the model has.
      if (!fits || slots.has(key)) throw foreign(name);
      slots.set(key, slot);
    };
    for (const [natural, index, value] of edits) {
      const name = ON_GRID[natural] ?? natural;
      const each = this.#session.whose(name) === "each";
      const place = each ? [this.#origin.neurons.indexOf(index[0]), ...index.slice(1)] : index;
      const left = this.#session.shapeOf(name).length - place.length + Number(each);
      if (left < 0) throw foreign(name);
      put(name, place, value, left);
    }
    // Centres first: a width in octaves is read at the centre that is there then.
    const inOrder = [...slots.values()].sort(
      (a, b) => Number(b.name === "strf.band") - Number(a.name === "strf.band"),
    );
    const { locked, limits } = this.#info;
    for (const slot of inOrder) {
      const value = Math.fround(this.#onGrid(slot, slots));
      const [low, high] = limitsOf(slot.name, limits);
      if (value < low - SLACK * Math.abs(low) - SLACK || value > high + SLACK * Math.abs(high) + SLACK)
        throw foreign(slot.name);
      slot.value = value;
      if (locked.includes(slot.name) && !near(this.#session.read(slot), value))
        throw new Error(
          `The state in the address sets ${NATURAL[slot.name] ?? slot.name}, which is locked here`,
        );
    }
    return inOrder;
  }

  #onGrid({ name, index, value }: Slot, slots: ReadonlyMap<string, Slot>): number {
    const { cfHz, T, dtMs, delayMs } = this.#session.axes;
    const band = () => {
      const centre = { name: "strf.band", index, value: 0 };
      return slots.get(slotKey(centre))?.value ?? this.#session.read(centre, true);
    };
    const values: Record<string, () => number> = {
      "strf.band": () => (value > 0 ? hzToBand(value, cfHz) : Number.NEGATIVE_INFINITY),
      "strf.frame": () => lagMsToFrame(value, T, dtMs, delayMs),
      "strf.sigma_bands": () => value / octavesPerBand(band(), cfHz),
      "strf.sigma_frames": () => value / dtMs,
    };
    return values[name]?.() ?? value;
  }
}

const near = (a: number, b: number) => Math.abs(a - b) <= SLACK * Math.max(Math.abs(a), Math.abs(b), SLACK);

const foreign = (name: string) =>
  new Error(`The state in the address is of another model: ${NATURAL[name] ?? name} does not fit this one`);
