/** Parts of the page as one SVG: canvases as their painters draw them, marks, boxes, and texts as text. */

import type { Box } from "../base/box";
import { setAttribute } from "../base/dom";
import {
  clipping,
  colour,
  embedded,
  file,
  gradient,
  line,
  rectangle,
  type SvgContext,
  tag,
} from "../draw/svg-context";

/** What is pressed, typed into or shown under a pointer. */
const LEFT_OUT =
  "button,select,[type=search],.db-download,.db-sort,.db-segments,.db-tools,.db-tip,.db-cursor,.db-bracket";
const EVERYTHING: Box = { x: -1e6, y: -1e6, width: 2e6, height: 2e6 };
const PADDING = 8;
const COLOUR = /rgba?\([^)]*\)/g;
const CLEAR = "rgba(0, 0, 0, 0)";
/** Share of a line of text that lies above the line on which its letters stand. */
const ASCENT = 0.8;
/** From the edge of a field to its text, in CSS pixels. */
const FIELD = 9;
/** The shadow that is an edge around a box. */
const RING = /^(rgba?\([^)]*\)) 0px 0px 0px ([\d.]+)px$/;

export interface Picture {
  svg: string;
  width: number;
  height: number;
}

/** These parts of `root` as they lie on the page, cut to what is drawn; `drawn` holds what was painted on canvases. */
export function pictureOf(
  root: HTMLElement,
  parts: Iterable<Element>,
  drawn: ReadonlyMap<Element, SvgContext>,
  title: string,
): Picture {
  const sheet = new SvgPage(root.getBoundingClientRect(), drawn);
  for (const part of parts) if (!part.closest("[hidden]")) sheet.add(part, EVERYTHING);
  const { backgroundColor, fontFamily } = getComputedStyle(root);
  const { box } = sheet;
  const { width, height } = box;
  return { svg: file(box, backgroundColor, fontFamily, title, sheet.text), width, height };
}

class SvgPage {
  text = "";
  #ends = [Infinity, Infinity, -Infinity, -Infinity];

  readonly #origin: DOMRect;
  readonly #drawn: ReadonlyMap<Element, SvgContext>;

  constructor(origin: DOMRect, drawn: ReadonlyMap<Element, SvgContext>) {
    this.#origin = origin;
    this.#drawn = drawn;
  }

  /** What is drawn, and room around it. */
  get box(): Box {
    const [left, top, right, bottom] = this.#ends;
    if (left > right) throw new Error("nothing of it is on screen");
    const [x, y] = [Math.floor(left) - PADDING, Math.floor(top) - PADDING];
    return { x, y, width: Math.ceil(right) + PADDING - x, height: Math.ceil(bottom) + PADDING - y };
  }

  /** Draw an element; of what it holds only what lies within `view`. */
  add(element: Element, view: Box): void {
    const style = getComputedStyle(element);
    if (style.display === "none" || style.visibility === "hidden" || element.matches(LEFT_OUT)) return;
    let box = this.#here(element.getBoundingClientRect());
    // Pictures lie on whole pixels, as on the screen: their lines stay sharp.
    if (/canvas|svg/i.test(element.tagName)) box = { ...box, x: Math.round(box.x), y: Math.round(box.y) };
    const before = this.text;
    this.text = "";
    if (element instanceof HTMLCanvasElement) this.#put(this.#canvas(element, box, style), box, view);
    else if (element instanceof HTMLInputElement)
      this.#put(words(element.value, box, style, FIELD), box, view);
    else if (element instanceof SVGElement) this.#put(marks(element, box), box, view);
    else {
      this.#put(area(box, style), box, view);
      const inner = style.overflowX === "visible" ? view : overlap(box, view);
      const sign = getComputedStyle(element, "::before");
      if (/^".+"$/.test(sign.content)) this.#put(words(sign.content.slice(1, -1), box, sign, 0), box, inner);
      for (const child of element.childNodes) {
        if (child instanceof Element) this.add(child, inner);
        else if (child instanceof Text) this.#text(child, style, inner);
      }
    }
    this.text =
      before + (Number(style.opacity) < 1 ? tag("g", { opacity: style.opacity }, this.text) : this.text);
  }

  #here({ left, top, width, height }: DOMRect): Box {
    return { x: left - this.#origin.left, y: top - this.#origin.top, width, height };
  }

