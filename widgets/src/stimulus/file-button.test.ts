// @vitest-environment happy-dom

import { afterEach, expect, it, vi } from "vitest";
import bench from "../entry/sounds";
import { StaticModel } from "../offline/static-model";

let stop = () => {};
afterEach(() => stop());

function page() {
  const sent: [content: unknown, buffers: ArrayBuffer[]][] = [];
  const info = { title: "WAV", accept: ".wav", max_bytes: 10, part_bytes: 4 };
  const el = document.createElement("div");
  document.body.append(el);
  const model = new StaticModel({ view: "file", info }, (content, buffers) => sent.push([content, buffers]));
  const end = bench.render({ model, el });
  stop = () => {
    end();
    el.remove();
  };
  return { sent, el, input: el.querySelector("input")! };
}

function choose(input: HTMLInputElement, file: File): void {
  Object.defineProperty(input, "files", { value: [file], configurable: true });
  input.dispatchEvent(new Event("change"));
}

it("a file is sent in parts that a server lets in, one that is too large as its size alone", async () => {
  const { sent, el, input } = page();
  choose(input, new File(["0123456789"], "<b>.wav"));
  await vi.waitFor(() => expect(sent.length).toBe(3));
  expect(sent.map(([content]) => content)).toEqual(
    [0, 4, 8].map((at) => ({ type: "file", name: "<b>.wav", size: 10, at })),
  );
  expect(sent.map(([, buffers]) => new TextDecoder().decode(buffers[0]))).toEqual(["0123", "4567", "89"]);
  const large = new File(["0123456789+"], "large.wav");
  const read = vi.spyOn(large, "arrayBuffer");
  choose(input, large);
  await vi.waitFor(() => expect(sent.length).toBe(4));
  expect(sent[3]).toEqual([{ type: "file", name: "large.wav", size: 11 }, []]);
  expect(read).not.toHaveBeenCalled();
  stop();
  expect(el.children.length).toBe(0);
});

it("the button opens the browser's choice of files", () => {
  const { el, input } = page();
  const opened = vi.spyOn(input, "click").mockImplementation(() => {});
  el.querySelector("button")!.click();
  expect(opened).toHaveBeenCalledOnce();
  expect(input.accept).toBe(".wav");
});
