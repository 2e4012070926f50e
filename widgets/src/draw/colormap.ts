/** Colour maps as tables of 256 colours, mixed in OKLab so that equal steps look equal. */
import { clamp } from "../base/clamp";

export type Table = Uint32Array;

type Triple = [number, number, number];
type Stop = [position: number, hex: string];

const toLinear = (v: number) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const fromLinear = (v: number) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);

function oklab(hex: string): Triple {
  const [r, g, b] = [1, 3, 5].map((i) => toLinear(Number.parseInt(hex.slice(i, i + 2), 16) / 255));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function rgb([L, a, b]: Triple): Triple {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const channel = (v: number) => Math.round(255 * clamp(fromLinear(v), 0, 1));
  return [
    channel(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    channel(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    channel(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** 256 colours as the bytes R, G, B, A of ImageData. */
function table(stops: Stop[]): Table {
  const points = stops.map(([position, hex]) => ({ position, lab: oklab(hex) }));
  const colours = new Uint32Array(256);
  const bytes = new Uint8Array(colours.buffer);
  for (let i = 0; i < 256; i++) {
    const x = i / 255;
    const next = Math.max(
      points.findIndex((p) => p.position >= x),
      1,
    );
    const [from, to] = [points[next - 1], points[next]];
    const share = (x - from.position) / (to.position - from.position);
    const mixed = from.lab.map((v, k) => v + share * (to.lab[k] - v)) as Triple;
    bytes.set([...rgb(mixed), 255], 4 * i);
  }
  return colours;
}

/** Negative blue, zero the panel, positive red-orange; the entry for zero lies exactly in the middle. */
const DIVERGING_LIGHT = table([
  [0, "#0b3a75"],
  [0.2, "#2f7dbf"],
  [0.38, "#a5cbe6"],
  [0.5, "#fbfaf8"],
  [0.62, "#f7c4a0"],
  [0.8, "#dc6a33"],
  [1, "#8f2310"],
]);
const DIVERGING_DARK = table([
  [0, "#b4dcff"],
  [0.2, "#4c9be0"],
  [0.38, "#23527d"],
  [0.5, "#17181b"],
  [0.62, "#7a3a1c"],
  [0.8, "#e27a3f"],
  [1, "#ffdcb8"],
]);
/** Dark to bright through violet and orange. */
const SEQUENTIAL = table([
  [0, "#08060f"],
  [0.15, "#231151"],
  [0.35, "#5f187f"],
  [0.55, "#a8327d"],
  [0.72, "#e65164"],
  [0.86, "#fb9a65"],
  [1, "#fcf4c2"],
]);

export const diverging = (dark: boolean): Table => (dark ? DIVERGING_DARK : DIVERGING_LIGHT);
export const sequential = (): Table => SEQUENTIAL;

const ramps = new Map<string, Table>();

/** `colour` as it looks on `panel` (#rrggbb), where it is translucent as the text of Jupyter's dark theme is. */
function onPanel(colour: string, panel: string): string {
  const parts = /^rgba\((\d+), (\d+), (\d+), ([\d.]+)\)$/.exec(colour);
  if (!parts) return colour;
  const opacity = Number(parts[4]);
  const mixed = [0, 1, 2].map((i) => {
    const below = Number.parseInt(panel.slice(1 + 2 * i, 3 + 2 * i), 16);
    return Math.round(opacity * Number(parts[i + 1]) + (1 - opacity) * below);
  });
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * From the panel's colour (#rrggbb) to another one (that, or translucent); whatever else is not understood becomes white
 * to black.
 */
export function ramp(from: string, to: string): Table {
  const key = `${from}/${to}`;
  let colours = ramps.get(key);
  if (!colours) {
    const end = onPanel(to, from);
    const known = [from, end].every((colour) => /^#[0-9a-f]{6}$/i.test(colour));
    colours = table(
      known
        ? [
            [0, from],
            [1, end],
          ]
        : [
            [0, "#ffffff"],
            [1, "#000000"],
          ],
    );
    ramps.set(key, colours);
  }
  return colours;
}

/** CSS colour of entry `i`. */
export function css(colours: Table, i: number): string {
  const [r, g, b] = new Uint8Array(colours.buffer, 4 * i, 3);
  return `rgb(${r} ${g} ${b})`;
}
