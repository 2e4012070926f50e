import { expect, it } from "vitest";
import { signedPercent, typedNumber } from "./format";

it.each([
  ["4.2", 4.2],
  ["4,2", 4.2],
  [" 0,75 ", 0.75],
  [",5", 0.5],
  ["3,", 3],
  ["-0.07", -0.07],
  ["−0,07", -0.07],
  ["–1", -1],
  ["1e3", 1000],
  ["", Number.NaN],
  ["-", Number.NaN],
  ["1,234.5", Number.NaN],
  ["1,2,3", Number.NaN],
  ["4 kHz", Number.NaN],
])("reads %j as %d", (text, number) => {
  expect(typedNumber(text)).toBe(number);
});

it("writes shares in percent with their sign", () => {
  expect([0.121, -0.5, 0.001, -0.001].map(signedPercent)).toEqual(["+12 %", "−50 %", "±0 %", "±0 %"]);
});
