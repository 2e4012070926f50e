/** Building SVG elements. */

/** A new SVG element of a class. */
export function svg(tag: string, name: string, ...children: Element[]): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  made.setAttribute("class", name);
  made.append(...children);
  return made;
}
