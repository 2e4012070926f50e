// @vitest-environment happy-dom

import { afterEach, describe, expect, it, vi } from "vitest";
import { strokeSignal } from "./line";
import { PaintInputs, record, Surface } from "./surface";
import { colour, embedded, escaped, file, SvgContext, SvgPath } from "./svg-context";

/** What was drawn, as elements: a file that is no XML has no such. */
function drawn(vector: SvgContext): Element {
  const box = { x: -2, y: 3, width: 40, height: 30 };
  const svg = file(box, "rgb(1, 2, 3)", '"Segoe UI", serif', '<b>&"', vector.text);
  const { documentElement } = new DOMParser().parseFromString(svg, "application/xml");
  expect(documentElement.querySelector("parsererror")).toBeNull();
  return documentElement;
}
/** The element that comes after the title and the ground. */
function shape(draw: (vector: SvgContext) => void): Record<string, string | null> {
  const vector = new SvgContext();
  draw(vector);
  const one = drawn(vector).children[2];
  const attributes = one.getAttributeNames().map((name) => [name, one.getAttribute(name)]);
  return { tag: one.tagName, ...Object.fromEntries(attributes) };
}

afterEach(() => vi.restoreAllMocks());

describe("file", () => {
  it("has a size, a ground, a font, and a title that is text", () => {
    const svg = drawn(new SvgContext());
    const read = (name: string) => svg.getAttribute(name);
    expect([read("width"), read("height"), read("viewBox")]).toEqual(["40", "30", "-2 3 40 30"]);
    expect(read("font-family")).toBe('"Segoe UI", serif');
    expect(svg.children[0].textContent).toBe('<b>&"');
    const ground = ["x", "y", "width", "height", "fill"].map((name) => svg.children[1].getAttribute(name));
    expect(ground).toEqual(["-2", "3", "40", "30", "rgb(1,2,3)"]);
  });

  it("leaves out what XML has no sign for", () => {
    expect(escaped("a\u0000b\u001fc\ud800d\uffffe\u{1f600}")).toBe("abcde\u{1f600}");
  });

  it("puts the opacity of a colour beside it", () => {
    expect(colour("fill", "rgba(10, 20, 30, 0.5)", 0.5)).toEqual({
      fill: "rgb(10,20,30)",
      "fill-opacity": 0.25,
    });
    expect(colour("stroke", "rgb(1 2 3)")).toEqual({ stroke: "rgb(1,2,3)", "stroke-opacity": null });
    expect(colour("fill", "rgb(0 0 0 / 87%)").fill).toBe("rgb(0 0 0 / 87%)");
    expect(colour("fill", "#abc")).toEqual({ fill: "#abc", "fill-opacity": null });
  });
});

