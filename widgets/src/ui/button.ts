/** A button that says what it does: in words, or where it shows a sign alone in its title and its label for screen readers. */

import { element } from "../base/dom";

/** `kind` is one more class of it. */
export function button(
  title: string,
  content: Node | string,
  kind: "icon" | "hold" | "play" | "text" = "text",
): HTMLButtonElement {
  return element(`button.db-button.db-${kind}`, { title, "aria-label": kind === "icon" && title }, content);
}
