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
  // Nor for what is painted in each frame.
  vi.advanceTimersByTime(17);
  expect(conversions()).toEqual({ bandToHz: 0, hzToBand: 0, octavesPerBand: 0 });
  // A few times a second: the numbers beside the handle, what it says, and the number fields, each in Hz and octaves.
  pointer(centre, "pointermove", 10, 30);
  vi.advanceTimersByTime(17);
  conversions();
  vi.advanceTimersByTime(220);
  expect(conversions()).toEqual({ bandToHz: 3, hzToBand: 0, octavesPerBand: 3 });
  expect(centre.getAttribute("aria-valuetext")).toMatch(/kHz/);
  frame();
});
