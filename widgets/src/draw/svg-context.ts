/** A canvas context that writes SVG: what painters draw, as lines, areas and texts of a file. */

import { clamp } from "../base/clamp";

const SVG = "http://www.w3.org/2000/svg";
const XLINK = "http://www.w3.org/1999/xlink";
/** Widest raster picture that is made for a file, in pixels. */
const MOST_PIXELS = 8192;
/** Share of a font's size that is above the line on which its letters stand. */
const ASCENT = 0.8;
const BELOW: Record<string, number> = { top: ASCENT, middle: ASCENT - 0.5, bottom: ASCENT - 1 };
const ANCHORS: Record<string, string> = { center: "middle", right: "end", end: "end" };

type Attributes = Record<string, string | number | null>;

/** A length to a hundredth. */
const length = (value: number) => String(Math.round(value * 100) / 100);

/** Text as XML takes it. */
export const escaped = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, "").replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** An element of a file; an attribute that is null is left out. */
export function tag(name: string, attributes: Attributes, content = ""): string {
  let opening = name;
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null) opening += ` ${key}="${typeof value === "number" ? length(value) : escaped(value)}"`;
  }
  return content ? `<${opening}>${content}</${name}>` : `<${opening}/>`;
}

/** A whole file, `width` x `height` CSS pixels from (`x`, `y`) of what is drawn; `font` is the family of its texts. */
export function file(
  box: { x: number; y: number; width: number; height: number },
  background: string,
  font: string,
  title: string,
  content: string,
): string {
  const { x, y, width, height } = box;
  const whole = {
    xmlns: SVG,
    "xmlns:xlink": XLINK,
    width,
    height,
    viewBox: [x, y, width, height].map(length).join(" "),
    "font-family": font,
    style: "font-variant-numeric:tabular-nums",
  };
  const ground = tag("rect", { x, y, width, height, ...colour("fill", background) });
  return tag("svg", whole, tag("title", {}, escaped(title)) + ground + content);
}

