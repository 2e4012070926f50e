/** What neurons and sounds are called on screen, where everything counts from 1. */

/** Whether a name says no more than the number, which Python counts from 0 and a saved page from 1. */
function isNumber(name: string, i: number, what: string): boolean {
  return ["", String(i), `${what} ${i}`, `${what} ${i + 1}`].includes(name);
}

/** "3 · birdsong", or "3" where it has no name. */
export function numbered(name: string, i: number, what: "neuron" | "sound"): string {
  return isNumber(name, i, what) ? String(i + 1) : `${i + 1} · ${name}`;
}
