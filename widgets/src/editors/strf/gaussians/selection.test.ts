// @vitest-environment happy-dom

import { describe, expect, it } from "vitest";
import { frame, handle, key, onEveryPage, pointer, settle } from "../../../testing/mount.fixture";
import { drag, four, sentValues, shiftClick } from "../../../testing/strf.fixture";

onEveryPage();

describe("a unused Gaussian", () => {
  it("has no handle until it is chosen, and then a faint one", async () => {
    const { fixture, root } = four();
    expect([0, 1, 2, 3].map((k) => handle(root, k).hidden)).toEqual([false, false, false, true]);
    fixture.model.set("selected", 3);
    await settle();
    expect(handle(root, 3).hidden).toBe(false);
    expect(handle(root, 3).classList.contains("db-faint")).toBe(true);
    expect(root.querySelectorAll(".db-ghost")).toHaveLength(3);
  });

  it("is not hidden during a gesture that takes its weight through 0", () => {
    const { fixture, root } = four();
    handle(root, 1).focus();
    // The heaviest weighs 1, a step is 0.05: five of them lead from -0.25 to 0.
    for (let i = 0; i < 5; i++) key(handle(root, 1), "+");
    frame();
    expect(sentValues(fixture).values["weight 1"]).toBe(0);
    expect(handle(root, 1).hidden).toBe(false);
    expect(document.activeElement).toBe(handle(root, 1));
  });
});

describe("choosing several", () => {
  it("by Shift-click adds and takes away; the last one has the numbers", () => {
    const { fixture, root, headTexts, chosen } = four();
    shiftClick(handle(root, 0));
    shiftClick(handle(root, 2));
    shiftClick(handle(root, 1));
    expect(chosen()).toEqual([0, 1, 2]);
    expect(headTexts()).toEqual(["", "3 Gaussians selected", "numbers of Gaussian 2"]);
    expect(fixture.model.get("selected")).toBe(1);
    expect([0, 1, 2].map((k) => handle(root, k, "sigma_f").hidden)).toEqual([true, false, true]);
    expect(handle(root, 2).getAttribute("aria-label")).toContain("selected");
    expect(
      root.querySelectorAll(".db-clip:not([hidden], .db-marks) > .db-ring:not([visibility])"),
    ).toHaveLength(3);
    shiftClick(handle(root, 1));
    expect(chosen()).toEqual([0, 2]);
    expect(fixture.model.get("selected")).toBe(2);
    expect(fixture.sent).toHaveLength(0);
  });

  it("by Shift+Space on the focused handle; Enter chooses it alone, and Shift+Enter is the notebook's", () => {
    const { root, headTexts, chosen } = four();
    handle(root, 0).focus();
    expect(key(handle(root, 0), "Enter", { shiftKey: true })).toBe(true);
    // As is spoken at each handle.
    const spoken = root.querySelector(`#${handle(root, 0).getAttribute("aria-describedby")}`);
    expect(spoken?.textContent).toContain("Shift with Space selects several");
    expect(key(handle(root, 0), " ", { shiftKey: true })).toBe(false);
    frame();
    expect(headTexts()).toEqual(["Gaussian 1 of 4", "", "Shift+Space adds others"]);
    handle(root, 1).focus();
    expect(chosen()).toEqual([0]);
    handle(root, 2).focus();
    expect(key(handle(root, 2), " ", { shiftKey: true })).toBe(false);
    expect(chosen()).toEqual([0, 2]);
    handle(root, 0).focus();
    key(handle(root, 0), " ", { shiftKey: true });
    expect(chosen()).toEqual([2]);
    handle(root, 1).focus();
    key(handle(root, 1), "Enter");
    expect(chosen()).toEqual([1]);
    handle(root, 0).focus();
    expect(chosen()).toEqual([0]);
  });

  it("takes all in use with Ctrl+A, but not from what is typed", () => {
    const { root, stage, chosen, find } = four({ selected: 0 });
    expect(key(find(".db-number"), "a", { ctrlKey: true })).toBe(true);
    expect(chosen()).toEqual([0]);
    expect(key(stage, "a", { ctrlKey: true })).toBe(false);
    expect(chosen()).toEqual([0, 1, 2]);
    expect(document.activeElement).toBe(handle(root, 2));
  });

  it("ends with Escape, with another neuron or channel, and with a click on one", () => {
    const { fixture, root, stage, chosen } = four();
    const all = () => key(stage, "a", { ctrlKey: true });
    all();
    key(stage, "Escape");
    expect(chosen()).toEqual([]);
    expect(key(stage, "Escape")).toBe(true);
    all();
    pointer(handle(root, 1), "pointerdown", 0, 0);
    expect(chosen()).toEqual([0, 1, 2]);
    pointer(handle(root, 1), "pointerup", 0, 0);
    expect(chosen()).toEqual([1]);
    all();
    root.querySelectorAll<HTMLButtonElement>(".db-segment")[1].click();
    expect(chosen()).toEqual([2]);
    root.querySelectorAll<HTMLButtonElement>(".db-segment")[0].click();
    all();
    fixture.model.set("selected", 0);
    return settle().then(() => expect(chosen()).toEqual([0]));
  });
});

