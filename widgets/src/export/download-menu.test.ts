// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { key, mount, onEveryPage, settle } from "../testing/mount.fixture";
import { safe } from "./download-menu";

onEveryPage();

/** Files that were offered, by name. */
const files = new Map<string, Blob>();
let last: Blob;
beforeEach(() => {
  files.clear();
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
    last = blob as Blob;
    return "blob:one";
  });
  vi.spyOn(URL, "revokeObjectURL").mockReturnValue();
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    files.set(this.download, last);
  });
});
afterEach(() => document.body.replaceChildren());

/** A browser that has canvases. */
function withCanvases(): void {
  const context = {
    createImageData: (width: number, height: number) => ({ data: new Uint8ClampedArray(4 * width * height) }),
    putImageData: () => {},
    drawImage: () => {},
  };
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context as never);
}

const menuOf = (place: HTMLElement) => ({
  opener: place.querySelector<HTMLElement>(".db-download > button")!,
  menu: place.querySelector<HTMLElement>("[role=menu]")!,
});
async function save(root: HTMLElement, panel: string, kind: "PNG" | "SVG"): Promise<void> {
  const { opener, menu } = menuOf(root.querySelector<HTMLElement>(panel)!);
  opener.click();
  [...menu.querySelectorAll<HTMLElement>("button")].find((item) => item.textContent === kind)!.click();
  await settle();
}
async function parsed(name: string): Promise<Element> {
  const blob = files.get(name)!;
  expect(blob.type).toBe("image/svg+xml");
  const svg = new DOMParser().parseFromString(await blob.text(), "application/xml").documentElement;
  expect(svg.querySelector("parsererror")).toBeNull();
  return svg;
}
const texts = (svg: Element) => [...svg.querySelectorAll("text")].map((text) => text.textContent);
const message = (root: HTMLElement) => root.querySelector(".db-message")?.textContent;

describe("menu", () => {
  it("stands in the head of every panel and in the header, and says what it saves", () => {
    const { root } = mount();
    const labels = [...root.querySelectorAll(".db-download > button")].map((b) =>
      b.getAttribute("aria-label"),
    );
    expect(labels).toEqual([
      "Save a picture: the whole bench",
      "Save a picture: Receptive field",
      "Save a picture: Response",
    ]);
  });

  it("opens on a press, goes by arrows, and closes with Escape or when it is left", () => {
    const { root } = mount();
    const { opener, menu } = menuOf(root.querySelector<HTMLElement>(".db-strf")!);
    const state = () => [
      opener.getAttribute("aria-expanded"),
      menu.hidden,
      document.activeElement?.textContent,
    ];
    expect([opener.getAttribute("aria-haspopup"), menu.hidden]).toEqual(["menu", true]);
    opener.click();
    expect(state()).toEqual(["true", false, "PNG"]);
    key(document.activeElement!, "ArrowDown");
    expect(state()).toEqual(["true", false, "SVG"]);
    key(document.activeElement!, "ArrowDown");
    expect(state()).toEqual(["true", false, "PNG"]);
    key(document.activeElement!, "ArrowUp");
    expect(state()).toEqual(["true", false, "SVG"]);
    key(document.activeElement!, "Escape");
    expect([menu.hidden, document.activeElement]).toEqual([true, opener]);
    key(opener, "ArrowDown");
    expect(state()).toEqual(["true", false, "PNG"]);
    const out = new FocusEvent("focusout", { bubbles: true, relatedTarget: root });
    document.activeElement!.dispatchEvent(out);
    expect(menu.hidden).toBe(true);
  });
});

describe("picture", () => {
  it("of a receptive field is named after it, and has its axes as text", async () => {
    const { root } = mount({ selected: 0 });
    withCanvases();
    await save(root, ".db-strf", "SVG");
    expect([...files.keys()]).toEqual(["LinearNonlinear-neuron-1-receptive-field-on.svg"]);
    const svg = await parsed("LinearNonlinear-neuron-1-receptive-field-on.svg");
    const expected = ["Receptive field · ON", "frequency (kHz)", "lag (ms), 0 = now", "weight"];
    expect(texts(svg)).toEqual(expect.arrayContaining(expected));
    expect(svg.querySelector("image")).not.toBeNull();
    expect(svg.querySelector("ellipse")).not.toBeNull();
    expect(message(root)).toBe("");
  });

  it("of stimulus and response has both axes and the legend", async () => {
    const { root } = mount();
    withCanvases();
    await save(root, ".db-response", "SVG");
    const svg = await parsed("LinearNonlinear-neuron-1-stimulus-and-response.svg");
    const expected = ["frequency (kHz)", "dB", "rate (spikes/bin)", "time (s)", "recorded", "as trained"];
    expect(texts(svg)).toEqual(expect.arrayContaining(expected));
  });

  it("of the whole bench names the neuron, whatever its name is, and shows no buttons", async () => {
    const { root } = mount({ neuron: 1, of_neuron: 1 });
    withCanvases();
    await save(root, ".db-header", "SVG");
    const svg = await parsed("LinearNonlinear-neuron-2-bench.svg");
    const expected = texts(svg);
    expect(expected).toEqual(
      expect.arrayContaining(["LinearNonlinear", "2 · <b>bold</b>", "time (s)", "weight"]),
    );
    expect(expected).not.toContain("PNG");
    expect(expected.join()).not.toContain("Revert");
  });

  it("says when the browser refuses it, and that all is well again", async () => {
    const { root } = mount();
    await save(root, ".db-strf", "SVG");
    expect(message(root)).toBe("No SVG of this: the browser gives no canvas");
    expect(files.size).toBe(0);
    withCanvases();
    await save(root, ".db-strf", "SVG");
    expect([files.size, message(root)]).toEqual([1, ""]);
    vi.spyOn(HTMLImageElement.prototype, "decode").mockRejectedValue(new Error("too large"));
    await save(root, ".db-strf", "PNG");
    await settle();
    expect(message(root)).toBe("No PNG of this: too large");
  });

  it("as PNG has two pixels for each of the screen", async () => {
    const { root } = mount();
    withCanvases();
    const sizes: number[][] = [];
    vi.spyOn(HTMLImageElement.prototype, "decode").mockResolvedValue();
    vi.spyOn(HTMLCanvasElement.prototype, "toBlob").mockImplementation(function (
      this: HTMLCanvasElement,
      done,
    ) {
      sizes.push([this.width, this.height]);
      done(new Blob(["x"], { type: "image/png" }));
    });
    await save(root, ".db-strf", "PNG");
    await settle();
    await save(root, ".db-strf", "SVG");
    const svg = await parsed("LinearNonlinear-neuron-1-receptive-field-on.svg");
    const twice = ["width", "height"].map((name) => 2 * Number(svg.getAttribute(name)));
    expect(sizes).toEqual([twice]);
    expect(files.has("LinearNonlinear-neuron-1-receptive-field-on.png")).toBe(true);
  });
});

it("gives names that any system takes", () => {
  expect(safe('a/b\\c:d*?"<e>|.. f')).toBe("a-b-c-d-e-f");
  expect(safe("Réseau 神経 neuron 3")).toBe("Réseau-神経-neuron-3");
  expect(safe("x".repeat(500)).length).toBe(120);
});