describe("vector", () => {
  it("strokes a path with its width, dashes, joins and opacity", () => {
    const line = shape((ctx) => {
      ctx.strokeStyle = "#123456";
      ctx.lineWidth = 1.5;
      ctx.lineJoin = "round";
      ctx.globalAlpha = 0.75;
      ctx.setLineDash([4, 3]);
      ctx.beginPath();
      ctx.moveTo(1, 2);
      ctx.lineTo(3.4567, 4);
      ctx.stroke();
    });
    expect(line).toEqual({
      tag: "path",
      d: "M1 2L3.46 4",
      fill: "none",
      stroke: "#123456",
      "stroke-opacity": "0.75",
      "stroke-width": "1.5",
      "stroke-linejoin": "round",
      "stroke-dasharray": "4 3",
    });
  });

  it("fills rectangles and circles of a path", () => {
    const filled = shape((ctx) => {
      ctx.fillStyle = "red";
      ctx.beginPath();
      ctx.rect(1, 2, 3, 4);
      ctx.moveTo(7, 5);
      ctx.arc(5, 5, 2, 0, 2 * Math.PI);
      ctx.fill();
    });
    // Two half circles, from (7, 5) by (3, 5) back.
    expect(filled).toEqual({
      tag: "path",
      d: "M1 2h3v4h-3zM7 5L7 5A2 2 0 0 1 3 5A2 2 0 0 1 7 5",
      fill: "red",
    });
  });

  it("draws nothing of an empty path or text", () => {
    const vector = new SvgContext();
    vector.beginPath();
    vector.stroke();
    vector.fill();
    vector.fillText("", 0, 0);
    expect(vector.text).toBe("");
  });

  it("draws rectangles, one of them with a gradient", () => {
    const edge = shape((ctx) => ctx.strokeRect(1, 2, 3, 4));
    expect(edge).toMatchObject({
      tag: "rect",
      x: "1",
      y: "2",
      width: "3",
      height: "4",
      fill: "none",
      stroke: "#000",
    });
    const vector = new SvgContext();
    const gradient = vector.createLinearGradient(0, 9, 0, 1);
    gradient.addColorStop(0, "rgb(1 2 3)");
    gradient.addColorStop(1, "#fff");
    vector.fillStyle = gradient;
    vector.fillRect(1, 2, 3, 4);
    const [definition, bar] = [...drawn(vector).children].slice(2);
    expect(bar.getAttribute("fill")).toBe(`url(#${definition.id})`);
    expect(["x1", "y1", "x2", "y2"].map((name) => definition.getAttribute(name))).toEqual([
      "0",
      "9",
      "0",
      "1",
    ]);
    const stops = [...definition.children].map((s) => [
      s.getAttribute("offset"),
      s.getAttribute("stop-color"),
    ]);
    expect(stops).toEqual([
      ["0", "rgb(1,2,3)"],
      ["1", "#fff"],
    ]);
  });

  it("keeps text as text, on the line that its baseline gives", () => {
    const at = (textBaseline: string) =>
      shape((ctx) => {
        ctx.font = "600 10px sans-serif";
        ctx.textBaseline = textBaseline;
        ctx.textAlign = "right";
        ctx.fillText('<b>&"', 5, 20);
      });
    expect(at("alphabetic")).toMatchObject({ x: "5", y: "20", "font-size": "10", "font-weight": "600" });
    // A letter of 10 px reaches 8 above its line and 2 below it.
    expect(at("top").y).toBe("28");
    expect(at("middle").y).toBe("23");
    expect(at("bottom").y).toBe("18");
    expect(at("top")["text-anchor"]).toBe("end");
    const vector = new SvgContext();
    vector.fillText('<b>&"', 0, 0);
    expect(drawn(vector).querySelector("text")?.textContent).toBe('<b>&"');
  });

  it("moves and turns what comes after, until it is restored", () => {
    const vector = new SvgContext();
    vector.save();
    vector.translate(12, 30);
    vector.rotate(-Math.PI / 2);
    vector.fillText("a", 0, 0);
    vector.restore();
    vector.fillText("b", 0, 0);
    const [a, b] = [...drawn(vector).querySelectorAll("text")].map((text) => text.getAttribute("transform"));
    expect([a, b]).toEqual(["translate(12 30)rotate(-90)", null]);
  });

  it("restores colours, and the clips of each save", () => {
    const vector = new SvgContext();
    vector.fillStyle = "red";
    vector.save();
    vector.fillStyle = "green";
    vector.rect(0, 0, 10, 10);
    vector.clip();
    vector.save();
    vector.beginPath();
    vector.rect(5, 5, 10, 10);
    vector.clip();
    vector.fillRect(1, 1, 1, 1);
    vector.restore();
    vector.fillRect(2, 2, 2, 2);
    vector.restore();
    vector.fillRect(3, 3, 3, 3);
    const svg = drawn(vector);
    const rect = (x: number) => svg.querySelector(`rect[x="${x}"]`) as Element;
    expect([1, 2, 3].map((x) => rect(x).getAttribute("fill"))).toEqual(["green", "green", "red"]);
    const clips = (x: number) => {
      const paths: (string | null | undefined)[] = [];
      for (let at = rect(x).parentElement; at && at !== svg; at = at.parentElement) {
        const id = /#(.*)\)/.exec(at.getAttribute("clip-path") ?? "")?.[1];
        paths.push(svg.querySelector(`[id="${id}"] path`)?.getAttribute("d"));
      }
      return paths;
    };
    expect(clips(1)).toEqual(["M5 5h10v10h-10z", "M0 0h10v10h-10z"]);
    expect(clips(2)).toEqual(["M0 0h10v10h-10z"]);
    expect(clips(3)).toEqual([]);
  });

  it("closes clips that were not restored", () => {
    const vector = new SvgContext();
    vector.save();
    vector.rect(0, 0, 1, 1);
    vector.clip();
    vector.fillRect(0, 0, 1, 1);
    expect(drawn(vector).querySelectorAll("g").length).toBe(1);
  });

  it("draws a dense signal once, 1.5 px wide", () => {
    const vector = new SvgContext();
    const path = new SvgPath();
    path.moveTo(0, 0);
    path.lineTo(1, 1);
    strokeSignal(vector as unknown as CanvasRenderingContext2D, "#000", path as unknown as Path2D);
    const lines = drawn(vector).querySelectorAll("path");
    expect(lines.length).toBe(1);
    expect(lines[0].getAttribute("stroke-width")).toBe("1.5");
  });
});

