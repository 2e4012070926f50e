import { describe, expect, it, vi } from "vitest";
import { fixed, frequency, gainText, milliseconds, number, scoreText } from "../base/format";
import { hzToBand } from "../math/units";
import { frequencyTicks, linearTicks, niceStep } from "./axes";
import { css, diverging, sequential } from "./colormap";
import { Grid } from "./grid";
import { fillImage, LongImage } from "./heatmap";
import { extent, fillSteps, traceLine } from "./line";
import { Eased } from "./surface";

describe("ticks", () => {
  it("step by 1, 2 or 5 times a power of ten, no more often than asked", () => {
    expect(niceStep(10, 5)).toBe(2);
    expect(niceStep(0.9, 4)).toBeCloseTo(0.5, 12);
    expect(niceStep(7, 10)).toBe(1);
    for (const span of [0.013, 0.7, 3, 42, 999]) {
      for (const most of [2, 5, 9])
        expect(span / niceStep(span, most)).toBeLessThanOrEqual(most * (1 + 1e-9));
    }
  });

  it("are round numbers within the ends, without a minus before zero", () => {
    expect(linearTicks(-0.05, 0.05, 5).map((t) => t.text)).toEqual([
      "−0.04",
      "−0.02",
      "0.00",
      "0.02",
      "0.04",
    ]);
    expect(linearTicks(0, 195, 4).map((t) => t.at)).toEqual([0, 50, 100, 150]);
  });

  it("have a power of ten where more than three decimals would be cut beside a colour bar", () => {
    const texts = (low: number, high: number) => linearTicks(low, high, 5).map((t) => t.text);
    expect(texts(-0.0005, 0.0005)).toEqual(["−4e−4", "−2e−4", "0", "2e−4", "4e−4"]);
    expect(texts(-0.00002, 0.00013)).toEqual(["0", "5e−5", "1.0e−4"]);
    expect(texts(0.001, 0.0015)[1]).toBe("1.1e−3");
    expect(texts(0, 0.005)[1]).toBe("0.001");
  });

  it("of ultrasound keep their zeros", () => {
    const cf = Array.from({ length: 34 }, (_, i) => 1000 * 200 ** (i / 33));
    const texts = frequencyTicks(cf, 290).map((t) => t.text);
    expect(texts).toContain("100");
    expect(texts).toContain("10");
    expect(texts[0]).toBe("1");
  });

  it("of a frequency axis lie on their bands, in kHz, apart enough to read", () => {
    const cf = Array.from({ length: 34 }, (_, i) => 500 * 40 ** (i / 33));
    const ticks = frequencyTicks(cf, 290);
    // 290 px / 34 bands x 33 bands / log2(40) octaves = 52.9 px an octave: from 8 to 10 kHz are 17, from 3 to 4 are 22 px,
    // too few; the steps 1, 2, 5 are an octave or more apart.
    expect(ticks.map((t) => t.text)).toEqual(["0.5", "1", "2", "5", "10", "20"]);
    for (const { at, text } of ticks) expect(at).toBeCloseTo(hzToBand(1000 * Number(text), cf), 9);
    const pixels = ticks.map((t) => (t.at * 290) / 34);
    pixels.slice(1).forEach((p, i) => {
      expect(p - pixels[i]).toBeGreaterThanOrEqual(26);
    });
  });

  it("exist for a narrow axis and for a single band", () => {
    expect(frequencyTicks([4000, 4100, 4200, 4300], 200).length).toBeGreaterThan(1);
    expect(frequencyTicks([4000], 200).length).toBeGreaterThan(0);
  });
});

describe("colours", () => {
  const grey = (text: string) => (text.match(/\d+/g) as string[]).map(Number);
  it("diverge from the panel: blue below zero, red above, each side the mirror of the other in lightness", () => {
    for (const dark of [false, true]) {
      const table = diverging(dark);
      const [r0, , b0] = grey(css(table, 40));
      const [r1, , b1] = grey(css(table, 215));
      expect(b0).toBeGreaterThan(r0);
      expect(r1).toBeGreaterThan(b1);
      for (const channel of grey(css(table, 128))) {
        if (dark) expect(channel).toBeLessThan(48);
        else expect(channel).toBeGreaterThan(235);
      }
    }
  });

  it("of loudness rise in lightness all the way", () => {
    const lightness = Array.from({ length: 256 }, (_, i) => {
      const [r, g, b] = grey(css(sequential(), i));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    });
    for (let i = 8; i < 256; i++) expect(lightness[i]).toBeGreaterThan(lightness[i - 8]);
  });
});

