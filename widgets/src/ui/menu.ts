/** A button with a menu: arrows move in it; Escape, or focus elsewhere, closes it. */

import { type Cleanup, consume, element, setAttribute, setHidden } from "../base/dom";

export interface Menu {
  /** The button and, when it is open, the list of the items. */
  element: HTMLElement;
  list: HTMLElement;
  show(on: boolean): void;
  /** Close it, with the focus on its button. */
  close(): void;
}

/** A menu of class `name` that `opener` opens, called `label` for screen readers. */
export function menu(
  name: string,
  opener: HTMLElement,
  label: string,
  items: HTMLElement[],
  cleanup: Cleanup,
): Menu {
  const list = element("div.db-options", { role: "menu", "aria-label": label }, ...items);
  const made = element(`span.db-menu.${name}`, {}, opener, list);
  setAttribute(opener, "aria-haspopup", "menu");
  const show = (on: boolean) => {
    setHidden(list, !on);
    setAttribute(opener, "aria-expanded", String(on));
    if (on) items[0]?.focus();
  };
  const close = () => {
    show(false);
    opener.focus();
  };
  show(false);
  cleanup.listen(opener, "click", () => show(list.hidden === true));
  cleanup.listen<FocusEvent>(made, "focusout", (event) => {
    if (!made.contains(event.relatedTarget as Node | null)) show(false);
  });
  cleanup.listen<KeyboardEvent>(made, "keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.hidden) show(true);
    else if (step) {
      const at = items.indexOf(event.target as HTMLElement);
      items[(at + step + items.length) % items.length].focus();
    } else if (event.key === "Escape" && !list.hidden) close();
    else return;
    consume(event);
  });
  return { element: made, list, show, close };
}