/** A fill or stroke that programs other than browsers know too: opaque, with its opacity beside it. */
export function colour(what: "fill" | "stroke", text: string, opacity = 1): Attributes {
  const [r, g, b, a = 1] = /^rgba?\([^%]*$/.test(text) ? (text.match(/[\d.]+/g) ?? []).map(Number) : [];
  const alpha = a * opacity;
  return {
    [what]: b === undefined ? text : `rgb(${r},${g},${b})`,
    [`${what}-opacity`]: alpha === 1 ? null : alpha,
  };
}

let names = 0;
/** A name that no other element has. */
const unique = () => `db-${++names}`;

/** The beginning of a group of which only what lies within a path is seen. */
export function clipping(path: string, transform: string | null = null): string {
  const id = unique();
  const outline = tag("clipPath", { id }, tag("path", { d: path, transform }));
  return `${outline}<g clip-path="url(#${id})">`;
}

export const rectangle = (x: number, y: number, width: number, height: number): string =>
  `M${length(x)} ${length(y)}h${length(width)}v${length(height)}h${length(-width)}z`;

/** Colours from one place to another, in equal steps: the fill that names it, and what must stand before it. */
export function gradient(
  [x1, y1, x2, y2]: number[],
  stops: readonly (readonly [at: number, text: string])[],
): [fill: string, definition: string] {
  const id = unique();
  const inner = stops.map(([offset, text]) =>
    tag("stop", { offset, "stop-color": colour("fill", text).fill }),
  );
  const ends = { id, gradientUnits: "userSpaceOnUse", x1, y1, x2, y2 };
  return [`url(#${id})`, tag("linearGradient", ends, inner.join(""))];
}

/**
 * A canvas as it is now, stretched over a box. Where its pixels are to be seen each of them becomes many: programs that
 * smooth every picture then show them too.
 */
export function embedded(
  canvas: HTMLCanvasElement,
  x: number,
  y: number,
  width: number,
  height: number,
  smooth: boolean,
): string {
  if (canvas.width === 0 || canvas.height === 0) return "";
  let source = canvas;
  if (!smooth) {
    const many = (room: number, n: number) =>
      n * clamp(Math.ceil((2 * room) / n), 1, Math.max(Math.floor(MOST_PIXELS / n), 1));
    source = document.createElement("canvas");
    source.width = many(width, canvas.width);
    source.height = many(height, canvas.height);
    const ctx = source.getContext("2d");
    if (!ctx) throw new Error("the browser gives no canvas");
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(canvas, 0, 0, source.width, source.height);
  }
  const href = source.toDataURL();
  if (!href.startsWith("data:image/")) throw new Error("the browser does not let a page read its pictures");
  const style = smooth ? null : "image-rendering:pixelated";
  return tag("image", { x, y, width, height, preserveAspectRatio: "none", style, "xlink:href": href });
}

/** A line of text whose letters stand at `y`. */
export function line(
  text: string,
  x: number,
  y: number,
  size: number,
  weight: string,
  align: string,
  more: Attributes,
): string {
  const known = { x, y, "font-size": size, "font-weight": weight === "400" ? null : weight };
  return tag("text", { ...known, "text-anchor": ANCHORS[align] ?? null, ...more }, escaped(text));
}

/** A path that a `SvgContext` strokes. */
export class SvgPath {
  d = "";

  moveTo(x: number, y: number): void {
    this.d += `M${length(x)} ${length(y)}`;
  }

  lineTo(x: number, y: number): void {
    this.d += `L${length(x)} ${length(y)}`;
  }
}

class Gradient {
  readonly stops: [at: number, colour: string][] = [];

  constructor(readonly ends: number[]) {}

  addColorStop(at: number, colour: string): void {
    this.stops.push([at, colour]);
  }
}

/**
 * The part of a canvas context that painters use. A path is placed by the transform that holds when it is stroked or
 * filled, a text by the one when it is written; a clip lasts until `restore`.
 */
export class SvgContext extends SvgPath {
  fillStyle: string | Gradient = "#000";
  strokeStyle = "#000";
  lineWidth = 1;
  lineJoin = "miter";
  globalAlpha = 1;
  font = "10px sans-serif";
  textAlign = "start";
  textBaseline = "alphabetic";
  imageSmoothingEnabled = true;
  dash = "";
  transform = "";
  /** How many clips hold. */
  clips = 0;
  readonly #kept: Partial<SvgContext>[] = [];
  readonly #out: string[] = [];

  /** What was drawn. */
  get text(): string {
    while (this.#kept.length) this.restore();
    return this.#out.join("") + "</g>".repeat(this.clips);
  }

  save(): void {
    this.#kept.push({ ...this });
  }

  restore(): void {
    const { clips } = this;
    // The path is none of what is kept.
    Object.assign(this, this.#kept.pop(), { d: this.d });
    this.#out.push("</g>".repeat(clips - this.clips));
  }

  clip(): void {
    this.#out.push(clipping(this.d, this.transform || null));
    this.clips += 1;
  }

  translate(x: number, y: number): void {
    this.transform += `translate(${length(x)} ${length(y)})`;
  }

  rotate(angle: number): void {
    this.transform += `rotate(${length((angle * 180) / Math.PI)})`;
  }

  setLineDash(lengths: number[]): void {
    this.dash = lengths.join(" ");
  }

  createLinearGradient(...ends: number[]): Gradient {
    return new Gradient(ends);
  }

  beginPath(): void {
    this.d = "";
  }

  rect(x: number, y: number, width: number, height: number): void {
    this.d += rectangle(x, y, width, height);
  }

  arc(x: number, y: number, radius: number, from: number, to: number): void {
    const at = (angle: number) =>
      [x + radius * Math.cos(angle), y + radius * Math.sin(angle)].map(length).join(" ");
    const r = length(radius);
    // By its middle: an arc to where it began would be none.
    const halves = [(from + to) / 2, to].map((angle) => `A${r} ${r} 0 0 1 ${at(angle)}`);
    this.d += (this.d ? "L" : "M") + at(from) + halves.join("");
  }

  stroke(path: Pick<SvgPath, "d"> = this): void {
    this.#draw("path", { d: path.d, fill: "none", ...this.#stroked() });
  }

  fill(): void {
    this.#fill("path", { d: this.d });
  }

  strokeRect(x: number, y: number, width: number, height: number): void {
    this.#draw("rect", { x, y, width, height, fill: "none", ...this.#stroked() });
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    this.#fill("rect", { x, y, width, height });
  }

  fillText(text: string, x: number, y: number): void {
    const [, weight = "400", size] = /^(?:(\d+) )?([\d.]+)px/.exec(this.font) ?? ["", "400", "10"];
    const down = y + (BELOW[this.textBaseline] ?? 0) * Number(size);
    const more = {
      ...colour("fill", String(this.fillStyle), this.globalAlpha),
      transform: this.transform || null,
    };
    if (text) this.#out.push(line(text, x, down, Number(size), weight, this.textAlign, more));
  }

  drawImage(canvas: HTMLCanvasElement, x: number, y: number, width: number, height: number): void {
    this.#out.push(embedded(canvas, x, y, width, height, this.imageSmoothingEnabled));
  }

  #stroked(): Attributes {
    return {
      ...colour("stroke", this.strokeStyle, this.globalAlpha),
      "stroke-width": this.lineWidth,
      "stroke-linejoin": this.lineJoin === "miter" ? null : this.lineJoin,
      "stroke-dasharray": this.dash || null,
    };
  }

  #fill(name: string, shape: Attributes): void {
    let { fillStyle: style } = this;
    if (style instanceof Gradient) {
      const [fill, definition] = gradient(style.ends, style.stops);
      this.#out.push(definition);
      style = fill;
    }
    this.#draw(name, { ...shape, ...colour("fill", style, this.globalAlpha) });
  }

  #draw(name: string, shape: Attributes): void {
    if (shape.d !== "") this.#out.push(tag(name, { ...shape, transform: this.transform || null }));
  }
}