describe("long lines", () => {
  const box = { x: 10, y: 0, width: 100, height: 50 };
  const record = () => {
    const points: [string, number, number][] = [];
    return {
      points,
      path: {
        moveTo: (x: number, y: number) => points.push(["M", x, y]),
        lineTo: (x: number, y: number) => points.push(["L", x, y]),
      },
    };
  };

  it("keep the lowest and highest value of every pixel column, with at most two points each", () => {
    const n = 12_000;
    const values = Float32Array.from({ length: n }, (_, i) => Math.sin(i / 3));
    values[6010] = 40;
    values[6011] = -30;
    const { points, path } = record();
    traceLine(path, values, { from: 0, to: n }, box, (v) => v);
    expect(points.length).toBeLessThanOrEqual(204);
    const ys = points.map((p) => p[2]);
    expect(Math.max(...ys)).toBe(40);
    expect(Math.min(...ys)).toBe(-30);
  });

  it("go through the middle of wide bins and break at gaps", () => {
    const { points, path } = record();
    traceLine(path, [1, 2, Number.NaN, 4], { from: 0, to: 4 }, box, (v) => v);
    expect(points).toEqual([
      ["M", 22.5, 1],
      ["L", 47.5, 2],
      ["M", 97.5, 4],
    ]);
  });

  it("fill steps from the base and leave gaps open", () => {
    const rects: number[][] = [];
    const ctx = { beginPath() {}, fill() {}, rect: (...r: number[]) => void rects.push(r) };
    fillSteps(ctx, [1, Number.NaN, 3, 4], { from: 0, to: 4 }, box, (v) => 10 - v, 0);
    expect(rects).toEqual([
      [10, 9, 25, 1],
      [60, 7, 25, 3],
      [85, 6, 25, 4],
    ]);
  });

  it("know their ends without the gaps", () => {
    expect(extent([Number.NaN, 3, -2, Number.NaN])).toEqual([-2, 3]);
    expect(extent([Number.NaN])).toBeNull();
  });
});

it("a grid returns from pixels, and clamps what lies outside", () => {
  const grid = new Grid({ x: 50, y: 10, width: 400, height: 300 }, 6, 8);
  expect(grid.frame(grid.x(2.25))).toBeCloseTo(2.25, 12);
  expect(grid.band(grid.y(4.5))).toBeCloseTo(4.5, 12);
  expect(grid.y(5)).toBeLessThan(grid.y(0));
  const at = { band: 9, frame: 3, sigmaBands: 1, sigmaFrames: 1 };
  expect(grid.centre(at)).toEqual({ x: grid.x(3), y: 10, outside: true });
  expect(grid.centre({ ...at, band: 2 }).outside).toBe(false);
});

describe("easing", () => {
  it("glides to the goal and stops there", () => {
    const eased = new Eased();
    eased.aim(2, 0, true);
    expect(eased.value).toBe(2);
    eased.aim(4, 100, true);
    expect(eased.step(150)).toBe(true);
    expect(eased.value).toBeGreaterThan(2);
    expect(eased.value).toBeLessThan(4);
    expect(eased.step(400)).toBe(false);
    expect(eased.value).toBe(4);
  });

  it("is at the goal at once where motion is not wanted", () => {
    const eased = new Eased();
    eased.aim(2, 0, false);
    eased.aim(5, 1, false);
    expect([eased.value, eased.step(2)]).toEqual([5, false]);
  });
});

