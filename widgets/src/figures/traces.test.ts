import { expect, it } from "vitest";
import { layoutOf } from "./traces";

it("in a narrow graph the title stands beside the legend, not under it", () => {
  const lanes = ["response", "drive"].map((name) => ({ name, title: name, weight: 1, unit: "a.u." }));
  const figure = { lanes, fields: [], khz: [0.5, 20] } as never;
  const title = (graph: string, width: number) => {
    const { title, showlegend } = layoutOf(graph, figure, {} as never, width, false);
    return [(title as { x: number }).x, showlegend];
  };
  expect(title("response", 344)).toEqual([0, true]);
  expect(title("response", 900)).toEqual([0.5, true]);
  expect(title("drive", 344)).toEqual([0.5, false]);
});

it("in a wide graph the legend stands where Plotly's buttons do not", () => {
  const lanes = [{ name: "response", title: "Response", weight: 1, unit: "a.u." }];
  const figure = { lanes, fields: [], khz: [0.5, 20] } as never;
  const anchor = (width: number) =>
    (layoutOf("response", figure, {} as never, width, false).legend as { xanchor: string }).xanchor;
  expect([anchor(344), anchor(900)]).toEqual(["right", "left"]);
});
