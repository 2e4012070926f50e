import { beforeEach, describe, expect, it } from "vitest";
import { floats } from "../base/bytes";
import type { BenchModel, EditRequest } from "../kernel/contract";
import { kernelOf } from "../math/field";
import { AXES, bytes, Fixture, GAUSSIANS } from "../testing/bench.fixture";
import { BenchState } from "./bench-state";
import type { Part } from "./parts";

let time = 0;
const clock = { now: () => time, later: () => () => {} };
const settle = () => new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(resolve)));

function made(traits = {}, info = {}) {
  const fixture = new Fixture(traits, info);
  const state = new BenchState(fixture.model, clock);
  const notified: Part[] = [];
  state.onChange((parts) => notified.push(...parts));
  return { fixture, state, notified };
}
const edited = (column: number, value: number, k = 0) => {
  const all = [...GAUSSIANS];
  all[5 * k + column] = value;
  return all;
};
const proxyOf = (model: BenchModel): BenchModel => ({
  get: (name) => model.get(name),
  set: (name, value) => model.set(name, value),
  on: (event, callback) => model.on(event, callback),
  off: (event, callback) => model.off(event, callback),
  save_changes: () => model.save_changes(),
  send: (content, callbacks, buffers) => model.send(content, callbacks, buffers),
});
const shown = (state: BenchState) => [...state.gaussians];

beforeEach(() => {
  time = 0;
});

describe("an edit", () => {
  it("is shown at once and sent as in the contract", () => {
    const { fixture, state, notified } = made();
    state.beginGesture(1);
    state.edit({ band: 1.5, frame: 2.75 });
    const { request, values } = fixture.last;
    expect(request).toEqual({
      type: "edit",
      client: state.client,
      seq: 1,
      gesture: `${state.client}-1`,
      phase: "move",
      edits: [
        { name: "strf.band", index: [0, 0, 1] },
        { name: "strf.frame", index: [0, 0, 1] },
      ],
    });
    expect(values).toEqual([1.5, 2.75]);
    expect(notified).toContain("field");
    expect([...state.kernel]).toEqual([...kernelOf(shown(state), 2, AXES)]);
    expect(state.gaussian(1).frame).toBe(2.75);
  });

  it("addresses the channel on screen", () => {
    const { fixture, state } = made({ channel: 1 });
    state.beginGesture(1);
    state.edit({ weight: 2 });
    expect((fixture.last.request as EditRequest).edits).toEqual([{ name: "strf.weight", index: [0, 1, 1] }]);
    expect(shown(state)[19]).toBe(2);
  });

  it("that changes nothing sends nothing", () => {
    const { fixture, state } = made();
    state.beginGesture(0);
    state.edit({ weight: 0.5 });
    state.endGesture();
    expect(fixture.sent).toHaveLength(0);
  });

  it("is not taken while the arrays are of another neuron, or of a model without Gaussians", () => {
    for (const { fixture, state } of [made({ of_neuron: 2 }), made({}, { kind: "full", n_gaussians: 0 })]) {
      expect(state.editable).toBe(false);
      state.beginGesture(0);
      state.edit({ weight: 1 });
      expect(fixture.sent).toHaveLength(0);
    }
  });
});

describe("answers", () => {
  it("to older requests repaint the response, not what is dragged; the last one brings the kernel's values", () => {
    const { fixture, state } = made();
    state.beginGesture(0);
    state.edit({ weight: 0.7 });
    state.edit({ weight: 0.9 });
    fixture.answer({ seq: 1 }, { gaussians: edited(4, 0.7), kernel: [...state.kernel], rate: [1, 2, 3] });
    expect([...state.rate]).toEqual([1, 2, 3]);
    expect(state.gaussian(0).weight).toBe(0.9);
    state.endGesture();
    fixture.answer({ seq: 2 }, { gaussians: edited(4, 0.9), kernel: [...state.kernel] });
    expect((fixture.last.request as EditRequest).phase).toBe("end");
    const truth = edited(4, 0.8999);
    fixture.answer(
      { seq: 3, settled: true, score: 0.75 },
      { gaussians: truth, kernel: new Array(40).fill(7) },
    );
    expect(state.gaussian(0).weight).toBeCloseTo(0.8999, 6);
    expect(state.kernel[0]).toBe(7);
    expect(state.score).toBe(0.75);
    expect(state.canUndo).toBe(true);
    expect(state.queue.idle).toBe(true);
  });

  it("that an answer has overtaken are dropped", () => {
    const { fixture, state } = made();
    state.beginGesture(0);
    state.edit({ weight: 0.7 });
    fixture.answer({ seq: 1 }, { rate: [5] });
    fixture.answer({ seq: 1 }, { rate: [6] });
    expect([...state.rate]).toEqual([5]);
  });

  it("about another neuron leave the arrays alone, but acknowledge", () => {
    const { fixture, state } = made();
    state.undo();
    fixture.answer({ neuron: 2 }, { gaussians: edited(4, 9), kernel: [], rate: [9] });
    expect(state.rate[1]).toBeCloseTo(0.1, 6);
    expect(state.gaussian(0).weight).toBe(0.5);
    expect(state.queue.idle).toBe(true);
  });

  it("of other views are shown too, unless an edit is ahead", () => {
    const { fixture, state } = made();
    fixture.sent.push({ request: { type: "undo", client: "other", seq: 9 }, values: [] });
    fixture.answer({}, { gaussians: edited(4, 3), kernel: [...state.kernel], rate: [4] });
    expect(state.gaussian(0).weight).toBe(3);
    expect(state.rttMs).toBeNull();
    state.beginGesture(0);
    state.edit({ weight: 1.5 });
    fixture.answer({ client: "other", seq: 10 }, { gaussians: edited(4, 8), kernel: [], rate: [4] });
    expect(state.gaussian(0).weight).toBe(1.5);
  });

  it("measure the round trip", () => {
    const { fixture, state } = made();
    state.undo();
    time = 40;
    fixture.answer({});
    expect(state.rttMs).toBe(40);
  });
});

