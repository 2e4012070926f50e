// @vitest-environment happy-dom

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Info } from "../../../kernel/contract";
import { kernelOf } from "../../../math/field";
import { SavedPageModel } from "../../../offline/saved-page";
import { BenchState } from "../../../state/bench-state";
import { AXES, bytes, Fixture } from "../../../testing/bench.fixture";
import { edits, frame, handle, key, onEveryPage, pointer, settle } from "../../../testing/mount.fixture";
import { savedPage, vector } from "../../../testing/offline.fixture";
import {
  doubleClick,
  drag,
  FOUR,
  four,
  ONE,
  REST,
  sentValues,
  shiftClick,
  traits,
} from "../../../testing/strf.fixture";
import { type Act, Group, inUse, members, moved, scaled } from "./group";
import { Selection } from "./selection";

onEveryPage();

/** The peak of unit mass on the grid, by a plain loop. */
const peakOf = (centre: number, sigma: number, n: number) => {
  const mass = Array.from({ length: n }, (_, i) => Math.exp(-((i - centre) ** 2) / (2 * sigma ** 2)));
  return Math.max(...mass) / mass.reduce((a, b) => a + b);
};

describe("adding", () => {
  it("by the button puts the unused one where there is room, as one gesture, chosen and focused", () => {
    const { fixture, root, button, headTexts, chosen } = four();
    expect(headTexts()).toEqual(["3 of 4 Gaussians", "", ""]);
    button("Add").click();
    frame();
    expect(button("Add").disabled).toBe(true);
    expect(button("Add").title).toBe("All 4 Gaussians of this channel are in use: remove one first");
    expect(button("Duplicate").title).toBe(button("Add").title);
    const { values, ...gesture } = sentValues(fixture);
    expect(gesture).toEqual(ONE);
    // The middle of 4 bands an octave apart and of 5 bins of 10 ms.
    expect(values["frame 3"]).toBeCloseTo(2, 6);
    expect(values["band 3"]).toBeCloseTo(1.5, 6);
    // 0.4 octaves and 15 ms.
    expect(values["sigma_bands 3"]).toBeCloseTo(0.4, 6);
    expect(values["sigma_frames 3"]).toBeCloseTo(1.5, 6);
    const reach = Math.max(...kernelOf([...FOUR, ...REST].flat(), 4, AXES).map(Math.abs));
    const peak = values["weight 3"] * peakOf(1.5, 0.4, 4) * peakOf(2, 1.5, 5);
    expect(peak).toBeCloseTo(reach / 2, 6);
    expect(chosen()).toEqual([3]);
    expect(document.activeElement).toBe(handle(root, 3));
    expect(fixture.model.get("selected")).toBe(3);
  });

  it("by the button finds a free place where the middle is taken", () => {
    const { fixture, button } = four(traits([[1.5, 2, 1, 1, 0.5], ...FOUR.slice(1)]));
    button("Add").click();
    const { values } = sentValues(fixture);
    // A quarter of the lags earlier: frame 1 of 0 to 4.
    expect(values["frame 3"]).toBeCloseTo(1, 6);
    expect(values["band 3"]).toBeCloseTo(1.5, 6);
  });

  it("by a double-click puts it at that place, of the channel on screen", () => {
    const { fixture, canvas } = four({ channel: 1 });
    // The middle of the cell of band 3 (8 kHz) and frame 4 (now).
    doubleClick(canvas, 414, 57.5);
    const { values } = sentValues(fixture);
    expect(values["band 0"]).toBeCloseTo(3, 6);
    expect(values["frame 0"]).toBeCloseTo(4, 6);
    expect(edits(fixture)[0].edits[0].index).toEqual([0, 1, 0]);
    doubleClick(canvas, 10, 10);
    expect(sentValues(fixture).gestures).toBe(1);
  });

  it("by a key, once however long it is held", () => {
    for (const name of ["a", "A", "Insert"]) {
      const { fixture, stage } = four({ channel: 1 });
      expect(key(stage, name)).toBe(false);
      key(stage, name, { repeat: true });
      expect(sentValues(fixture)).toMatchObject(ONE);
    }
  });

  it("keeps to the limits of widths", () => {
    const limits = { "strf.sigma_bands": [0.6, 4], "strf.sigma_frames": [0.2, 1.2] } as Info["limits"];
    const { fixture, button } = four({}, { limits });
    button("Add").click();
    const { values } = sentValues(fixture);
    expect(values["sigma_bands 3"]).toBeCloseTo(0.6, 6);
    expect(values["sigma_frames 3"]).toBeCloseTo(1.2, 6);
  });

  it("leaves what is locked, and is not offered where the weights are", () => {
    const free = four({}, { locked: ["strf.band", "strf.frame"] });
    free.button("Add").click();
    const { values } = sentValues(free.fixture);
    expect(Object.keys(values)).toEqual(["sigma_bands 3", "sigma_frames 3", "weight 3"]);
    const reach = Math.max(...kernelOf([...FOUR, ...REST].flat(), 4, AXES).map(Math.abs));
    expect(values["weight 3"] * peakOf(0, 0.4, 4) * peakOf(4, 1.5, 5)).toBeCloseTo(reach / 2, 6);
    const { fixture, stage, canvas, button, find } = four({ selected: 0 }, { locked: ["strf.weight"] });
    for (const name of ["Add", "Duplicate", "Remove"]) {
      expect([button(name).disabled, button(name).title]).toEqual([true, "Weights are locked here"]);
    }
    expect(button("Revert").title).toBe("Everything is as it was trained");
    for (const name of ["a", "d", "Backspace"]) key(stage, name);
    doubleClick(canvas, 254, 57.5);
    expect(fixture.sent).toHaveLength(0);
    frame();
    expect(find(".db-readout").textContent).toBe("Weights are locked here");
    key(stage, "a", { ctrlKey: true });
    frame();
    expect(find(".db-readout").textContent).toBe("");
  });

  it("is not reverted where it is as it was trained", async () => {
    const { fixture, button } = four({ selected: 0 });
    expect([button("Revert").disabled, button("Revert").title]).toEqual([
      true,
      "Everything is as it was trained",
    ]);
    fixture.model.set(
      "trained_gaussians",
      bytes([...FOUR.flat().map((value, i) => value + Number(i === 4)), ...REST.flat()]),
    );
    await settle();
    expect(button("Revert").disabled).toBe(false);
    fixture.model.set("selected", 1);
    await settle();
    expect(button("Revert").disabled).toBe(true);
  });

  it("waits for the neuron on screen and for the trained values to go", () => {
    const { fixture, stage, button } = four({ of_neuron: 1 });
    expect(button("Add").disabled).toBe(true);
    key(stage, "a");
    expect(fixture.sent).toHaveLength(0);
  });

  it("that is undone is no longer chosen, and the focus stays", async () => {
    const { fixture, root, stage, button, chosen } = four();
    button("Add").click();
    sentValues(fixture);
    key(handle(root, 3), "z", { ctrlKey: true });
    fixture.answer(
      { settled: true, can_undo: false, can_redo: true },
      { gaussians: [...FOUR, ...REST].flat() },
    );
    frame();
    expect(chosen()).toEqual([]);
    expect(handle(root, 3).hidden).toBe(true);
    expect(document.activeElement).toBe(stage);
  });
});

