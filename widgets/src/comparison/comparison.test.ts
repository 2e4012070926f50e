// @vitest-environment happy-dom

import { expect, it } from "vitest";
import entry from "../entry/comparison";
import { StaticModel } from "../offline/static-model";
import { fakeAround } from "../testing/around.fixture";
import { bytes } from "../testing/bench.fixture";
import { onEveryPage } from "../testing/mount.fixture";
import { type Row, sorted } from "./comparison";

onEveryPage();

const ROWS: Row[] = [
  { neuron: 0, name: "b10", a: 0.5, b: 0.6, gain: -0.1 },
  { neuron: 1, name: "<b2>", a: 0.7, b: null, gain: null },
  { neuron: 2, name: "b9", a: 0.9, b: 0.4, gain: 0.5 },
];
const INFO = {
  ...{ a: "LinearNonlinear", b: "StateNet", matching: "2 of 3 neurons matched by name; A alone has <b2>" },
  ...{ dt_ms: 5, delay_ms: 0, rate_unit: "spikes/bin", has_scores: true },
};

it("rows are sorted by a column either way, those without a value last", () => {
  const order = (by: keyof Row, down: boolean) => sorted(ROWS, by, down).map(({ neuron }) => neuron);
  expect([order("gain", true), order("gain", false)]).toEqual([
    [2, 0, 1],
    [0, 2, 1],
  ]);
  expect(order("name", false)).toEqual([1, 2, 0]);
});

it("scores, moments and fields are shown; a row chooses its neuron, a moment is pinned on the bench", () => {
  const sent: unknown[] = [];
  const { around, at, pinned } = fakeAround();
  const el = document.createElement("div");
  document.body.append(el);
  const traits = { info: INFO, rows: ROWS, neuron: 2, error: "", cf_hz: bytes([500, 1000]) };
  const moments = [{ frame: 250, difference: -1.5 }];
  const model = new StaticModel({ ...traits, moments }, (content) => sent.push(content));
  const stop = entry.render({ model, el, around });
  expect(el.textContent).toContain(
    "A: LinearNonlinear, on this bench · B: StateNet · 2 of 3 neurons matched",
  );
  const lines = () =>
    [...el.querySelectorAll("tbody tr")].map((line) => [...line.children].map((cell) => cell.textContent));
  expect(lines()[1]).toEqual(["2", "<b2>", "0.700", "–", "–"]);
  expect(el.querySelector("[aria-current]")?.textContent).toContain("b9");
  el.querySelector<HTMLElement>("[data-column=gain] button")!.click();
  expect(lines().map(([number]) => number)).toEqual(["3", "1", "2"]);
  el.querySelector<HTMLElement>("tbody tr")!.click();
  expect(sent).toEqual([{ type: "ready" }, { type: "choose", neuron: 2 }]);
  const jump = el.querySelector<HTMLElement>("[data-frame]")!;
  expect(jump.textContent).toBe("1.252 s: −1.5");
  jump.click();
  expect(pinned).toEqual([250]);
  expect(jump.hasAttribute("aria-current")).toBe(false);
  at(250);
  expect(jump.getAttribute("aria-current")).toBe("true");
  model.set("moments", []);
  expect(el.textContent).toContain("They do not differ on this sound");
  stop();
  expect(el.children.length).toBe(0);
  el.remove();
});
