/** Handles that pointer and keys move, each a slider to screen readers. */

import { element, setAttribute, setStyle } from "../base/dom";
import { px } from "../base/format";

/** A handle of a kind (a class without its "db-"), with a knob. */
export function sliderHandle(
  kind: string,
  helpId: string,
  attributes: Record<string, string | number | null>,
): HTMLElement {
  const base = { role: "slider", tabindex: 0, "aria-describedby": helpId, "aria-orientation": "vertical" };
  const knob = element("span.db-knob", { "aria-hidden": "true" });
  return element(`div.db-handle.db-${kind}`, { ...base, ...attributes }, knob);
}

/** Put a handle on a place of its stage. */
export function moveTo(handle: HTMLElement, x: number, y: number): void {
  setStyle(handle, "transform", `translate(${px(x)}px, ${px(y)}px)`);
}

/** Set what a handle tells a screen reader. */
export function setAria(
  handle: HTMLElement,
  label: string,
  [low, high]: readonly [number, number],
  now: number,
  text: string,
): void {
  const rounded = (value: number) => Number(value.toPrecision(4));
  setAttribute(handle, "aria-label", label);
  setAttribute(handle, "aria-valuemin", rounded(low));
  setAttribute(handle, "aria-valuemax", rounded(high));
  setAttribute(handle, "aria-valuenow", rounded(now));
  setAttribute(handle, "aria-valuetext", text);
}
