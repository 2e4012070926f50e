// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { number } from "../../base/format";
import { bytes, INFO } from "../../testing/bench.fixture";
import { edits, frame, key, mount, onEveryPage, pointer, settle } from "../../testing/mount.fixture";

const { n_bands: F, n_lags: T, n_channels: C } = INFO;
const KERNEL = Array.from({ length: C * F * T }, (_, i) => Math.fround(Math.sin(i)));
const REACH = Math.max(...KERNEL.map(Math.abs));
const LIMITS = { "strf.kernel": [-1e9, 1e9] } as const;
/** The brush of three cells reaches two cells. */
const share = (distance: number) => (distance < 2 ? (1 + Math.cos((Math.PI * distance) / 2)) / 2 : 0);

onEveryPage();

function made(info: object = {}, traits: object = {}) {
  const none = { gaussians: bytes([]), trained_gaussians: bytes([]) };
  const kernel = { kernel: bytes(KERNEL), trained_kernel: bytes(KERNEL) };
  const mounted = mount(
    { ...none, ...kernel, ...traits },
    { kind: "full", n_gaussians: 0, limits: { ...LIMITS } as never, ...info },
  );
  const { root, fixture } = mounted;
  const stage = root.querySelector<HTMLElement>(".db-strf .db-stage")!;
  const tools = root.querySelector<HTMLElement>(".db-brush")!;
  const cursor = () => root.querySelector<HTMLElement>(".db-cell")!;
  // Cells are 80 pixels a lag and 75 a band; the grid begins at 54, 20.
  const at = (band: number, lag: number) =>
    [54 + 80 * (T - 1 - lag + 0.5), 20 + 75 * (F - 1 - band + 0.5)] as const;
  const sent = () => {
    const values = new Map<string, number>();
    for (const { request, values: numbers } of fixture.sent) {
      if (request.type !== "edit") continue;
      let taken = 0;
      for (const { name, index, count = 1 } of request.edits) {
        expect(name).toBe("strf.kernel");
        for (let i = 0; i < count; i++) {
          values.set([...index.slice(0, 3), index[3] + i].join(), numbers[taken++]);
        }
      }
    }
    return values;
  };
  return { ...mounted, stage, tools, cursor, at, sent };
}

describe("the brush on a free receptive field", () => {
  it("adds a share of the colour range, softly, as one gesture of runs", () => {
    const { fixture, stage, at, sent } = made();
    pointer(stage, "pointerdown", ...at(1, 2));
    pointer(stage, "pointerup", ...at(1, 2));
    const found = edits(fixture);
    expect(new Set(found.map((request) => request.gesture)).size).toBe(1);
    fixture.answer({});
    expect(edits(fixture).at(-1)?.phase).toBe("end");
    expect(found[0].edits[0]).toEqual({ name: "strf.kernel", index: [0, 0, 0, 1], count: 3 });
    for (const [where, value] of sent()) {
      const [n, c, band, tap] = where.split(",").map(Number);
      expect([n, c]).toEqual([0, 0]);
      const before = KERNEL[band * T + tap];
      const wanted = before + 0.25 * REACH * share(Math.hypot(band - 1, tap - 2));
      expect(value).toBeCloseTo(wanted, 5);
    }
    expect(sent().size).toBe(9);
  });

  it("draws lines, turns its sign with Shift, and takes all back on Escape", async () => {
    const { fixture, root, stage, at, sent, cursor } = made();
    pointer(stage, "pointerdown", ...at(0, 4), { shiftKey: true });
    pointer(stage, "pointermove", ...at(3, 0), { shiftKey: true });
    fixture.answer({});
    frame();
    // In the middle of the line, where the pointer was not reported.
    const middle = KERNEL[1 * T + 1] - 0.25 * REACH;
    expect(sent().get("0,0,1,1")).toBeLessThan(KERNEL[T + 1]);
    expect(sent().get("0,0,1,1")).toBeGreaterThanOrEqual(middle - 1e-6);
    key(cursor(), "Escape");
    fixture.answer({});
    for (const [where, value] of sent()) {
      const [, c, band, tap] = where.split(",").map(Number);
      expect(value).toBe(KERNEL[(c * F + band) * T + tap]);
    }
    await settle();
    expect(root.querySelector(".db-cell")!.getAttribute("aria-valuetext")).toContain("8.0 kHz, 0.0 ms");
  });

  it("has a cell cursor that speaks, moves and changes the weight", async () => {
    const { fixture, cursor, sent } = made();
    const cell = cursor();
    expect(cell.getAttribute("role")).toBe("slider");
    cell.focus();
    key(cell, "Home");
    key(cell, "PageDown");
    key(cell, "ArrowRight");
    key(cell, "ArrowUp");
    frame();
    expect(cell.getAttribute("aria-label")).toBe("Weight of one cell, ON");
    expect(cell.getAttribute("aria-valuetext")).toBe(
      `2.0 kHz, 30 ms: weight ${KERNEL[T + 1].toFixed(2)}`.replace("-", "−"),
    );
    for (let i = 0; i < 3; i++) key(cell, "[");
    key(cell, "+");
    expect(sent()).toEqual(new Map([["0,0,1,1", Math.fround(KERNEL[T + 1] + 0.25 * REACH)]]));
    key(cell, "-");
    key(cell, "0");
    for (let i = 0; i < 4; i++) fixture.answer({});
    expect(sent().get("0,0,1,1")).toBe(0);
    await settle();
  });

  it("takes a cell back to its trained weight with Delete", () => {
    const { fixture, cursor } = made();
    key(cursor(), "Home");
    key(cursor(), "PageUp");
    key(cursor(), "Delete");
    expect(fixture.requests.at(-1)).toMatchObject({
      type: "revert",
      names: ["strf.kernel"],
      index: [0, 0, F - 1, 0],
    });
  });

  it("smooths and erases with the tool that is chosen", () => {
    const { stage, tools, at, sent } = made();
    tools.querySelector<HTMLElement>('[data-choice="erase"]')!.click();
    pointer(stage, "pointerdown", ...at(2, 1));
    pointer(stage, "pointerup", ...at(2, 1));
    expect(sent().get("0,0,2,3")).toBe(0);
  });

  it.each([
    ["has no brush where the kernel knows no such parameter", { limits: {} }],
    ["has no brush where it is locked", { locked: ["strf.kernel"] }],
  ])("%s", (_, info) => {
    const { root, stage, tools, at, fixture } = made(info);
    pointer(stage, "pointerdown", ...at(2, 1));
    pointer(stage, "pointerup", ...at(2, 1));
    expect(fixture.sent).toHaveLength(0);
    expect(tools.hidden).toBe(true);
    expect(root.querySelector('[role="slider"]')).toBeNull();
    expect(root.querySelector(".db-hint")!.textContent).toContain("edited from Python");
  });

  it("rests while the trained values are on screen", () => {
    const { root, stage, at, fixture } = made();
    key(root, "t");
    pointer(stage, "pointerdown", ...at(2, 1));
    pointer(stage, "pointerup", ...at(2, 1));
    expect(fixture.sent).toHaveLength(0);
  });
});

