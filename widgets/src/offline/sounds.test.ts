// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { floats } from "../base/bytes";
import bench from "../entry/bench";
import { levelOf } from "../math/fit";
import { bytes, type Fixture } from "../testing/bench.fixture";
import { frame, mount, onEveryPage, open, settle } from "../testing/mount.fixture";
import { savedPage, vector } from "../testing/offline.fixture";
import { type Saved, SavedPageModel } from "./saved-page";

onEveryPage();

const encode = (values: ArrayLike<number>) =>
  btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(values).buffer)));
const N = vector.stimulus.length / vector.F;

/** A page of two sounds: that of the vectors, and its first 9 bins. */
function twoSounds(): Saved {
  const saved = savedPage([vector.gaussians[4]]);
  const part = (values: number[]) => vector.stimulus && [...values, ...values.slice(0, 9)];
  const bands = Array.from({ length: vector.F }, (_, f) => vector.stimulus.slice(f * N, f * N + 9)).flat();
  const psth = vector.rate.map((v, i) => v + (i % 3));
  const [neuron] = saved.neurons;
  Object.assign(neuron, {
    rate: encode(part(vector.rate)),
    trained_rate: encode(part(vector.rate)),
    psth: encode(part(psth)),
  });
  Object.assign(saved.info, { n_sounds: 2, sound_names: ["birdsong", "1"], score_over: "sound" });
  saved.origin.sounds = [0, 1];
  return { ...saved, bins: [N, 9], stimulus: encode([...vector.stimulus, ...bands]) };
}

function shown() {
  const model = new SavedPageModel(twoSounds());
  const el = document.createElement("div");
  document.body.append(el);
  const stop = bench.render({ model, el });
  const root = el.querySelector<HTMLElement>(".deepstrf-bench")!;
  open.push({ fixture: { model } as unknown as Fixture, el, root, stop });
  frame();
  return { model, root };
}
const chooser = (root: HTMLElement) => root.querySelector<HTMLElement>(".db-sound")!;

describe("several sounds", () => {
  it("are chosen in a saved page, each over its own length and with its own score", async () => {
    const { model, root } = shown();
    expect(chooser(root).hidden).toBe(false);
    expect(chooser(root).querySelector("input")!.value).toBe("1 · birdsong");
    chooser(root).querySelector<HTMLButtonElement>("[aria-label='Next sound'],[title='Next sound']")!.click();
    await settle();
    await settle();
    expect(chooser(root).querySelector("input")!.value).toBe("2");
    expect((model.get("info") as { n_frames: number }).n_frames).toBe(9);
    const rate = [...floats(model.get("rate"))];
    expect(rate).toHaveLength(9);
    rate.forEach((value, i) => {
      expect(value).toBeCloseTo(vector.rate[i], 4);
    });
    const psth = vector.rate.slice(0, 9).map((v, i) => v + (i % 3));
    expect(model.get("score")).toBeCloseTo(levelOf(rate, psth).r!, 5);
    expect(root.querySelector(".db-score")!.textContent).toContain("this sound");
  });

  it("keep an edit from one to the next", async () => {
    const { model } = shown();
    const edit = { type: "edit", client: "p", seq: 1, gesture: "g", phase: "end" };
    const edits = [{ name: "strf.weight", index: [0, 0, 0] }];
    model.send({ ...edit, edits }, undefined, [Float32Array.of(-2).buffer]);
    await settle();
    const edited = [...floats(model.get("rate"))];
    model.set("sound", 1);
    model.save_changes();
    await settle();
    const other = [...floats(model.get("rate"))];
    other.forEach((value, i) => {
      expect(value).toBeCloseTo(edited[i], 5);
    });
    expect(other[8]).not.toBeCloseTo(vector.rate[8], 3);
  });

  it("are read from float16 as well", () => {
    const saved = twoSounds();
    const halves = new Uint16Array([0x3c00, 0xc000, 0x3555, 0x0001, 0x7e00, 0x7c00, 0]);
    const text = btoa(String.fromCharCode(...new Uint8Array(halves.buffer)));
    Object.assign(saved, { half: true, bins: [7, 0] });
    Object.assign(saved.info, { n_bands: 1, n_frames: 7, local: false });
    Object.assign(saved.neurons[0], { rate: text, trained_rate: text, psth: text });
    const read = [...floats(new SavedPageModel({ ...saved, stimulus: text }).get("rate"))];
    expect(read.slice(0, 2)).toEqual([1, -2]);
    expect(read[2]).toBeCloseTo(1 / 3, 3);
    expect(read[3]).toBeCloseTo(2 ** -24, 12);
    expect(read.slice(4)).toEqual([Number.NaN, Number.POSITIVE_INFINITY, 0]);
  });

  it("are not offered where there is one", () => {
    const { root } = mount();
    expect(chooser(root).hidden).toBe(true);
    expect(root.querySelector(".db-response .db-title")!.classList.contains("db-hidden")).toBe(false);
  });

  it("come from the kernel: what is on screen waits for them, and is of the old one until then", async () => {
    const info = { n_sounds: 3, sound_names: ["a", "a", "2"] };
    const { root, fixture } = mount({ sound: 0, sound_score: 0.25 }, info);
    expect(root.querySelector(".db-sound-score")!.textContent).toBe("r = 0.25");
    chooser(root).querySelector<HTMLButtonElement>("[aria-label='Next sound'],[title='Next sound']")!.click();
    frame();
    expect(fixture.model.get("sound")).toBe(1);
    expect(root.querySelector(".db-response")!.getAttribute("data-stale")).toBe("true");
    fixture.model.set("info", { ...(fixture.model.get("info") as object), ...info, sound: 1, n_frames: 5 });
    fixture.model.set("stimulus", bytes(new Float32Array(20)));
    fixture.model.set("rate", bytes(new Float32Array(5)));
    await settle();
    expect(root.querySelector(".db-response")!.getAttribute("data-stale")).toBeNull();
    expect(chooser(root).querySelector("input")!.value).toBe("2 · a");
  });
});
