import { describe, expect, it } from "vitest";
import { heardOnly } from "./evidence";

const [F, T] = [3, 4];
const field = Float64Array.from({ length: 2 * F * T }, (_, i) => i + 1);

describe("weights that have met no sound", () => {
  it("are 0 in the silent bands of a channel and in the frames of no sound", () => {
    const heard = Array.from(heardOnly(field, { rows: [1, 5], frames: 1, text: "" }, F, T));
    const expected = Array.from(field, (v, i) => (i % T < 1 || [1, 5].includes(Math.floor(i / T)) ? 0 : v));
    expect(heard).toEqual(expected);
    expect(field[4]).toBe(5);
  });
  it("are found in one channel alone", () => {
    const second = field.subarray(F * T);
    const heard = Array.from(heardOnly(second, { rows: [1, 5], frames: 0, text: "" }, F, T, 1));
    expect(heard).toEqual(Array.from(second, (v, i) => (Math.floor(i / T) === 2 ? 0 : v)));
  });
  it("cost nothing where there are none", () => {
    expect(heardOnly(field, { rows: [], frames: 0, text: "" }, F, T)).toBe(field);
  });
});