describe("weights as the drive sees them", () => {
  it("are the raw ones times the gain, and a brush adds to what is on screen", () => {
    const { root, stage, at, sent, cursor } = made({}, { affine: bytes([0.1, -2, 0.5]) });
    const withGain = [...root.querySelectorAll<HTMLElement>(".db-strf .db-text")].find(
      (b) => b.textContent === "With gain",
    )!;
    expect(withGain.hidden).toBe(false);
    withGain.click();
    frame();
    expect(withGain.getAttribute("aria-pressed")).toBe("true");
    pointer(stage, "pointerdown", ...at(1, 2));
    pointer(stage, "pointerup", ...at(1, 2));
    frame();
    const raw = KERNEL[T + 2] - 0.25 * REACH;
    expect(sent().get("0,0,1,2")).toBeCloseTo(raw, 5);
    expect(cursor().getAttribute("aria-valuetext")).toBe(`2.0 kHz, 20 ms: drive ${number(-2 * raw, 2)}`);
  });

  it("are not offered without a batch norm", () => {
    for (const affine of [[0.1, 1, 0], []]) {
      const { root } = made({}, { affine: bytes(affine) });
      expect(root.querySelector<HTMLElement>(".db-strf .db-text")!.hidden).toBe(true);
    }
  });
});

describe("the gradient map", () => {
  it("is asked for on demand, and is not offered where it cannot be computed", () => {
    const { root, fixture } = made({}, { show_gradient: false });
    const slope = [...root.querySelectorAll<HTMLElement>(".db-strf .db-text")].find(
      (b) => b.textContent === "Gradient",
    )!;
    expect(slope.hidden).toBe(false);
    slope.click();
    frame();
    expect(fixture.model.get("show_gradient")).toBe(true);
    const shown = () => [...root.querySelectorAll<HTMLElement>(".db-plot")].filter((p) => !p.hidden).length;
    expect(shown()).toBe(1);
    fixture.model.set("gradient", bytes(KERNEL.map((v) => 2 * v)));
    fixture.model.save_changes();
    return settle().then(() => {
      expect(shown()).toBe(2);
      slope.click();
      frame();
      expect(fixture.model.get("show_gradient")).toBe(false);
      expect(shown()).toBe(1);
      const other = made();
      expect(
        [...other.root.querySelectorAll<HTMLElement>(".db-strf .db-text")]
          .filter((button) => button.textContent === "Gradient")
          .map((button) => button.hidden),
      ).toEqual([true]);
    });
  });
});

describe("the line of tuning", () => {
  it("gives best frequency, latency and separability of the channel on screen", () => {
    const product = Array.from({ length: C * F * T }, (_, i) => {
      const [band, tap] = [Math.floor(i / T) % F, i % T];
      return (band === 2 ? 2 : 1) * (tap === 3 ? 2 : 1);
    });
    const { root } = made({}, { kernel: bytes(product) });
    // Symmetric about 4 kHz and the lag of 10 ms, but at the end of the axes.
    expect(root.querySelector(".db-tuning")!.textContent).toBe(
      "best 4.0 kHz · latency 10 ms · separability 1.00",
    );
  });

  it("leaves out bands that have met no sound, says how many there are, and they set no colours", () => {
    const loud = Array.from({ length: C * F * T }, (_, i) => {
      const [band, tap] = [Math.floor(i / T) % F, i % T];
      return band === 2 ? 50 : [0, 2, 0, 1][band] * (tap === 3 ? 2 : 1);
    });
    const unheard = { rows: [2, F + 2], frames: 0, text: "2 of 4 bands without sound" };
    const { root } = made({ unheard }, { kernel: bytes(loud) });
    expect(root.querySelector(".db-tuning")!.textContent).toBe(
      "best 2.0 kHz · latency 10 ms · separability 1.00 · 2 of 4 bands without sound",
    );
  });
});
