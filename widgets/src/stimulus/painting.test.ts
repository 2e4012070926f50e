import { describe, expect, it } from "vitest";
import { along, DAB_FRAMES, NOISE_DEPTH, Painting } from "./painting";

const [F, N, LOW] = [12, 40, -5];
const silence = () => new Float32Array(F * N).fill(LOW);
const canvas = (values = silence()) => new Painting(F, LOW, values);
const random = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};

/** A Gaussian around (frame, band) whose full widths at half of its height are 4 frames and `width` bands. */
function gaussian(t: number, f: number, frame: number, band: number, width: number): number {
  const sigma = (fullWidth: number) => fullWidth / (2 * Math.sqrt(2 * Math.log(2)));
  // A dab is flat for half a band to either side, so that its slopes begin there.
  const aside = Math.abs(f - band) <= 0.5 ? 0 : Math.abs(f - band) - 0.5;
  return Math.exp(
    -0.5 * (((t - frame) / sigma(DAB_FRAMES)) ** 2 + (aside === 0 ? 0 : (aside / sigma(width - 1)) ** 2)),
  );
}

describe("a dab", () => {
  it.each([
    [20, 6, 3],
    [20, 6.3, 2],
    [0, 0, 5],
    [39, 10.8, 1.5],
  ])("at frame %f and band %f, %f bands wide, is a Gaussian above silence", (frame, band, width) => {
    const painting = canvas();
    painting.begin(60);
    painting.dab({ frame, band }, width);
    painting.end(false);
    for (let f = 0; f < F; f++) {
      for (let t = 0; t < N; t++) {
        const share = gaussian(t, f, frame, band, width);
        expect(painting.level(t, f)).toBeCloseTo(share < 0.01 ? LOW : LOW + share * (60 - LOW), 3);
      }
    }
  });

  it("of one band leaves the others silent", () => {
    const painting = canvas();
    painting.begin(60);
    painting.dab({ frame: 20, band: 6.2 }, 1);
    const loud = Array.from({ length: F }, (_, f) => painting.level(20, f));
    expect(loud).toEqual(loud.map((_, f) => (f === 6 ? 60 : LOW)));
  });

  it("leaves what is louder, and two of them are as loud as the louder one", () => {
    const painting = canvas(silence().fill(30));
    painting.begin(60);
    for (let i = 0; i < 5; i++) painting.dab({ frame: 20, band: 6 }, 3);
    painting.end(false);
    expect(painting.level(20, 6)).toBe(60);
    expect(Math.min(...painting.values)).toBe(30);
    const before = painting.values.slice();
    painting.begin(40);
    painting.dab({ frame: 20, band: 6 }, 3);
    expect(painting.level(20, 6)).toBe(60);
    expect(painting.values.every((v, i) => v >= before[i])).toBe(true);
  });

  it("erases as softly, however often the same stroke comes by", () => {
    const painting = canvas(silence().fill(30));
    painting.begin(null);
    for (let i = 0; i < 5; i++) painting.dab({ frame: 20, band: 6 }, 3);
    for (let f = 0; f < F; f++) {
      const share = gaussian(20, f, 20, 6, 3);
      expect(painting.level(20, f)).toBeCloseTo(share < 0.01 ? 30 : LOW + 35 * (1 - share), 3);
    }
  });
});

describe("a line", () => {
  it("hits every frame between its ends at its level, where it is there", () => {
    const next = random(3);
    for (let i = 0; i < 200; i++) {
      const [a, b] = [1, 2].map(() => ({ frame: Math.floor(N * next()), band: (F - 1) * next() }));
      const painting = canvas();
      painting.begin(60);
      painting.line(a, b, 2);
      const [from, to] = [Math.min(a.frame, b.frame), Math.max(a.frame, b.frame)];
      for (let t = from; t <= to; t++) {
        const loud = Array.from({ length: F }, (_, f) => painting.level(t, f));
        expect(Math.max(...loud)).toBeCloseTo(60, 3);
        if (a.frame === b.frame) continue;
        // Dabs are a band apart at the most, and each is loudest in the band that is nearest to it.
        const on = a.band + ((t - a.frame) / (b.frame - a.frame)) * (b.band - a.band);
        const off = Math.min(...loud.flatMap((v, f) => (v > 59.999 ? [Math.abs(f - on)] : [])));
        expect(off).toBeLessThanOrEqual(1);
      }
      expect(painting.taken()[0]).toBeLessThanOrEqual(from);
    }
  });

  it("goes through every band of one frame", () => {
    const cells = along({ frame: 7, band: 0.4 }, { frame: 7, band: 8.9 });
    expect(new Set(cells.map(({ frame }) => frame))).toEqual(new Set([7]));
    cells.slice(1).forEach(({ band }, i) => {
      expect(band - cells[i].band).toBeLessThanOrEqual(1);
    });
    expect([cells[0].band, cells.at(-1)!.band]).toEqual([0.4, 8.9]);
  });

  it("that gets another end leaves nothing of the first one, and returns the frames that changed", () => {
    const [painting, want] = [canvas(), canvas()];
    painting.begin(60);
    painting.line({ frame: 5, band: 2 }, { frame: 35, band: 9 }, 2);
    painting.taken();
    painting.restart();
    painting.line({ frame: 5, band: 2 }, { frame: 9, band: 2 }, 2);
    want.begin(60);
    want.line({ frame: 5, band: 2 }, { frame: 9, band: 2 }, 2);
    expect(painting.values).toEqual(want.values);
    const [from, to] = painting.taken();
    expect(from).toBe(0);
    expect(to).toBe(40);
    expect(painting.taken()).toEqual([Infinity, -Infinity]);
  });
});

