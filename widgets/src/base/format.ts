/** Numbers with their units, as they are shown and spoken. */

const MINUS = "−";

/** `digits` significant digits without an exponent for ordinary sizes, with a true minus sign. */
export function number(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text: string;
  if (size >= 1e5 || size < 1e-4) text = value.toExponential(Math.max(digits - 1, 0));
  else {
    const decimals = Math.max(digits - 1 - Math.floor(Math.log10(size) + 1e-12), 0);
    text = value.toFixed(decimals);
  }
  return text.replace("-", MINUS);
}

export const signed = (value: number, digits = 3): string => (value > 0 ? "+" : "") + number(value, digits);

/** Fixed decimals, with a true minus sign and never a minus before zero. */
export function fixed(value: number, decimals: number): string {
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", MINUS);
}

/** Pixels of a path or a place: to a tenth. */
export const px = (length: number): string => length.toFixed(1);

/** "4.2 kHz", "850 Hz". */
export function frequency(hz: number): string {
  return hz >= 1000
    ? `${number(hz / 1000, hz >= 10_000 ? 3 : 2)} kHz`
    : `${number(hz, hz >= 100 ? 3 : 2)} Hz`;
}

/** "35 ms", "2.5 ms". */
export function milliseconds(ms: number): string {
  return `${fixed(ms, Math.abs(ms) < 10 ? 1 : 0)} ms`;
}

export const octaves = (oct: number): string => `${fixed(oct, 2)} oct`;

/** "r = 0.71", or a dash where there is none. */
export function scoreText(score: number | null): string {
  return `r = ${score === null ? "–" : fixed(score, 2)}`;
}

/** "(+0.04)": how far a score is from the trained one; empty where either is missing or they are the same. */
export function gainText(score: number | null, trained: number | null): string {
  if (score === null || trained === null || Math.abs(score - trained) < 1e-6) return "";
  const gain = Number((score - trained).toFixed(2));
  return `(${gain > 0 ? "+" : gain === 0 ? "±" : ""}${fixed(gain, 2)})`;
}

/** "+12 %", "±0 %". */
export function signedPercent(share: number): string {
  const percent = Math.round(100 * share);
  return `${percent > 0 ? "+" : percent === 0 ? "±" : ""}${fixed(percent, 0)} %`;
}

/** The number that the user has typed, with a decimal point or comma and any minus sign; NaN for anything else. */
export function typedNumber(text: string): number {
  const plain = text
    .trim()
    .replace(/^[−–]/, "-")
    .replace(/^([+-]?\d*),(\d*(?:e[+-]?\d+)?)$/i, "$1.$2");
  return /\d/.test(plain) ? Number(plain) : Number.NaN;
}
