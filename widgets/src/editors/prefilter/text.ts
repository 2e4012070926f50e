/** Time constants, decays and weights as they are shown and spoken. */

import { clamp } from "../../base/clamp";
import { fixed, frequency, milliseconds, number } from "../../base/format";
import { decayOf } from "../../math/prefilters";
import { type Curve, isLog, isTau } from "./curves";

/** A decay per bin with enough decimals to tell it from 1. */
export function decayText(a: number): string {
  if (a >= 1) return "1";
  return fixed(a, clamp(Math.ceil(-Math.log10(1 - a)), 3, 6));
}

/** "35 ms", "∞" where nothing decays. */
export const tauText = (tauMs: number) => (tauMs === Infinity ? "∞" : milliseconds(tauMs));

/** "35 ms, a 0.867", "0.75", "0.00312". */
export function valueText(curve: Curve, value: number, dtMs: number): string {
  if (!isTau(curve)) return isLog(curve) ? number(value) : fixed(value, 2);
  return `${tauText(value)}, a ${decayText(decayOf(value, dtMs))}`;
}

/** "ON, 4.2 kHz: tau 35 ms, a 0.867 per bin". */
export function sliderText(curve: Curve, value: number, cfHz: number, dtMs: number): string {
  const where = `${curve.label && `${curve.label}, `}${frequency(cfHz)}: `;
  if (!isTau(curve)) return `${where}${valueText(curve, value, dtMs)}`;
  if (value === Infinity) return `${where}no decay (tau infinite), a 1 per bin`;
  return `${where}tau ${milliseconds(value)}, a ${decayText(decayOf(value, dtMs))} per bin`;
}