describe("a rubber band", () => {
  it("chooses those in use whose centres lie in it, while it is drawn", () => {
    const { fixture, root, canvas, chosen } = four({ selected: 0 });
    const band = () => root.querySelector(".db-rubber");
    drag(canvas, [100, 100], [350, 150]);
    expect(chosen()).toEqual([1, 2]);
    expect(["x", "y", "width", "height"].map((name) => band()!.getAttribute(name))).toEqual([
      "46.0",
      "80.0",
      "250.0",
      "50.0",
    ]);
    pointer(canvas, "pointermove", 200, 500);
    expect(chosen()).toEqual([1]);
    expect(band()!.getAttribute("height")).toBe("220.0");
    pointer(canvas, "pointerup", 200, 500);
    expect(band()).toBeNull();
    expect(document.activeElement).toBe(handle(root, 1));
    expect(fixture.sent).toHaveLength(0);
  });

  it("with Shift adds to those chosen before; Escape takes it back", () => {
    const { stage, canvas, chosen, root } = four({ selected: 0 });
    drag(canvas, [60, 60], [200, 150], { shiftKey: true });
    expect(chosen()).toEqual([0, 1]);
    pointer(canvas, "pointermove", 350, 150);
    expect(chosen()).toEqual([0, 1, 2]);
    key(stage, "Escape");
    expect(chosen()).toEqual([0]);
    expect(root.querySelector(".db-rubber")).toBeNull();
    pointer(canvas, "pointermove", 400, 200);
    expect(chosen()).toEqual([0]);
  });

  it("is not drawn by a finger, which may scroll; its tap chooses or clears", () => {
    const { canvas, chosen, root } = four({ selected: 0 });
    const finger = { pointerType: "touch" };
    drag(canvas, [60, 60], [350, 150], finger);
    expect(root.querySelector(".db-rubber")).toBeNull();
    pointer(canvas, "pointercancel", 350, 150, finger);
    expect(chosen()).toEqual([0]);
    const tap = (x: number, y: number) => {
      expect(pointer(canvas, "pointerdown", x, y, finger)).toBe(true);
      pointer(canvas, "pointermove", x + 3, y, finger);
      pointer(canvas, "pointerup", x + 3, y, finger);
    };
    tap(174, 120);
    expect(chosen()).toEqual([1]);
    tap(440, 310);
    expect(chosen()).toEqual([]);
  });

  it("that is a press alone chooses what lies there: with Shift one more, else it or nothing", () => {
    const { canvas, chosen } = four({ selected: 0 });
    const press = (x: number, y: number, shiftKey = false) => {
      pointer(canvas, "pointerdown", x, y, { shiftKey });
      pointer(canvas, "pointerup", x, y, { shiftKey });
      return chosen();
    };
    expect(press(174, 120, true)).toEqual([0, 1]);
    expect(press(440, 310, true)).toEqual([0, 1]);
    expect(press(334, 120)).toEqual([2]);
    expect(press(440, 310)).toEqual([]);
  });
});