describe("a burst of noise", () => {
  it("fills its rectangle with levels below its own, the same ones each time", () => {
    const [painting, again] = [canvas(), canvas()];
    for (const one of [painting, again]) {
      one.begin(60);
      one.noise({ frame: 30, band: 8.4 }, { frame: 10, band: 3 });
    }
    expect(painting.values).toEqual(again.values);
    const inside: number[] = [];
    for (let f = 0; f < F; f++) {
      for (let t = 0; t < N; t++) {
        const within = t >= 10 && t <= 30 && f >= 3 && f <= 8;
        if (within) inside.push(painting.level(t, f));
        else expect(painting.level(t, f)).toBe(LOW);
      }
    }
    const depth = NOISE_DEPTH * (60 - LOW);
    expect(Math.max(...inside)).toBeLessThanOrEqual(60);
    expect(Math.min(...inside)).toBeGreaterThan(60 - depth - 1e-4);
    // Uniform numbers: the mean of 126 lies within four of its own standard deviations of the middle.
    const mean = inside.reduce((sum, v) => sum + v, 0) / inside.length;
    expect(Math.abs(mean - (60 - depth / 2))).toBeLessThan((4 * depth) / Math.sqrt(12 * inside.length));
  });
});

describe("the way back", () => {
  const stroke = (painting: Painting, frame: number) => {
    painting.begin(60);
    painting.dab({ frame, band: 4 }, 2);
    painting.end(false);
  };

  it("goes stroke by stroke, both ways", () => {
    const painting = canvas();
    const seen = [painting.values.slice()];
    for (const frame of [5, 15, 25]) {
      stroke(painting, frame);
      seen.push(painting.values.slice());
    }
    for (const step of [2, 1, 0]) {
      expect(painting.undo()).toBe(true);
      expect(painting.values).toEqual(seen[step]);
    }
    expect(painting.undo()).toBe(false);
    for (const step of [1, 2]) {
      painting.redo();
      expect(painting.values).toEqual(seen[step]);
    }
    expect(painting.canRedo).toBe(true);
    stroke(painting, 35);
    expect(painting.canRedo).toBe(false);
    painting.undo();
    expect(painting.values).toEqual(seen[2]);
  });

  it("has no step for a stroke that was cancelled", () => {
    const painting = canvas();
    painting.begin(60);
    painting.dab({ frame: 5, band: 4 }, 2);
    expect(painting.end(true)).toEqual([0, 11]);
    expect(painting.values).toEqual(silence());
    expect(painting.canUndo).toBe(false);
  });

  it("brings the length back", () => {
    const painting = canvas();
    stroke(painting, 5);
    const before = painting.values;
    painting.put(painting.resized(60));
    expect(painting.n).toBe(60);
    expect(painting.level(5, 4)).toBe(60);
    expect(painting.level(59, 4)).toBe(LOW);
    painting.put(painting.resized(3));
    expect(painting.values.length).toBe(F * 3);
    painting.undo();
    painting.undo();
    expect(painting.values).toEqual(before);
  });

  it("forgets the oldest of more than fifty strokes", () => {
    const painting = canvas();
    for (let i = 0; i < 60; i++) stroke(painting, i % N);
    let steps = 0;
    while (painting.undo()) steps++;
    expect(steps).toBe(50);
  });
});

it("gives some frames of all bands", () => {
  const painting = canvas(Float32Array.from({ length: F * N }, (_, i) => i));
  const want = Array.from({ length: F }, (_, f) => [f * N + 7, f * N + 8, f * N + 9]).flat();
  expect([...painting.frames(7, 10)]).toEqual(want);
});
