// @vitest-environment happy-dom

import { describe, expect, it } from "vitest";
import type { RevertRequest } from "../../kernel/contract";
import { bytes, INFO } from "../../testing/bench.fixture";
import { edits, frame, key, mount, onEveryPage, pointer, settle } from "../../testing/mount.fixture";
import { PROFILE_PX } from "./profiles";

const { n_bands: F, n_lags: T, n_channels: C } = INFO;
const LIMITS = { "strf.factor_f": [-1e9, 1e9], "strf.factor_t": [-1e9, 1e9] };
/** Frequency profiles of ON and OFF, then time profiles: the axis of values goes from -0.3 to 1.3 for ON. */
const FACTORS = [0, 0.5, 1, 0.25, 1, 1, 1, 1, 0, 0, 0.5, 1, 0.75, 1, 1, 1, 1, 1];

onEveryPage();
const COLUMNS = [
  { name: "strf.factor_f", shape: [C, F] },
  { name: "strf.factor_t", shape: [C, T] },
];

function made(info: object = {}) {
  const kernel = Array.from({ length: C * F * T }, (_, i) => {
    const row = Math.floor(i / T);
    return FACTORS[row] * FACTORS[C * F + Math.floor(row / F) * T + (i % T)];
  });
  const { fixture, root } = mount(
    {
      ...{ gaussians: bytes([]), trained_gaussians: bytes([]) },
      ...{ kernel: bytes(kernel), trained_kernel: bytes(kernel) },
      ...{ factors: bytes(FACTORS), trained_factors: bytes(FACTORS) },
    },
    { kind: "separable", columns: COLUMNS, n_gaussians: 0, limits: LIMITS as never, ...info },
  );
  const stage = root.querySelector<HTMLElement>(".db-strf .db-stage")!;
  const slider = (axis: string) => root.querySelector<HTMLElement>(`[data-profile="strf.factor_${axis}"]`)!;
  const d = () => [...root.querySelectorAll(".db-profile")].map((line) => line.getAttribute("d"));
  return { fixture, root, stage, slider, d };
}

// The stage is 520 x 360 and the margins 54, 66, 20, 40: the profiles take 58 pixels at the left and below.
const GRID = { x: 54 + PROFILE_PX, y: 20, width: 400 - PROFILE_PX, height: 300 - PROFILE_PX };
const THICK = PROFILE_PX - 6;
const onF = (band: number, value: number) =>
  [54 + (THICK * (value + 0.3)) / 1.6, GRID.y + (GRID.height / F) * (F - 1 - band + 0.5)] as const;
const onT = (tap: number, value: number) =>
  [
    GRID.x + (GRID.width / T) * (tap + 0.5),
    GRID.y + GRID.height + 6 + THICK * (1 - (value + 0.3) / 1.6),
  ] as const;

describe("the profiles of a separable field", () => {
  it("are drawn anew by a brush that is drawn across them; the picture follows as their product", () => {
    const { fixture, root, stage, d } = made();
    const before = d();
    for (let i = 0; i < 2; i++) key(root.querySelector(".db-spot")!, "[");
    pointer(stage, "pointerdown", ...onF(0, 0.75));
    pointer(stage, "pointermove", ...onF(2, 0.15));
    pointer(stage, "pointerup", ...onF(2, 0.15));
    fixture.answer({});
    frame();
    const last = edits(fixture).at(-1)!;
    expect(last).toMatchObject({
      phase: "end",
      edits: [{ name: "strf.factor_f", index: [0, 0, 1], count: 2 }],
    });
    expect(fixture.sent[0].values).toEqual([expect.closeTo(0.75, 5)]);
    expect(fixture.last.values).toEqual([expect.closeTo(0.45, 5), expect.closeTo(0.15, 5)]);
    expect(d()[0]).not.toBe(before[0]);
    expect(d()[1]).toBe(before[1]);
  });

  it("are of the channel on screen, and time runs below the picture", () => {
    const { fixture, root, stage } = made();
    root.querySelectorAll<HTMLElement>(".db-header .db-segment")[1].click();
    frame();
    for (let i = 0; i < 2; i++) key(root.querySelector(".db-spot")!, "[");
    // Of OFF every value is 1: its axis goes from -0.3 to 1.3 as well.
    pointer(stage, "pointerdown", ...onT(1, 0.5));
    pointer(stage, "pointerup", ...onT(1, 0.5));
    fixture.answer({});
    expect(edits(fixture)[0].edits).toEqual([{ name: "strf.factor_t", index: [0, 1, 1] }]);
    expect(fixture.sent[0].values).toEqual([expect.closeTo(0.5, 5)]);
  });

  it("are sliders that choose a place along their axis and change it across", async () => {
    const { fixture, root, slider } = made();
    const inBands = slider("f");
    expect(inBands.getAttribute("aria-valuetext")).toBe("4.0 kHz: 1.00");
    expect(slider("t").getAttribute("aria-valuetext")).toBe("10 ms: 1.00");
    inBands.focus();
    for (let i = 0; i < 2; i++) key(inBands, "[");
    key(inBands, "ArrowDown");
    await settle();
    expect(inBands.getAttribute("aria-valuetext")).toBe("2.0 kHz: 0.500");
    key(inBands, "ArrowRight", { shiftKey: true });
    expect(fixture.last.values).toEqual([expect.closeTo(0.5 + 0.05 * 1.6, 5)]);
    key(inBands, "Escape");
    fixture.answer({});
    fixture.answer({});
    expect(fixture.last.values).toEqual([0.5]);
    key(inBands, "Delete");
    fixture.answer({});
    const revert = fixture.requests.at(-1) as RevertRequest;
    expect(revert).toMatchObject({ type: "revert", names: ["strf.factor_f"], index: [0, 0, 1] });
    expect(root.querySelector(".db-tuning")!.textContent).toContain("separability 1.00");
  });

  it("respect a lock", () => {
    const { fixture, root, stage, slider } = made({ locked: ["strf.factor_f"] });
    pointer(stage, "pointerdown", ...onF(0, 0.75));
    pointer(stage, "pointerup", ...onF(0, 0.75));
    key(slider("f"), "ArrowRight");
    expect(fixture.sent).toHaveLength(0);
    expect(slider("f").getAttribute("aria-disabled")).toBe("true");
    key(slider("t"), "ArrowUp");
    expect(fixture.sent).toHaveLength(1);
    expect(root.querySelector<HTMLElement>(".db-brush")!.hidden).toBe(false);
  });
});
