/** `x`, or the end of the range that it lies beyond. */
export const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);
