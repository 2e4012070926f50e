/** An output-curve editor on a page of its own, with pointer and keys. */

import { afterEach } from "vitest";
import { Cleanup } from "../base/dom";
import { Frames } from "../draw/surface";
import { readTheme } from "../draw/theme";
import { ActivationEditor } from "../editors/activation/editor";
import type { Info } from "../kernel/contract";
import { BenchState } from "../state/bench-state";
import { bytes, Fixture } from "./bench.fixture";
import { edits, frame, onEveryPage, pointer } from "./mount.fixture";

export const SIGMOID = { kind: "sigmoid", label: "ParametricSigmoid", names: ["a", "b", "c", "d"] };
export const SOFTPLUS = { kind: "softplus", label: "ParametricSoftplus", names: ["beta", "b"] };
const LIMITS: Info["limits"] = {
  "activation.a": [1e-6, null],
  "activation.b": [1e-6, null],
  "activation.beta": [1e-6, null],
  "activation.c": [null, null],
  "activation.d": [null, null],
};
/** Taken down after each test. */
const opened: { cleanup: Cleanup; state: BenchState }[] = [];
/** a, b, c, d of the sigmoid: from 0.5 to 1.5, half-way at drive 0, slope 0.25. */
export const VALUES = [0.5, 1, 0, 1];

export function open(
  values: number[] = VALUES,
  info: Partial<Info> = {},
  traits: Record<string, unknown> = {},
) {
  const fixture = new Fixture(
    {
      activation: bytes(values),
      trained_activation: bytes(values),
      affine: bytes([0, 0.05, -1]),
      trained_affine: bytes([0, 0.05, -1]),
      ...traits,
    },
    { activation: SIGMOID, limits: LIMITS, ...info },
  );
  const cleanup = new Cleanup();
  const clock = {
    now: () => performance.now(),
    later: (callback: () => void, ms: number) => {
      const handle = setTimeout(callback, ms);
      return () => clearTimeout(handle);
    },
  };
  const state = new BenchState(fixture.model, clock);
  const frames = new Frames(cleanup);
  const editor = new ActivationEditor(state, frames, () => readTheme(editor.element), cleanup);
  document.body.append(editor.element);
  cleanup.add(() => editor.element.remove());
  opened.push({ cleanup, state });
  frame();
  const handle = (feature: string) =>
    editor.element.querySelector<HTMLElement>(`[data-handle="${feature}"]`) as HTMLElement;
  const at = (feature: string) =>
    handle(feature)
      .style.transform.match(/[-\d.]+/g)
      ?.map(Number) ?? [];
  const shown = () => [...state.activation].map((v) => Number(v.toFixed(4)));
  const drag = (feature: string, dx: number, dy: number) => {
    pointer(handle(feature), "pointerdown", 0, 0);
    pointer(handle(feature), "pointermove", dx, dy);
    frame();
  };
  const drop = (feature: string) => {
    pointer(handle(feature), "pointerup", 0, 0);
    frame();
  };
  const editedNames = () =>
    edits(fixture).flatMap((e) => e.edits.map(({ name, index }) => `${name}/${index}`));
  return { fixture, cleanup, state, editor, handle, at, shown, drag, drop, editedNames };
}

/** To be called once in a test file. */
export function onEveryCurve(): void {
  onEveryPage();
  afterEach(() => {
    for (const { cleanup, state } of opened.splice(0)) {
      cleanup.run();
      state.close();
    }
  });
}