describe("removing", () => {
  it("takes the weights of all chosen to 0 in one gesture and leaves the focus in the stage", () => {
    const { fixture, root, stage, chosen } = four();
    handle(root, 0).focus();
    shiftClick(handle(root, 1));
    expect(key(handle(root, 1), "Backspace")).toBe(false);
    frame();
    const { values, ...gesture } = sentValues(fixture);
    expect([values, gesture]).toEqual([{ "weight 0": 0, "weight 1": 0 }, ONE]);
    expect([0, 1].map((k) => handle(root, k).hidden)).toEqual([true, true]);
    expect(chosen()).toEqual([]);
    expect(document.activeElement).toBe(stage);
  });

  it("by the button needs something chosen", () => {
    const { fixture, root, button } = four();
    expect([button("Remove").disabled, button("Remove").title]).toEqual([true, "Select a Gaussian first"]);
    handle(root, 2).focus();
    frame();
    button("Remove").click();
    expect(sentValues(fixture).values).toEqual({ "weight 2": 0 });
  });

  it("leaves the ring of the trained state, without a line", () => {
    const { root } = four();
    handle(root, 0).focus();
    drag(handle(root, 0), [0, 0], [80, 0]);
    pointer(handle(root, 0), "pointerup", 80, 0);
    frame();
    expect(root.querySelector(".db-ghost")!.getAttribute("d")).toContain("L");
    key(handle(root, 0), "Backspace");
    frame();
    expect(root.querySelectorAll(".db-ghost")).toHaveLength(3);
    expect(root.querySelector(".db-ghost")!.getAttribute("d")).not.toContain("L");
  });
});