describe("numbers", () => {
  it("carry their units and a true minus", () => {
    expect([frequency(4230), frequency(13_516), frequency(850), frequency(85.2)]).toEqual([
      "4.2 kHz",
      "13.5 kHz",
      "850 Hz",
      "85 Hz",
    ]);
    expect([milliseconds(35.2), milliseconds(8), milliseconds(0)]).toEqual(["35 ms", "8.0 ms", "0.0 ms"]);
    expect([number(-0.5), number(1e-7, 2), number(Number.NaN), fixed(-0.001, 2)]).toEqual([
      "−0.500",
      "1.0e−7",
      "–",
      "0.00",
    ]);
  });

  it("of scores show the gain over training", () => {
    expect(scoreText(0.714)).toBe("r = 0.71");
    expect(scoreText(null)).toBe("r = –");
    expect(gainText(0.714, 0.67)).toBe("(+0.04)");
    expect(gainText(0.6, 0.7)).toBe("(−0.10)");
    expect(gainText(0.701, 0.7)).toBe("(±0.00)");
    expect(gainText(0.7, 0.7)).toBe("");
    expect(gainText(0.7, null)).toBe("");
  });
});

describe("pictures", () => {
  /** A canvas that keeps what was put into it. */
  function fakeCanvas() {
    const canvas = { width: 0, height: 0, shown: [] as number[] };
    const createImageData = (width: number, height: number) => ({
      data: new Uint8ClampedArray(4 * width * height),
    });
    const putImageData = (image: ImageData) => {
      canvas.shown = [...image.data];
    };
    return Object.assign(canvas, { getContext: () => ({ createImageData, putImageData }) });
  }
  type Canvas = HTMLCanvasElement & { shown: number[] };

  it("of which a few rows changed look like pictures made anew", () => {
    const [rows, columns, total] = [4, 3, 5];
    const values = Array.from({ length: rows * total }, (_, i) => (i * 7) % 11);
    const [kept, fresh] = [fakeCanvas(), fakeCanvas()] as unknown as [Canvas, Canvas];
    const paint = (canvas: Canvas, ...more: [(ImageData | null)?, ((row: number) => boolean)?]) =>
      fillImage(canvas, values, rows, columns, [0, 10], sequential(), 1, total, ...more);
    const image = paint(kept);
    for (let c = 0; c < columns; c++) values[2 * total + 1 + c] = 10 - c;
    const before = kept.shown;
    paint(kept, image, (row) => row === 2);
    paint(fresh);
    expect(kept.shown).toEqual(fresh.shown);
    expect(kept.shown).not.toEqual(before);
    // A row that is said to be as it was is left alone.
    values.fill(0);
    paint(kept, image, () => false);
    expect(kept.shown).toEqual(fresh.shown);
  });

  it("of long sounds are halved as they are shown smaller, and not before", () => {
    const made: ReturnType<typeof fakeCanvas>[] = [];
    const createElement = () => {
      made.push(fakeCanvas());
      return made.at(-1);
    };
    vi.stubGlobal("document", { createElement });
    try {
      const [rows, columns] = [1, 5000];
      const values = Float32Array.from({ length: columns }, (_, i) => i % 4);
      const image = new LongImage(values, rows, columns, [0, 3], sequential());
      const box = { x: 0, y: 0, width: 100, height: 10 };
      /** Columns of the tiles that are painted for frames on so many pixels. */
      const shown = (from: number, to: number, pixels: number) => {
        const tiles: number[] = [];
        const drawImage = (tile: { width: number }) => tiles.push(tile.width);
        const ctx = { save() {}, restore() {}, beginPath() {}, rect() {}, clip() {}, drawImage };
        image.draw(ctx as unknown as CanvasRenderingContext2D, box, from, to, pixels);
        return tiles;
      };
      expect(shown(0, columns, 5000)).toEqual([4096, 904]);
      expect(made).toHaveLength(2);
      expect(shown(0, columns, 2500)).toEqual([2500]);
      expect(shown(0, columns, 1000)).toEqual([1250]);
      expect(shown(0, columns, 10)).toEqual([312]); // 512 or fewer are not halved
      expect(shown(0, 500, 200)).toEqual([2500]); // half as many would be 125
      expect(made).toHaveLength(2 + 4);
      // Means of 0 1 2 3 by two are .5 and 2.5, and by four 1.5.
      const level = (value: number) => [
        ...new Uint8Array(sequential().buffer, 4 * Math.round((255 * value) / 3), 4),
      ];
      expect(made[2].shown.slice(0, 8)).toEqual([...level(0.5), ...level(2.5)]);
      expect(made[3].shown.slice(0, 8)).toEqual([...level(1.5), ...level(1.5)]);
    } finally {
      vi.unstubAllGlobals();
    }
  });
});