describe("of a model that the browser computes, answers bring no arrays:", () => {
  const local = () => made({ revision: 3 }, { local: true });
  const drag = (state: BenchState, ...weights: number[]) => {
    state.beginGesture(0);
    for (const weight of weights) state.edit({ weight });
    state.endGesture();
  };
  /** What the kernel puts into the traits at the end of a gesture. */
  const publish = (model: Fixture["model"], weight: number, revision: number) => {
    model.set("gaussians", bytes(edited(4, weight)));
    model.set("revision", revision);
    return settle();
  };

  it("edits stay on screen until the traits have come", async () => {
    const { fixture, state, notified } = local();
    drag(state, 0.7);
    fixture.answer({ seq: 1, revision: 3 });
    notified.length = 0;
    fixture.answer({ seq: 2, settled: true, revision: 4 });
    expect(state.queue.idle).toBe(true);
    expect([state.gaussian(0).weight, notified.includes("field")]).toEqual([0.7, false]);
    await publish(fixture.model, 0.75, 4);
    expect([state.gaussian(0).weight, notified.includes("field")]).toEqual([0.75, true]);
  });

  it("traits that come before the answer wait for it", async () => {
    const { fixture, state } = local();
    drag(state, 0.7);
    fixture.answer({ seq: 1, revision: 3 });
    await publish(fixture.model, 0.75, 4);
    expect(state.gaussian(0).weight).toBe(0.7);
    fixture.answer({ seq: 2, settled: true, revision: 4 });
    expect(state.gaussian(0).weight).toBe(0.75);
  });

  it("traits of an earlier gesture never take the place of a later one", async () => {
    const { fixture, state } = local();
    drag(state, 0.7);
    fixture.answer({ seq: 1, revision: 3 });
    drag(state, 0.9);
    await publish(fixture.model, 0.7, 4);
    fixture.answer({ seq: 2, settled: true, revision: 4 });
    fixture.answer({ seq: 3, settled: true, revision: 5 });
    expect(state.queue.idle).toBe(true);
    expect(state.gaussian(0).weight).toBe(0.9);
    await publish(fixture.model, 0.875, 5);
    expect(state.gaussian(0).weight).toBe(0.875);
  });

  it("an undo shows when the traits come, and one that changes nothing leaves all as it is", async () => {
    const { fixture, state } = local();
    state.undo();
    fixture.answer({ settled: true, revision: 4 });
    expect(state.gaussian(0).weight).toBe(0.5);
    await publish(fixture.model, 0.25, 4);
    expect(state.gaussian(0).weight).toBe(0.25);
    state.undo();
    fixture.answer({ settled: true, revision: 5 });
    fixture.model.set("revision", 5);
    await settle();
    expect(state.gaussian(0).weight).toBe(0.25);
  });

  it("another view of the widget follows edits, a cancel and a revert by itself", () => {
    const { fixture, state } = local();
    const beside = new BenchState(fixture.model, clock);
    const [own, theirs] = [state, beside].map((one) => () => [one.gaussian(0).weight, ...one.kernel]);
    state.beginGesture(0);
    state.edit({ weight: 0.7 });
    expect(beside.gaussian(0).weight).toBe(0.7);
    expect(theirs()).toEqual(own());
    fixture.answer({ seq: 1, revision: 3 });
    expect(theirs()).toEqual(own());
    state.endGesture(true);
    expect(theirs()).toEqual(own());
    expect(beside.gaussian(0).weight).toBe(0.5);
    state.beginGesture(0);
    state.edit({ weight: 0.9 });
    state.revert(0);
    expect(beside.gaussian(0).weight).toBe(0.5);
    beside.beginGesture(1);
    state.beginGesture(0);
    state.edit({ weight: 2 });
    expect(beside.gaussian(0).weight).toBe(0.5);
  });

  it("the width is 0 when the last view has gone", () => {
    const { fixture, state } = local();
    // As anywidget does: a model object for every view.
    const beside = new BenchState(proxyOf(fixture.model), clock);
    state.sendWidth(700);
    state.close();
    expect(fixture.model.get("width")).toBe(700);
    beside.close();
    expect(fixture.model.get("width")).toBe(0);
  });
});

