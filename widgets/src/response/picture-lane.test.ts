import { describe, expect, it } from "vitest";
import { loudest } from "./picture-lane";

describe("columns of a long picture", () => {
  it("hold the highest of their frames, the last of what is left", () => {
    const values = [9, 1, 3, 2, 5, 4, 7, 0];
    const into = new Float32Array(5).fill(-1);
    loudest(values, 1, 7, 3, into, 1);
    // 1 3 2 | 5 4 7 | 0
    expect([...into]).toEqual([-1, 3, 7, 0, -1]);
  });

  it("are the frames themselves where there is a pixel for each", () => {
    const into = new Float32Array(3);
    loudest([4, 2, 8], 0, 3, 1, into, 0);
    expect([...into]).toEqual([4, 2, 8]);
  });
});
