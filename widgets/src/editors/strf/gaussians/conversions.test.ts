// @vitest-environment happy-dom

import { beforeEach, expect, it, vi } from "vitest";
import { kernelOf } from "../../../math/field";
import { bandToHz, hzToBand, octavesPerBand } from "../../../math/units";
import { AXES, bytes } from "../../../testing/bench.fixture";
import { frame, handle, mount, onEveryPage, pointer, settle } from "../../../testing/mount.fixture";

vi.mock("../../../math/units", async (original) => {
  const real = await original<object>();
  return Object.fromEntries(Object.entries(real).map(([name, convert]) => [name, vi.fn(convert)]));
});

const COUNTED = { bandToHz, hzToBand, octavesPerBand };
const G = 16;
/** Sixteen Gaussians of one channel, and sixteen of the other. */
const many = Array.from({ length: 2 * G }, (_, k) => [k % 4, k % 5, 1, 1, 1]).flat();
const kernel = kernelOf(many, G, AXES);

/** How often Hz and bands were converted since this was last asked. */
function conversions(): Record<string, number> {
  const counted = Object.entries(COUNTED).map(([name, mock]) => [name, vi.mocked(mock).mock.calls.length]);
  vi.clearAllMocks();
  return Object.fromEntries(counted);
}

onEveryPage();
beforeEach(() => vi.clearAllMocks());

it("a drag of one of 16 Gaussians converts nothing on its way, and once for each label that is painted anew", async () => {
  const { fixture, root } = mount(
    {
      gaussians: bytes(many),
      trained_gaussians: bytes(many),
      kernel: bytes(kernel),
      trained_kernel: bytes(kernel),
    },
    { n_gaussians: G },
  );
  const centre = handle(root, 3);
  pointer(centre, "pointerdown", 0, 0);
  pointer(centre, "pointermove", 0, 10);
  vi.advanceTimersByTime(200);
  await settle();
  conversions();
  pointer(centre, "pointermove", 5, 20);
  expect(conversions()).toEqual({ bandToHz: 0, hzToBand: 0, octavesPerBand: 0 });
  fixture.answer({});
  // The numbers beside the handle: frequency, and width in octaves.
  vi.advanceTimersByTime(17);
  expect(conversions()).toEqual({ bandToHz: 1, hzToBand: 0, octavesPerBand: 1 });
  // With what the handles say and the number fields, a few times a second: two labels more of each kind.
  pointer(centre, "pointermove", 10, 30);
  vi.advanceTimersByTime(17);
  conversions();
  vi.advanceTimersByTime(120);
  expect(conversions()).toEqual({ bandToHz: 2, hzToBand: 0, octavesPerBand: 2 });
  expect(centre.getAttribute("aria-valuetext")).toMatch(/kHz/);
  frame();
});
