/** Numbers beside what is dragged. */

import type { Box } from "../base/box";
import { element, type Point, setHidden, setText } from "../base/dom";

const ASIDE_PX = 20;
const OFF_PX = 16;

export class Tip {
  readonly element = element("div.db-tip", { "aria-hidden": "true", hidden: true });

  hide(): void {
    setHidden(this.element, true);
  }

  /** Say something beside a place, on the side where the box has more room. */
  show(text: string, { x, y }: Point, box: Box): void {
    const right = x < box.x + box.width / 2;
    const above = y > box.y + box.height / 2;
    const left = right ? `${(x + ASIDE_PX).toFixed(0)}px` : `${(x - ASIDE_PX).toFixed(0)}px - 100%`;
    const top = above ? `${(y - OFF_PX).toFixed(0)}px - 100%` : `${(y + OFF_PX).toFixed(0)}px`;
    this.put(text, `calc(${left})`, `calc(${top})`);
  }

  /** Say something at a place of CSS lengths. */
  put(text: string, left: string, top: string): void {
    setHidden(this.element, false);
    setText(this.element, text);
    this.element.style.transform = `translate(${left}, ${top})`;
  }
}