describe("duplicating", () => {
  it("copies into an unused one, half a width aside, and chooses it", () => {
    for (const more of [{}, { ctrlKey: true }, { metaKey: true }]) {
      const { fixture, root, chosen } = four();
      handle(root, 0).focus();
      expect(key(handle(root, 0), "d", more)).toBe(false);
      const { values, ...gesture } = sentValues(fixture);
      expect(gesture).toEqual(ONE);
      expect(values["band 3"]).toBeCloseTo(1.5, 6);
      expect(values["frame 3"]).toBeCloseTo(1.5, 6);
      expect(["sigma_bands 3", "sigma_frames 3", "weight 3"].map((c) => values[c])).toEqual([1, 1, 0.5]);
      expect(chosen()).toEqual([3]);
      expect(document.activeElement).toBe(handle(root, 3));
    }
  });

  it("goes the other way where there is no room", () => {
    const { fixture, root } = four(traits([[3, 0, 1, 1, 0.5], ...FOUR.slice(1)]));
    handle(root, 0).focus();
    key(handle(root, 0), "d");
    const { values } = sentValues(fixture);
    expect(values["band 3"]).toBeCloseTo(2.5, 6);
    expect(values["frame 3"]).toBeCloseTo(0.5, 6);
  });

  it("needs an unused one for each", () => {
    const { fixture, root, stage, button } = four();
    key(stage, "a", { ctrlKey: true });
    frame();
    expect(button("Duplicate").title).toBe("3 are selected, but only 1 can be added");
    key(handle(root, 0), "d");
    expect(fixture.sent).toHaveLength(0);
  });
});

