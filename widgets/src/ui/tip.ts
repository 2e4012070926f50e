/** Numbers beside what is dragged. */

import type { Box } from "../base/box";
import { element, type Point, setHidden, setText } from "../base/dom";

const ASIDE_PX = 20;
const OFF_PX = 16;

/** It follows the hand at once; its text stands until `renew`, as each new one has the browser lay out the page anew. */
export class Tip {
  readonly element = element("div.db-tip", { "aria-hidden": "true", hidden: true });
  #text = () => "";

  hide(): void {
    setHidden(this.element, true);
  }

  /** Bring the text up to date. */
  renew(): void {
    if (!this.element.hidden) setText(this.element, this.#text());
  }

  /** Say something beside a place, on the side where the box has more room. */
  show(text: () => string, { x, y }: Point, box: Box): void {
    const right = x < box.x + box.width / 2;
    const above = y > box.y + box.height / 2;
    const left = right ? `${(x + ASIDE_PX).toFixed(0)}px` : `${(x - ASIDE_PX).toFixed(0)}px - 100%`;
    const top = above ? `${(y - OFF_PX).toFixed(0)}px - 100%` : `${(y + OFF_PX).toFixed(0)}px`;
    this.put(text, `calc(${left})`, `calc(${top})`);
  }

  /** Say something at a place of CSS lengths. */
  put(text: () => string, left: string, top: string): void {
    this.#text = text;
    if (this.element.hidden) setText(this.element, text());
    setHidden(this.element, false);
    this.element.style.transform = `translate(${left}, ${top})`;
  }
}
