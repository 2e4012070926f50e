/** A receptive field as a picture of one pixel a cell, which CSS stretches. */

import type { Table } from "../draw/colormap";

/** For every byte of an int8 field, read as uint8, its colour. */
export function byteColours(colours: Table): Uint32Array {
  const all = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const value = Math.max(byte < 128 ? byte : byte - 256, -127);
    all[byte] = colours[Math.round(((value + 127) * 255) / 254)];
  }
  return all;
}

const GAP_PX = 6;
/** Height of a channel's picture over its width. */
const ASPECT = 0.85;

/** Paints fields of one size, some channels of them side by side. */
export class Thumbnails {
  /** CSS pixels for one lag. */
  readonly perLag: number;
  /** Width in cells, and size on the page in CSS pixels. */
  readonly columns: number;
  readonly width: number;
  readonly height: number;
  /** Whether a cell is smaller than a pixel: then the browser must average. */
  readonly fine: boolean;
  readonly #gap: number;
  readonly #image: ImageData;
  readonly #pixels: Uint32Array;

  readonly #colours: Uint32Array;

  constructor(
    readonly bands: number,
    readonly lags: number,
    /** Which channels, from left to right. */
    readonly channels: number[],
    /** CSS pixels for the width of all of them. */
    room: number,
    colours: Uint32Array,
  ) {
    this.#colours = colours;
    const n = channels.length;
    const each = (room - (n - 1) * GAP_PX) / n;
    // Whole pixels a cell, so that all cells are of one size.
    let perLag = each >= lags ? Math.floor(each / lags) : each / lags;
    const gap = () => (n > 1 ? Math.max(Math.round(GAP_PX / perLag), 1) : 0);
    while (perLag > 1 && (n * lags + (n - 1) * gap()) * perLag > room) perLag -= 1;
    this.perLag = perLag;
    const tall = each * ASPECT;
    const perBand = tall >= bands ? Math.max(Math.round(tall / bands), 1) : tall / bands;
    this.#gap = gap();
    this.columns = n * lags + (n - 1) * this.#gap;
    this.width = this.columns * perLag;
    this.height = Math.round(bands * perBand);
    this.fine = perLag < 1 || perBand < 1;
    this.#image = new ImageData(this.columns, bands);
    this.#pixels = new Uint32Array(this.#image.data.buffer);
  }

  /** Paint the field that begins at `start` of `kernels` (C, F, T) into a canvas, `left` cells from its left edge. */
  paint(context: CanvasRenderingContext2D, left: number, kernels: Int8Array, start: number): void {
    const { bands, lags, columns } = this;
    const pixels = this.#pixels;
    const colours = this.#colours;
    this.channels.forEach((channel, place) => {
      const at = place * (lags + this.#gap);
      for (let band = 0; band < bands; band++) {
        const from = start + (channel * bands + band) * lags;
        const to = (bands - 1 - band) * columns + at;
        for (let lag = 0; lag < lags; lag++) pixels[to + lag] = colours[kernels[from + lag] & 255];
      }
    });
    context.putImageData(this.#image, left, 0);
  }

  /** Channel, lag and band under a place of the picture (shares from the left and the top); null between channels. */
  at(x: number, y: number): { channel: number; lag: number; band: number } | null {
    const column = Math.floor(x * this.columns);
    const place = Math.floor(column / (this.lags + this.#gap));
    const lag = column - place * (this.lags + this.#gap);
    const band = this.bands - 1 - Math.floor(y * this.bands);
    const channel = this.channels[place];
    if (channel === undefined || x < 0 || lag >= this.lags || band < 0 || band >= this.bands) return null;
    return { channel, lag, band };
  }
}
