// @vitest-environment happy-dom

import { afterEach, describe, expect, it } from "vitest";
import { StaticModel } from "../offline/static-model";
import { pointsOf } from "./curves";
import { mountPlay, numberIn, type Status, stateText } from "./play";

const STATUS: Status = {
  ...{ state: "paused", message: "", steps: 12, last: 40, rate: null, can_reset: true, can_repeat: false },
  ...{ exact: false, rates: { places: 0.05, curve: 0.01 } },
  settings: {
    ...{ loss: "auto", smoothness: null, sparsity: 0, batch_size: 2, noise: 0, share: null, speed: null },
  },
  pinned: { gaussian: null, field: false, curve: true, prefilter: false },
};

let close = () => {};
afterEach(() => {
  close();
  document.body.replaceChildren();
});

function open(status: Partial<Status> = {}) {
  const sent: Record<string, unknown>[] = [];
  const curves = new DataView(Float32Array.of(0, 20, 40, 3, 2, 1, NaN, 0.1, 0.2).buffer);
  const model = new StaticModel(
    { view: "play", status: { ...STATUS, ...status }, curves, error: "" },
    (content) => void sent.push(content as Record<string, unknown>),
  );
  const el = document.createElement("div");
  document.body.append(el);
  close = mountPlay(model, el);
  const named = (text: string) =>
    [...el.querySelectorAll("button")].find((b) => b.textContent?.trim() === text) as HTMLButtonElement;
  return { model, el, sent, named };
}

describe("the panel of a fit", () => {
  it("plays, pauses and steps", () => {
    const { model, sent, named } = open();
    named("Play").click();
    named("Step").click();
    model.set("status", { ...STATUS, state: "playing", rate: 42 });
    expect(named("Step").disabled).toBe(true);
    named("Pause").click();
    expect(sent).toEqual([{ type: "play" }, { type: "step" }, { type: "pause" }]);
  });

  it("says how far it is, and why it does not play", () => {
    const { model, el } = open();
    expect(el.textContent).toContain("Paused · step 12");
    model.set("status", { ...STATUS, state: "failed", message: "The loss became NaN." });
    expect(el.querySelector("[aria-live]")?.textContent).toBe("The loss became NaN.");
    expect(stateText({ ...STATUS, state: "playing", rate: 31.2 })).toBe("Playing · step 12 · 31 steps/s");
  });

  it("goes back through the run with the slider, and follows it otherwise", () => {
    const { model, el, sent } = open();
    const scrub = el.querySelector("input[type=range]") as HTMLInputElement;
    expect([scrub.max, scrub.value]).toEqual(["40", "12"]);
    scrub.value = "30";
    scrub.dispatchEvent(new Event("input"));
    expect(sent).toEqual([{ type: "show", step: 30 }]);
    scrub.dispatchEvent(new Event("change"));
    model.set("status", { ...STATUS, steps: 20 });
    expect(scrub.value).toBe("20");
  });

  it("pins what is on screen where there is such a thing", () => {
    const { sent, named } = open();
    expect(named("Gaussian").disabled).toBe(true);
    expect(named("Curve").getAttribute("aria-pressed")).toBe("true");
    named("Field").click();
    expect(sent).toEqual([{ type: "pin", what: "field" }]);
  });

  it("sets step sizes and settings, with decimal commas, and refuses what is no number", () => {
    const { el, sent } = open();
    const put = (key: string, value: string) => {
      const input = el.querySelector(`[data-key="${key}"]`) as HTMLInputElement;
      input.value = value;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    };
    put("rate:places", "0,1");
    put("share", "");
    put("noise", "0.5");
    put("noise", "much");
    expect(sent).toEqual([
      { type: "rate", group: "places", value: 0.1 },
      { type: "set", settings: { share: null } },
      { type: "set", settings: { noise: 0.5 } },
    ]);
    expect(el.querySelector("[aria-live]")?.textContent).toContain("noise must be a number");
    expect([numberIn(" "), numberIn("1e-3"), numberIn("x")]).toEqual(["", 0.001, null]);
    expect(["0,01", "1,5e-3", "−2", "1,2,3"].map(numberIn)).toEqual([0.01, 0.0015, -2, null]);
  });

  it("draws what is known of a curve", () => {
    expect(pointsOf({ steps: [0, 5, 10], values: [1, NaN, 0] }, 10)).toBe("3.0,3.0 237.0,41.0");
    expect(pointsOf({ steps: [0], values: [1] }, 10)).toBe("");
  });

  it("can do nothing but look at a fit that is carried out as it is and done", () => {
    const { el, named } = open({ exact: true, state: "done" });
    expect([named("Play").disabled, named("Step").disabled, named("New random start").disabled]).toEqual([
      ...[true, true, true],
    ]);
    expect((el.querySelector('[data-key="noise"]') as HTMLInputElement).disabled).toBe(true);
  });
});
