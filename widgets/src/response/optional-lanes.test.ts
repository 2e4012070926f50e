// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { number } from "../base/format";
import bench from "../entry/bench";
import { SavedPageModel } from "../offline/saved-page";
import { bytes } from "../testing/bench.fixture";
import { frame, mount, onEveryPage, settle } from "../testing/mount.fixture";
import { savedPage, vector } from "../testing/offline.fixture";

onEveryPage();

const button = (root: HTMLElement, lane: string) =>
  root.querySelector<HTMLButtonElement>(`[data-lane="${lane}"]`)!;
const spoken = (root: HTMLElement) =>
  [...root.querySelectorAll<HTMLElement>(".db-lanes > :not([hidden]) canvas[role=img]")].map((canvas) =>
    canvas.getAttribute("aria-label"),
  );

describe("lanes between sound and response", () => {
  it("are offered where there is something for them", () => {
    const { root } = mount({}, { n_trials: 1 });
    expect(["drive", "trials", "residual"].map((lane) => button(root, lane).hidden)).toEqual([
      true,
      true,
      false,
    ]);
    const other = mount({}, { has_responses: false, local: true });
    expect(["drive", "trials", "residual"].map((lane) => button(other.root, lane).hidden)).toEqual([
      false,
      true,
      true,
    ]);
  });

  it("open and close, and are remembered by the kernel", () => {
    const { root, fixture } = mount();
    expect(spoken(root)).toEqual([]);
    button(root, "residual").click();
    frame();
    expect(fixture.model.get("lanes")).toEqual(["residual"]);
    expect(button(root, "residual").getAttribute("aria-pressed")).toBe("true");
    expect(spoken(root)).toHaveLength(1);
    button(root, "residual").click();
    frame();
    expect(fixture.model.get("lanes")).toEqual([]);
    expect(spoken(root)).toEqual([]);
  });

  it("show what was recorded minus what is predicted, gaps left out", async () => {
    const rate = Array.from({ length: 12 }, (_, i) => i / 10);
    const { root, fixture } = mount({ lanes: ["residual"] });
    // Equal up to the gap: the axis keeps room around 0.
    expect(spoken(root)).toEqual(["residual over time, from 0 to 0.060"]);
    fixture.model.set(
      "psth",
      bytes(rate.map((value, i) => (i === 3 ? Number.NaN : i === 5 ? value + 2 : value - 1))),
    );
    await settle();
    for (let i = 0; i < 10; i++) frame();
    // -1 to 2, and 6 % of that range at either end.
    expect(spoken(root)).toEqual(["residual over time, from −1.2 to 2.2"]);
  });

  it("show one row for each trial once the kernel has sent them", async () => {
    const { root, fixture } = mount({ lanes: ["trials"] }, { n_trials: 2 });
    expect(spoken(root)).toEqual([]);
    fixture.model.set("trials", bytes(new Float32Array(24)));
    await settle();
    expect(spoken(root)).toEqual(["2 recorded trials, the first at the bottom"]);
  });

  it("show the drive as the browser computes it, and the trained one while that is on screen", () => {
    const page = savedPage([vector.gaussians[4]]);
    page.neurons[0].gaussians = savedPage([-1]).neurons[0].gaussians;
    const model = new SavedPageModel(page);
    model.set("lanes", ["drive"]);
    const el = document.createElement("div");
    document.body.append(el);
    const stop = bench.render({ model, el });
    const root = el.querySelector<HTMLElement>(".deepstrf-bench")!;
    root.dispatchEvent(new KeyboardEvent("keydown", { key: "t" }));
    for (let i = 0; i < 10; i++) frame();
    const [low, high] = [Math.min(...vector.drive), Math.max(...vector.drive)];
    const room = 0.06 * (high - low);
    const said = `drive over time, from ${number(low - room, 2)} to ${number(high + room, 2)}`;
    expect(spoken(root)).toEqual([said]);
    root.dispatchEvent(new KeyboardEvent("keyup", { key: "t" }));
    for (let i = 0; i < 10; i++) frame();
    expect(spoken(root)).not.toEqual([said]);
    stop();
    el.remove();
  });
});