  /** Put something that fills a box into the picture, or what of it lies within `view`. */
  #put(text: string, box: Box, view: Box): void {
    const { x, y, width, height } = overlap(box, view);
    if (!text || width < 0 || height < 0) return;
    const whole = width > box.width - 0.5 && height > box.height - 0.5;
    this.text += whole ? text : `${clipping(rectangle(x, y, width, height))}${text}</g>`;
    const [left, top, most, lowest] = this.#ends;
    this.#ends = [
      Math.min(left, x),
      Math.min(top, y),
      Math.max(most, x + width),
      Math.max(lowest, y + height),
    ];
  }

  #canvas(canvas: HTMLCanvasElement, box: Box, style: CSSStyleDeclaration): string {
    const { x, y, width, height } = box;
    const vector = this.#drawn.get(canvas);
    const outline = { ...box, fill: "none", ...colour("stroke", style.outlineColor) };
    return (
      (vector
        ? tag("g", { transform: `translate(${x} ${y})` }, vector.text)
        : embedded(canvas, x, y, width, height, style.imageRendering === "auto")) +
      (style.outlineStyle === "solid" ? tag("rect", outline) : "")
    );
  }

  /** A text of the page, line by line. */
  #text(node: Text, style: CSSStyleDeclaration, view: Box): void {
    const range = document.createRange();
    const lines: { text: string; box: Box }[] = [];
    for (const { 0: word, index } of node.data.matchAll(/\S+/g)) {
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const box = this.#here(range.getBoundingClientRect());
      const last = lines.at(-1);
      if (last && Math.abs(last.box.y - box.y) < 1) {
        last.text += ` ${word}`;
        last.box.width = box.x + box.width - last.box.x;
      } else lines.push({ text: word, box });
    }
    for (const { text, box } of lines) this.#put(words(text, box, style), box, view);
  }
}

/** What two boxes share; of a negative size where that is nothing. */
function overlap(a: Box, b: Box): Box {
  const [x, y] = [Math.max(a.x, b.x), Math.max(a.y, b.y)];
  const [right, bottom] = [Math.min(a.x + a.width, b.x + b.width), Math.min(a.y + a.height, b.y + b.height)];
  return { x, y, width: right - x, height: bottom - y };
}

/** A line of text in its box, or in the middle of a box that is higher and `aside` from its edge. */
function words(text: string, { x, y, height }: Box, style: CSSStyleDeclaration, aside?: number): string {
  const size = Number.parseFloat(style.fontSize);
  const stands = y + (aside === undefined ? ASCENT * height : height / 2 + (ASCENT - 0.45) * size);
  return (
    text && line(text, x + (aside ?? 0), stands, size, style.fontWeight, "", colour("fill", style.color))
  );
}

/** Background and borders of a box: all round, or above or below. */
function area(box: Box, style: CSSStyleDeclaration): string {
  const { x, y, width, height } = box;
  const right = x + width;
  let text = "";
  const stops = style.backgroundImage.match(COLOUR);
  const radius = Number.parseFloat(style.borderTopLeftRadius) || 0;
  const rx = (style.borderTopLeftRadius.endsWith("%") ? (width * radius) / 100 : radius) || null;
  if (stops) {
    const equal = stops.map((stop, i): [number, string] => [i / (stops.length - 1), stop]);
    const [fill, definition] = gradient([x, y, right, y], equal);
    text = definition + tag("rect", { ...box, fill });
  } else if (style.backgroundColor !== CLEAR) {
    text = tag("rect", { ...box, rx, ...colour("fill", style.backgroundColor) });
  }
  const edge = (out: number, wide: number, stroke: string) =>
    tag("rect", {
      ...{ x: x - out, y: y - out, width: width + 2 * out, height: height + 2 * out },
      ...{ rx: rx && rx + out, fill: "none", ...colour("stroke", stroke), "stroke-width": wide },
      "stroke-dasharray": dash,
    });
  const dash = /da|do/.test(style.borderTopStyle) ? "3 2" : null;
  const ring = RING.exec(style.boxShadow);
  if (ring) text += edge(Number(ring[2]) / 2, Number(ring[2]), ring[1]);
  const [above, below] = [style.borderTopWidth, style.borderBottomWidth].map(
    (w) => Number.parseFloat(w) || 0,
  );
  if (above && below) return text + edge(-above / 2, above, style.borderTopColor);
  const wide = above || below;
  if (!wide) return text;
  const level = above ? y + above / 2 : y + height - below / 2;
  const side = (from: number, to: number, stroke: string) =>
    tag("path", {
      d: `M${from} ${level}H${to}`,
      ...colour("stroke", stroke),
      "stroke-width": wide,
      "stroke-dasharray": dash,
    });
  const sides = style.borderImageSource.match(COLOUR);
  if (!sides) return text + side(x, right, above ? style.borderTopColor : style.borderBottomColor);
  const middle = x + width / 2;
  return text + side(x, middle - 3, sides[0]) + side(middle + 3, right, sides[sides.length - 1]);
}

/** An SVG of the page with the colours that it has there. */
function marks(element: SVGElement, box: Box): string {
  const copy = element.cloneNode(true) as SVGElement;
  const copies = [copy, ...copy.querySelectorAll("*")];
  [element, ...element.querySelectorAll("*")].forEach((original, i) => {
    const style = getComputedStyle(original);
    const { fill, fillOpacity, stroke, strokeWidth, strokeDasharray, opacity, overflow, fontSize } = style;
    const seen = {
      ...colour("fill", fill, Number(fillOpacity)),
      ...colour("stroke", stroke),
      "stroke-width": strokeWidth,
      "stroke-dasharray": strokeDasharray,
      "font-size": original.tagName === "text" ? fontSize : null,
      opacity: i > 0 && opacity !== "1" ? opacity : null,
      overflow: original.tagName === "svg" ? overflow : null,
      ...(i > 0 ? null : { ...box }),
    };
    for (const [name, value] of Object.entries(seen)) setAttribute(copies[i], name, value);
  });
  return new XMLSerializer().serializeToString(copy);
}
