/** Receptive fields of four Gaussians and gestures on them, for tests. */

import type { Info } from "../kernel/contract";
import { kernelOf } from "../math/field";
import { AXES, bytes, type Fixture } from "./bench.fixture";
import { edits, frame, handle, mount, pointer } from "./mount.fixture";

/** Three in use and an unused one; the other channel has none. */
export const FOUR = [
  [1, 2, 1, 1, 0.5],
  [2, 1, 0.5, 1.2, -0.25],
  [2, 3, 0.5, 0.5, 1],
  [0, 4, 0.75, 2, 0],
];
export const REST = [1, 2, 3, 4].map(() => [1, 2, 1, 1, 0]);
export const traits = (own: number[][] = FOUR, trained = own) => {
  const [now, then] = [own, trained].map((values) => [...values, ...REST].flat());
  return {
    gaussians: bytes(now),
    trained_gaussians: bytes(then),
    kernel: bytes(kernelOf(now, 4, AXES)),
    trained_kernel: bytes(kernelOf(then, 4, AXES)),
  };
};
export const four = (more: Record<string, unknown> = {}, info: Partial<Info> = {}) => {
  const { fixture, root } = mount({ ...traits(), ...more }, { n_gaussians: 4, ...info });
  const find = (selector: string) => root.querySelector<HTMLElement>(selector)!;
  const button = (text: string) =>
    [...root.querySelectorAll<HTMLButtonElement>(".db-form-head button")].find(
      (made) => made.textContent === text,
    )!;
  const headTexts = () => [...root.querySelectorAll(".db-chosen > *")].map((e) => e.textContent);
  const chosen = () =>
    [0, 1, 2, 3].filter((k) => {
      frame();
      return handle(root, k).classList.contains("db-selected");
    });
  return {
    fixture,
    root,
    find,
    stage: find(".db-strf .db-stage"),
    canvas: find(".db-canvas"),
    button,
    headTexts,
    chosen,
  };
};
/** What was sent, answered until nothing waits: values by column and Gaussian, and the gestures. */
export function sentValues(fixture: Fixture) {
  for (let waiting = 0; waiting !== fixture.sent.length; ) {
    waiting = fixture.sent.length;
    fixture.answer({});
  }
  const values: Record<string, number> = {};
  for (const { request, values: sent } of fixture.sent) {
    if (request.type !== "edit") continue;
    request.edits.forEach(({ name, index }, i) => {
      values[`${name.slice(5)} ${index[2]}`] = sent[i];
    });
  }
  const ids = new Set(edits(fixture).map((e) => e.gesture));
  return { values, gestures: ids.size, ends: edits(fixture).filter((e) => e.phase === "end").length };
}
export const ONE = { gestures: 1, ends: 1 };
export const shiftClick = (target: Element) => {
  pointer(target, "pointerdown", 0, 0, { shiftKey: true });
  pointer(target, "pointerup", 0, 0, { shiftKey: true });
};
export const drag = (
  target: Element,
  [x, y]: number[],
  [toX, toY]: number[],
  more: PointerEventInit = {},
) => {
  pointer(target, "pointerdown", x, y, more);
  pointer(target, "pointermove", (x + toX) / 2, (y + toY) / 2, more);
  pointer(target, "pointermove", toX, toY, more);
};
export const doubleClick = (target: Element, clientX: number, clientY: number) =>
  target.dispatchEvent(new MouseEvent("dblclick", { bubbles: true, clientX, clientY }));
