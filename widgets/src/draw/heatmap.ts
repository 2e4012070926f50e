/** Matrices as pictures: one pixel a cell, stretched when painted. */

import { type Box, clip } from "../base/box";
import { drawAxis, linearTicks } from "./axes";
import { css, type Table } from "./colormap";
import type { Theme } from "./theme";

/**
 * Paint a (rows, columns) matrix into a canvas of that many pixels, row 0 at the bottom; returns what was painted.
 *
 * `kept` is what an earlier call with the same size, range and colours returned, and only the `changed` rows are done
 * anew.
 */
export function fillImage(
  canvas: HTMLCanvasElement,
  values: ArrayLike<number>,
  rows: number,
  columns: number,
  [low, high]: [number, number],
  colours: Table,
  offset = 0,
  stride = columns,
  kept: ImageData | null = null,
  changed: (row: number) => boolean = () => true,
): ImageData | null {
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  return fillFrames(canvas, values, rows, columns, [low, high], colours, offset, stride, 0, kept, changed);
}

/** Repaint columns of such a canvas from the column `left` on; the other parameters are those of `fillImage`. */
export function fillFrames(
  canvas: HTMLCanvasElement,
  values: ArrayLike<number>,
  rows: number,
  columns: number,
  [low, high]: [number, number],
  colours: Table,
  offset: number,
  stride: number,
  left: number,
  kept: ImageData | null = null,
  changed: (row: number) => boolean = () => true,
): ImageData | null {
  const ctx = canvas.getContext("2d");
  if (!ctx || rows === 0 || columns === 0) return null;
  const image = kept ?? ctx.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const scale = high > low ? 255 / (high - low) : 0;
  const middle = high > low ? 0 : 127.5;
  for (let r = 0; r < rows; r++) {
    if (kept && !changed(r)) continue;
    const from = offset + r * stride;
    const to = (rows - 1 - r) * columns;
    for (let c = 0; c < columns; c++) {
      const level = (values[from + c] - low) * scale + middle;
      pixels[to + c] = colours[level < 0 ? 0 : level > 255 ? 255 : Math.round(level)] ?? 0;
    }
  }
  ctx.putImageData(image, left, 0);
  return image;
}

/** How much of their colour weights keep that may be zero. */
const PALE = 0.3;

/** Move the cells of a picture of `fillImage` where `where` is not 0 towards the colour of zero. */
export function fade(
  canvas: HTMLCanvasElement,
  image: ImageData,
  where: ArrayLike<number>,
  offset: number,
  colours: Table,
): void {
  const { width, height, data } = image;
  const ground = new Uint8Array(colours.buffer, 4 * 128, 3);
  for (let r = 0; r < height; r++) {
    for (let c = 0; c < width; c++) {
      if (!where[offset + r * width + c]) continue;
      const at = 4 * ((height - 1 - r) * width + c);
      for (let i = 0; i < 3; i++) data[at + i] = ground[i] + PALE * (data[at + i] - ground[i]);
    }
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

const BAR = { gap: 8, width: 10 };

/** A vertical colour bar right of a plot, with its numbers on the right and its unit above them. */
export function drawColourBar(
  ctx: CanvasRenderingContext2D,
  theme: Theme,
  plot: Box,
  [low, high]: [number, number],
  colours: Table,
  title: string,
  most: number,
): void {
  const box = { ...plot, x: plot.x + plot.width + BAR.gap, width: BAR.width };
  const gradient = ctx.createLinearGradient(0, box.y + box.height, 0, box.y);
  for (let i = 0; i <= 16; i++) gradient.addColorStop(i / 16, css(colours, Math.round((255 * i) / 16)));
  ctx.fillStyle = gradient;
  ctx.fillRect(box.x, box.y, box.width, box.height);
  ctx.strokeStyle = theme.line;
  ctx.lineWidth = 1;
  ctx.strokeRect(box.x - 0.5, box.y - 0.5, box.width + 1, box.height + 1);
  const place = (at: number) => box.y + box.height * (1 - (at - low) / (high - low || 1));
  drawAxis(ctx, theme, box, "right", linearTicks(low, high, most), place, title);
}

const TILE = 4096;

/** A level this wide or less is not halved. */
const COARSEST = 512;

interface Level {
  columns: number;
  values: Float32Array;
  tiles: HTMLCanvasElement[];
}

/**
 * A long spectrogram, rendered once; halved again and again in time, where it is shown so small, that a wide view stays
 * true and quick.
 */
export class LongImage {
  readonly #levels: Level[];

  constructor(
    values: Float32Array,
    readonly rows: number,
    columns: number,
    readonly range: [number, number],
    readonly colours: Table,
  ) {
    this.#levels = columns > 0 ? [this.#level(values, columns)] : [];
  }

  #level(values: Float32Array, columns: number): Level {
    const tiles: HTMLCanvasElement[] = [];
    for (let start = 0; start < columns; start += TILE) {
      const tile = document.createElement("canvas");
      const width = Math.min(TILE, columns - start);
      fillImage(tile, values, this.rows, width, this.range, this.colours, start, columns);
      tiles.push(tile);
    }
    return { columns, values, tiles };
  }

  /** Half as many columns, each the mean of two. */
  #halved({ values, columns }: Level): Level {
    const half = Math.floor(columns / 2);
    const coarse = new Float32Array(this.rows * half);
    for (let r = 0; r < this.rows; r++) {
      for (let c = 0; c < half; c++) {
        coarse[r * half + c] = (values[r * columns + 2 * c] + values[r * columns + 2 * c + 1]) / 2;
      }
    }
    return this.#level(coarse, half);
  }

  /** Paint frames [from, to) of the whole into a box; `pixels` is the box's width on the screen. */
  draw(ctx: CanvasRenderingContext2D, box: Box, from: number, to: number, pixels: number): void {
    const finest = this.#levels[0];
    if (!finest || to <= from) return;
    let level = finest;
    for (let i = 1; level.columns > COARSEST; i++) {
      if (((to - from) * Math.floor(level.columns / 2)) / finest.columns < pixels) break;
      this.#levels[i] ??= this.#halved(level);
      level = this.#levels[i];
    }
    const scale = level.columns / finest.columns;
    const perColumn = box.width / ((to - from) * scale);
    const sharp = level === finest && perColumn > 1.5;
    ctx.save();
    clip(ctx, box);
    ctx.imageSmoothingEnabled = !sharp;
    level.tiles.forEach((tile, i) => {
      const x = box.x + (i * TILE - from * scale) * perColumn;
      const width = tile.width * perColumn;
      if (x + width < box.x || x > box.x + box.width) return;
      ctx.drawImage(tile, x, box.y, width, box.height);
    });
    ctx.restore();
  }
}