describe("several together", () => {
  const both = (more = {}, info = {}) => {
    const made = four(more, info);
    shiftClick(handle(made.root, 0));
    shiftClick(handle(made.root, 1));
    return made;
  };

  it("follow a drag of one by as many bands and frames, in one gesture", () => {
    const { fixture, root, headTexts } = both();
    // 40 px right is half a frame (5 ms nearer to now), 37.5 px up half a band (half an octave).
    drag(handle(root, 0), [100, 100], [140, 62.5]);
    pointer(handle(root, 0), "pointerup", 140, 62.5);
    frame();
    const { values, ...gesture } = sentValues(fixture);
    expect(gesture).toEqual(ONE);
    expect(values["band 0"]).toBeCloseTo(1.5, 6);
    expect(values["band 1"]).toBeCloseTo(2.5, 6);
    expect(values["frame 0"]).toBeCloseTo(2.5, 6);
    expect(values["frame 1"]).toBeCloseTo(1.5, 6);
    expect(Object.keys(values)).toHaveLength(4);
    expect(headTexts().slice(1)).toEqual(["2 Gaussians selected", "numbers of Gaussian 1"]);
  });

  it("stop as one at a limit and come back as one", () => {
    const { fixture, root } = both();
    // Gaussian 2 has one octave and 10 ms to the corner; the drag is three and 40.
    drag(handle(root, 0), [0, 0], [-320, -225]);
    let { values } = sentValues(fixture);
    const place = (k: number) => [values[`band ${k}`], values[`frame ${k}`]].map((v) => expect.closeTo(v, 6));
    expect([place(0), place(1)]).toEqual([
      [2, 1],
      [3, 0],
    ]);
    pointer(handle(root, 0), "pointermove", -40, -37.5);
    pointer(handle(root, 0), "pointerup", -40, -37.5);
    const after = sentValues(fixture);
    ({ values } = after);
    expect([place(0), place(1)]).toEqual([
      [1.5, 1.5],
      [2.5, 0.5],
    ]);
    expect(after).toMatchObject(ONE);
  });

  it("go back to where they were on Escape in a drag", () => {
    const { fixture, root, stage, chosen } = both();
    drag(handle(root, 1), [0, 0], [80, 75]);
    key(stage, "Escape");
    const { values, ...gesture } = sentValues(fixture);
    expect(gesture).toEqual(ONE);
    expect(values).toEqual({
      "band 0": 1,
      "band 1": 2,
      "frame 0": 2,
      "frame 1": 1,
    });
    expect(chosen()).toEqual([0, 1]);
  });

  it("keep still in what is locked", () => {
    const { fixture, root } = both({}, { locked: ["strf.band"] });
    drag(handle(root, 1), [0, 0], [80, 75]);
    expect(Object.keys(sentValues(fixture).values)).toEqual(["frame 0", "frame 1"]);
  });

  it("follow arrows of any of them, in one gesture", () => {
    const { fixture, root } = both();
    handle(root, 0).focus();
    key(handle(root, 0), "ArrowUp");
    key(handle(root, 0), "ArrowUp", { shiftKey: true });
    key(handle(root, 0), "ArrowLeft");
    pointer(handle(root, 2), "pointerdown", 0, 0);
    const { values, ...gesture } = sentValues(fixture);
    expect(gesture).toEqual(ONE);
    // A quarter of a band, then two, of which Gaussian 2 has three quarters left; a quarter of a frame.
    expect(values["band 0"]).toBeCloseTo(2, 6);
    expect(values["band 1"]).toBeCloseTo(3, 6);
    expect(values["frame 0"]).toBeCloseTo(1.75, 6);
    expect(values["frame 1"]).toBeCloseTo(0.75, 6);
  });

  it("change their weights by one factor with keys and the wheel", () => {
    const { fixture, root, canvas } = both();
    handle(root, 0).focus();
    key(handle(root, 0), "+");
    const wheel = new WheelEvent("wheel", { deltaY: -100, bubbles: true, cancelable: true });
    // Over the other one of them.
    for (const [name, value] of [["clientX", 174] as const, ["clientY", 132] as const])
      Object.defineProperty(wheel, name, { value });
    canvas.dispatchEvent(wheel);
    expect(wheel.defaultPrevented).toBe(true);
    let { values } = sentValues(fixture);
    expect(values["weight 0"]).toBeCloseTo(0.5 * 1.21, 6);
    expect(values["weight 1"]).toBeCloseTo(-0.25 * 1.21, 6);
    for (let i = 0; i < 2; i++) key(handle(root, 0), "-");
    ({ values } = sentValues(fixture));
    expect(values["weight 0"]).toBeCloseTo(0.5, 6);
    expect(sentValues(fixture).gestures).toBe(1);
  });

  it("stop as one at a limit of weights", () => {
    const { fixture, root } = both({}, { limits: { "strf.weight": [-0.26, 2] } });
    key(handle(root, 0), "+");
    const { values } = sentValues(fixture);
    expect(values["weight 1"]).toBeCloseTo(-0.26, 6);
    expect(values["weight 0"]).toBeCloseTo(0.52, 6);
  });

  it("go back to the trained values with Delete in one gesture", () => {
    const moved = FOUR.map(([band, at, ...rest], k) =>
      k < 2 ? [band + 0.5, at + 0.5, ...rest] : [band, at, ...rest],
    );
    const { fixture, root } = both(traits(moved, FOUR));
    key(handle(root, 0), "Delete");
    const { values, ...gesture } = sentValues(fixture);
    expect(gesture).toEqual(ONE);
    expect(values).toMatchObject({
      "band 0": 1,
      "band 1": 2,
      "frame 0": 2,
      "frame 1": 1,
    });
  });

  it("go back one by one where training left one of them outside the limits, which only the kernel may set", () => {
    const { fixture, root } = both(traits(FOUR, [[1, 4.5, 1, 1, 0.5], ...FOUR.slice(1)]));
    key(handle(root, 0), "Delete");
    sentValues(fixture);
    expect(fixture.requests.map((r) => [r.type, "index" in r && r.index])).toEqual([
      ["revert", [0, 0, 0]],
      ["revert", [0, 0, 1]],
    ]);
  });

  it("leave the widths to the one that has the numbers", () => {
    const { fixture, root } = both();
    key(handle(root, 1, "sigma_t"), "ArrowUp");
    expect(sentValues(fixture).values).toEqual({ "sigma_frames 1": expect.closeTo(1.3, 6) });
  });
});

// ---- without a page -------------------------------------------------------------------------------------------