describe("an error", () => {
  it("shows its text, returns to the kernel's values and closes the gesture; the next good answer clears it", () => {
    const { fixture, state } = made();
    state.beginGesture(0);
    state.edit({ weight: 0.7 });
    fixture.model.message({
      type: "error",
      client: state.client,
      seq: 1,
      text: "strf.weight must be finite",
    });
    expect(state.error).toBe("strf.weight must be finite");
    expect(state.inGesture).toBe(false);
    expect(shown(state)).toEqual([...floats(bytes(GAUSSIANS))]);
    expect(fixture.last.request).toMatchObject({ phase: "end", edits: [], seq: 2 });
    fixture.answer({});
    expect(state.error).toBe("");
  });

  it("of another view is not ours", () => {
    const { fixture, state } = made();
    fixture.model.message({ type: "error", client: "other", seq: 1, text: "no" });
    expect(state.error).toBe("");
  });
});

describe("traits", () => {
  it("wait while a pointer is down and are taken when it lifts", async () => {
    const { fixture, state } = made();
    state.beginGesture(0);
    fixture.model.set("gaussians", bytes(edited(4, 4)));
    await settle();
    expect(state.gaussian(0).weight).toBe(0.5);
    state.endGesture();
    expect(state.gaussian(0).weight).toBe(4);
  });

  it("of a new neuron are taken whatever is in flight, and end the gesture", async () => {
    const { fixture, state } = made();
    state.beginGesture(0);
    state.edit({ weight: 0.7 });
    state.choose("neuron", 2);
    expect(fixture.model.get("neuron")).toBe(2);
    expect(state.inGesture).toBe(false);
    expect(state.current).toBe(false);
    fixture.model.set("of_neuron", 2);
    fixture.model.set("gaussians", bytes(edited(4, 5)));
    await settle();
    expect(state.current).toBe(true);
    expect(state.gaussian(0).weight).toBe(5);
  });

  it("that arrive together are one change", async () => {
    const { fixture, state } = made();
    let times = 0;
    state.onChange(() => {
      times += 1;
    });
    for (const name of ["gaussians", "kernel"]) fixture.model.set(name, bytes(GAUSSIANS));
    fixture.model.set("score", 0.9);
    await settle();
    expect(times).toBe(1);
    expect(state.score).toBe(0.9);
  });

  it("set by the view stay within the model", () => {
    const { fixture, state } = made();
    state.choose("neuron", 99);
    state.choose("channel", -4);
    state.choose("selected", 7);
    expect(["neuron", "channel", "selected"].map((n) => fixture.model.get(n))).toEqual([2, 0, 1]);
    state.choose("selected", -1);
    expect(fixture.model.get("selected")).toBe(-1);
  });
});

describe("going back", () => {
  it("a cancelled gesture ends with the values it began with", () => {
    const { fixture, state } = made();
    state.beginGesture(0);
    state.edit({ band: 1.5 });
    fixture.answer({ seq: 1 }, { rate: [1] });
    state.endGesture(true);
    expect(fixture.last).toMatchObject({
      request: { phase: "end", edits: [{ name: "strf.band" }] },
      values: [1],
    });
    expect(shown(state)).toEqual([...floats(bytes(GAUSSIANS))]);
  });

  it("revert shows the trained values at once", () => {
    const { fixture, state } = made({ gaussians: bytes(edited(4, 3)) });
    expect(state.gaussian(0).weight).toBe(3);
    state.revert(0);
    expect(state.gaussian(0).weight).toBe(0.5);
    expect(fixture.last.request).toMatchObject({ type: "revert", index: [0, 0, 0] });
    expect((fixture.last.request as unknown as { names: string[] }).names).toHaveLength(5);
    fixture.answer({}, { gaussians: [...GAUSSIANS], kernel: [...state.kernel] });
    state.revert(null);
    expect(fixture.last.request).toMatchObject({ type: "revert", names: null, index: [0] });
  });

  it("the trained values are on screen while they are held, and not editable", () => {
    const { state } = made({ gaussians: bytes(edited(4, 3)) });
    state.setPeek(true);
    expect(state.gaussian(0).weight).toBe(0.5);
    expect(state.editable).toBe(false);
    state.setPeek(false);
    expect(state.gaussian(0).weight).toBe(3);
  });

  it("undo during a gesture ends it first", () => {
    const { fixture, state } = made();
    state.beginGesture(0);
    state.edit({ weight: 0.7 });
    state.undo();
    fixture.answer({ seq: 1 });
    fixture.answer({ seq: 2 });
    expect(fixture.requests.map((r) => (r as EditRequest).phase ?? r.type)).toEqual(["move", "end", "undo"]);
  });
});

it("floats reads bytes wherever they lie", () => {
  const raw = new Uint8Array(9);
  raw.set(new Uint8Array(Float32Array.from([1.5, -2]).buffer), 1);
  expect([...floats(new DataView(raw.buffer, 1, 8))]).toEqual([1.5, -2]);
  expect([...floats(raw.subarray(1))]).toEqual([1.5, -2]);
  expect([...floats(Float32Array.from([3]).buffer)]).toEqual([3]);
  expect(floats(null)).toHaveLength(0);
});