describe("canvases", () => {
  const canvas = (width: number, height: number) => {
    const made = document.createElement("canvas");
    made.width = width;
    made.height = height;
    return made;
  };

  it("are taken over as they are, or with many pixels for each of theirs", () => {
    const drawImage = vi.fn();
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue({ drawImage } as never);
    vi.spyOn(HTMLCanvasElement.prototype, "toDataURL").mockImplementation(function (this: HTMLCanvasElement) {
      return `data:image/png;base64,${this.width}x${this.height}`;
    });
    const vector = new SvgContext();
    vector.drawImage(canvas(4, 3), 1, 2, 90, 30);
    vector.imageSmoothingEnabled = false;
    vector.drawImage(canvas(4, 3), 1, 2, 90, 30);
    vector.drawImage(canvas(0, 3), 1, 2, 90, 30);
    const images = [...drawn(vector).querySelectorAll("image")];
    // Two pixels for each of the 90 x 30: 45 for each of the 4 columns, 20 for each of the 3 rows.
    expect(images.map((image) => image.getAttribute("xlink:href")?.split(",")[1])).toEqual(["4x3", "180x60"]);
    expect(images.map((image) => image.getAttribute("style"))).toEqual([null, "image-rendering:pixelated"]);
    expect(drawImage.mock.calls[0].slice(1)).toEqual([0, 0, 180, 60]);
  });

  it("are never made larger than browsers take", () => {
    const sizes: number[] = [];
    const drawImage = (_: unknown, ...[, , width, height]: number[]) => sizes.push(width, height);
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue({ drawImage } as never);
    embedded(canvas(4096, 2), 0, 0, 80_000, 2, false);
    // 8192 = 2 x 4096 pixels at most; two for each of the height.
    expect(sizes).toEqual([8192, 4]);
  });

  it("that the browser refuses are no pictures", () => {
    expect(() => embedded(canvas(2, 2), 0, 0, 9, 9, false)).toThrow("the browser gives no canvas");
    vi.spyOn(HTMLCanvasElement.prototype, "toDataURL").mockReturnValue("data:,");
    expect(() => embedded(canvas(2, 2), 0, 0, 9, 9, true)).toThrow("does not let a page read its pictures");
  });
});

describe("recording", () => {
  it("paints anew and leaves the canvas and what it was painted from alone", () => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(30);
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(20);
    const element = document.createElement("canvas");
    const cleanup = { add: () => {} };
    const surface = new Surface(element, cleanup as never, () => {});
    const inputs = new PaintInputs();
    expect(inputs.changedSince(1)).toBe(true);
    const pictures = record(() => {
      expect(inputs.changedSince(2)).toBe(true);
      surface.begin()?.fillRect(1, 2, 3, 4);
    });
    expect(inputs.changedSince(1)).toBe(false);
    expect(surface.begin()).toBeNull(); // no canvas here, and nothing is recorded any more
    expect([...pictures.keys()]).toEqual([element]);
    expect(pictures.get(element)?.text).toBe('<rect x="1" y="2" width="3" height="4" fill="#000"/>');
    expect(() =>
      record(() => {
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(surface.begin()).toBeNull();
  });
});