const clock = { now: () => 0, later: () => () => {} };
const place = fc.tuple(
  fc.double({ min: 0, max: 3, noNaN: true }),
  fc.double({ min: 0, max: 4, noNaN: true }),
);
const some = fc.array(place, { minLength: 2, maxLength: 6 });
const step = fc.double({ min: -5, max: 5, noNaN: true });
const made = (places: [number, number][], weights: number[] = []) => {
  const gaussians = places.flatMap(([band, at], k) => [band, at, 1, 1, weights[k] ?? 1]);
  const fixture = new Fixture(
    { gaussians: bytes(gaussians), trained_gaussians: bytes(gaussians) },
    { n_channels: 1, n_gaussians: places.length },
  );
  const state = new BenchState(fixture.model, clock);
  return { state, of: members(state, inUse(state)) };
};

describe("a move of several", () => {
  it("keeps all differences in bands and frames, within the limits, and goes as far as it can", () => {
    fc.assert(
      fc.property(some, step, step, (places, bands, frames) => {
        const { state, of } = made(places);
        state.beginGesture();
        state.set(moved(state, of, bands, frames));
        const after = members(state, inUse(state)).map(({ g }) => g);
        const steps = of.map(({ g }, i) => [after[i].band - g.band, after[i].frame - g.frame]);
        for (const [inBands, inFrames] of steps) {
          expect(inBands).toBeCloseTo(steps[0][0], 6);
          expect(inFrames).toBeCloseTo(steps[0][1], 6);
        }
        const reached = (values: number[], [low, high]: number[], asked: number, taken: number) => {
          expect(Math.min(...values)).toBeGreaterThanOrEqual(low - 1e-3);
          expect(Math.max(...values)).toBeLessThanOrEqual(high + 1e-3);
          const end = asked > 0 ? high - Math.max(...values) : Math.min(...values) - low;
          expect(Math.abs(asked - taken) < 1e-4 || Math.abs(end) < 1e-2).toBe(true);
        };
        reached(
          after.map((g) => g.band),
          [0, 3],
          bands,
          steps[0][0],
        );
        reached(
          after.map((g) => g.frame),
          [0, 4],
          frames,
          steps[0][1],
        );
      }),
    );
  });

  it("brings one that lies outside in with the others, but does not push it farther out", () => {
    const outside: [number, number][] = [
      [1, 4.5],
      [2, 2],
    ];
    const to = (bands: number, frames: number) => {
      const { state, of } = made(outside);
      state.beginGesture();
      state.set(moved(state, of, bands, frames));
      return members(state, [0, 1]).map(({ g }) => [g.band, g.frame]);
    };
    expect(to(0.5, 0.25).map(([, at]) => at)).toEqual([4.5, 2]);
    expect(to(1, -0.25)).toEqual([
      [2, 4],
      [3, 1.5],
    ]);
    expect(to(1, 0).map(([, at]) => at)).toEqual([4.5, 2]);
  });

  it("keeps all ratios of weights", () => {
    const weight = fc.double({ min: -3, max: 3, noNaN: true }).filter((w) => Math.abs(w) > 1e-3);
    fc.assert(
      fc.property(fc.array(weight, { minLength: 2, maxLength: 6 }), step, (weights, log) => {
        const { state, of } = made(
          weights.map(() => [1, 2]),
          weights,
        );
        state.beginGesture();
        state.set(scaled(state, of, log));
        of.forEach(({ k, g }) => {
          expect(state.gaussian(k).weight / g.weight).toBeCloseTo(Math.exp(log), 5);
        });
      }),
    );
  });
});

describe("with a kernel, each is one undo entry:", () => {
  it.each<[string, Act[]]>([
    ["remove", ["remove"]],
    ["remove, add", ["remove", "add"]],
    ["remove, duplicate", ["remove", "duplicate"]],
  ])("%s", async (_, acts) => {
    const model = new SavedPageModel(savedPage([vector.gaussians[4]]), (answer) => answer());
    const state = new BenchState(model, clock);
    const selection = new Selection(state, () => {});
    const group = new Group(state, selection, () => 1);
    const traitsTaken = () => Promise.resolve();
    const seen = [[...state.gaussians]];
    for (const act of acts) {
      const [first] = inUse(state);
      selection.set([first]);
      expect(group.whyNot(act)).toBe("");
      group.act(act);
      await traitsTaken();
      seen.push([...state.gaussians]);
      expect(state.queue.idle).toBe(true);
    }
    expect((model.get("selected") as number) >= 0).toBe(acts.length > 1);
    for (const before of seen.reverse().slice(1)) {
      state.undo();
      await traitsTaken();
      expect([...state.gaussians]).toEqual(before);
    }
    expect(state.canUndo).toBe(false);
    expect((state as { error: string }).error).toBe("");
  });
});
