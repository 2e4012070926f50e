import { describe, expect, it } from "vitest";
import { floats } from "../base/bytes";
import type { Info, Message } from "../kernel/contract";
import { LocalSession, NO_ARRAYS } from "../state/local-session";
import { full, savedPage, separable, vector } from "../testing/offline.fixture";
import { SavedPageModel } from "./saved-page";

function made(of = vector) {
  const saved = savedPage([vector.gaussians[4], 0.125], {}, of);
  const model = new SavedPageModel(saved);
  const answers: Message[] = [];
  model.on("msg:custom", (message: Message) => answers.push(message));
  let seq = 0;
  const send = (content: object, ...values: number[]) => {
    seq += 1;
    model.send({ client: "page", seq, ...content }, undefined, [Float32Array.from(values).buffer]);
    return Promise.resolve();
  };
  const set = (name: string, index: number[], value: number, phase = "end", gesture = `g${seq}`) =>
    send({ type: "edit", gesture, phase, edits: [{ name, index }] }, value);
  const read = (trait: string) => [...floats(model.get(trait))];
  return { model, answers, send, set, read };
}

describe("a page without a kernel", () => {
  it("shows what torch computes", () => {
    const { model, read } = made();
    const worst = Math.max(...read("rate").map((v, i) => Math.abs(v - vector.rate[i]) / vector.rate[i]));
    expect(worst).toBeLessThan(1e-5);
    expect(model.get("score")).toBeCloseTo(1, 6);
    expect([model.get("can_undo"), model.get("edited")]).toEqual([false, false]);
  });

  it("answers an edit, takes it back and repeats it", async () => {
    const { model, answers, send, set, read } = made();
    const before = read("gaussians");
    await set("strf.band", [0, 0, 1], 3, "move", "one");
    expect(answers.at(-1)).toMatchObject({ type: "answer", seq: 1, settled: false, can_undo: true });
    expect(read("gaussians")).toEqual(before);
    await set("strf.weight", [0, 0, 1], 2, "end", "one");
    expect(answers.at(-1)).toMatchObject({ seq: 2, settled: true });
    const after = read("gaussians");
    expect([after[5], after[9]]).toEqual([3, 2]);
    expect([model.get("can_undo"), model.get("can_redo"), model.get("edited")]).toEqual([true, false, true]);
    await send({ type: "undo" });
    expect(read("gaussians")).toEqual(before);
    expect([model.get("can_undo"), model.get("can_redo"), model.get("edited")]).toEqual([false, true, false]);
    await send({ type: "redo" });
    expect(read("gaussians")).toEqual(after);
    await send({ type: "undo" });
    await set("strf.weight", [0, 0, 0], 1);
    expect(model.get("can_redo")).toBe(false);
  });

  it("forgets a gesture that ended where it began", async () => {
    const { model, set } = made();
    await set("activation.b", [0], 0.7, "move", "one");
    await set("activation.b", [0], Math.fround(vector.curve[1]), "end", "one");
    expect(model.get("can_undo")).toBe(false);
  });

  it("reverts one Gaussian, a neuron, or rows of the prefilter; one step each", async () => {
    const { model, send, set, read } = made();
    const [gaussians, rows, curve] = ["gaussians", "prefilter", "activation"].map(read);
    await set("strf.weight", [0, 0, 0], 5);
    await set("strf.weight", [0, 1, 1], 6);
    await set("activation.beta", [0], 3);
    await set("prefilter.w", [2], 0.4);
    await send({ type: "revert", names: ["strf.weight", "strf.band"], index: [0, 0, 0] });
    expect([read("gaussians")[4], read("gaussians")[5 * (vector.n_gaussians + 1) + 4]]).toEqual([
      gaussians[4],
      6,
    ]);
    await send({ type: "revert", names: null, index: [0] });
    expect([read("gaussians"), read("activation")]).toEqual([gaussians, curve]);
    expect(read("prefilter")).not.toEqual(rows);
    await send({ type: "revert", names: ["prefilter.w"], index: null });
    expect(read("prefilter")).toEqual(rows);
    for (let i = 0; i < 3; i++) await send({ type: "undo" });
    expect([read("gaussians")[4], read("activation")[0]]).toEqual([5, 3]);
    expect(model.get("can_redo")).toBe(true);
  });

  it("keeps the neurons apart and their prefilter together", async () => {
    const { model, set, read } = made();
    await set("strf.weight", [0, 0, 0], 5);
    await set("prefilter.w", [1], 0.3);
    model.set("neuron", 1);
    model.save_changes();
    await Promise.resolve();
    expect(model.get("of_neuron")).toBe(1);
    expect(read("gaussians")[4]).toBe(0.125);
    expect(read("prefilter")[2 * vector.F + 1]).toBe(Math.fround(0.3));
    expect(model.get("edited")).toBe(false);
  });

  it("paints a run of cells of a free field, takes it back and reverts it", async () => {
    const { model, send, read } = made(full);
    const before = read("kernel");
    expect(before).toEqual(full.kernel.map(Math.fround));
    const { F, T } = full;
    const edits = [
      { name: "strf.kernel", index: [0, 1, 2, 1], count: 3 },
      { name: "strf.kernel", index: [0, 0, 0, 0] },
    ];
    await send({ type: "edit", gesture: "one", phase: "end", edits }, 5, 6, 7, 8);
    const after = [...before];
    after.splice((F + 2) * T + 1, 1, 5);
    after.splice((F + 2) * T + 2, 2, 6, 7);
    after[0] = 8;
    expect(read("kernel")).toEqual(after);
    expect(model.get("edited")).toBe(true);
    const session = new LocalSession();
    const axes = { cfHz: full.cf_hz, F, T, dtMs: full.dt_ms, delayMs: 0 };
    session.begin(model.get("info") as Info, axes, Float32Array.from(full.stimulus));
    const { now: fresh } = session.add(0);
    const kept = ["prefilter", "activation", "affine"] as const;
    const truth = Object.fromEntries(kept.map((name) => [name, floats(model.get(name))]));
    fresh.adopt({ ...NO_ARRAYS(), ...truth, kernel: Float32Array.from(after) });
    const expected = [...(fresh.computedRate as Float64Array)];
    expect(Math.max(...read("rate").map((v, i) => Math.abs(v - expected[i])))).toBeLessThan(1e-5);
    await send({ type: "undo" });
    expect(read("kernel")).toEqual(before);
    await send({ type: "redo" });
    expect(read("kernel")).toEqual(after);
    await send({ type: "revert", names: null, index: [0] });
    expect([read("kernel"), model.get("edited")]).toEqual([before, false]);
  });

  it("paints the profiles of a product", async () => {
    const { send, read } = made(separable);
    const { F, T, n_channels: C } = separable;
    const before = read("factors");
    expect(before.length).toBe(C * (F + T));
    const edits = [
      { name: "strf.factor_f", index: [0, 1, 0], count: 2 },
      { name: "strf.factor_t", index: [0, 1, 3] },
    ];
    await send({ type: "edit", gesture: "one", phase: "end", edits }, 5, 6, 7);
    const after = read("factors");
    expect([after[F], after[F + 1], after[C * F + T + 3]]).toEqual([5, 6, 7]);
    const kernel = read("kernel");
    for (const [f, t] of [
      [0, 3],
      [1, 0],
      [3, 3],
    ]) {
      expect(kernel[(F + f) * T + t]).toBeCloseTo(after[F + f] * after[C * F + T + t], 5);
    }
    await send({ type: "undo" });
    expect(read("factors")).toEqual(before);
  });
});
