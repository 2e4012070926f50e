/** Building elements and taking everything back: the two chores that every panel has. */

type Child = Node | string;
type Properties = Record<string, string | number | boolean | null | undefined>;

/**
 * A new element, "tag.class.class", with attributes (`false`, null and undefined leave one out) and children; strings
 * become text. A button submits nothing.
 */
export function element<K extends keyof HTMLElementTagNameMap>(
  what: K | `${K}.${string}`,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag as K);
  made.classList.add(...classes);
  if (made instanceof HTMLButtonElement) made.type = "button";
  for (const [name, value] of Object.entries(properties)) setAttribute(made, name, value);
  made.append(...children);
  return made;
}

/** Set an attribute where it differs; `false`, null and undefined remove it, `true` sets it empty. */
export function setAttribute(target: Element, name: string, value: Properties[string]): void {
  if (value === false || value === null || value === undefined) {
    if (target.hasAttribute(name)) target.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (target.getAttribute(name) !== text) target.setAttribute(name, text);
}

/** Set a style property where it differs. */
export function setStyle(target: HTMLElement, name: string, value: string): void {
  if (target.style.getPropertyValue(name) !== value) target.style.setProperty(name, value);
}

/** Hide an element or show it, where it differs: the browser works out the style of all in it anew for any writing of it. */
export function setHidden(target: HTMLElement, hidden: boolean): void {
  if (target.hidden !== hidden) target.hidden = hidden;
}

/** Set the text where it differs. */
export function setText(target: Node, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** The event is dealt with here: neither the browser nor an element around acts on it. */
export function consume(event: Event): void {
  event.preventDefault();
  event.stopPropagation();
}

/** The element around the target of an event that a selector finds. */
export function closest(target: EventTarget | null, selector: string): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>(selector) : null;
}

export interface Point {
  x: number;
  y: number;
}

/** Where a pointer is, from the corner of an element. Measuring makes the browser lay out the page: never in a drag. */
export function pointIn(target: Element, { clientX, clientY }: MouseEvent): Point {
  const { left, top } = target.getBoundingClientRect();
  return { x: clientX - left, y: clientY - top };
}

type Listenable = Pick<EventTarget, "addEventListener" | "removeEventListener">;

/** Collects what must be undone when a view goes away. */
export class Cleanup {
  #undo: (() => void)[] = [];
  #done = false;

  /** Whether everything has been undone. */
  get done(): boolean {
    return this.#done;
  }

  add(undo: () => void): void {
    if (this.#done) undo();
    else this.#undo.push(undo);
  }

  listen<E extends Event>(
    target: Listenable,
    type: string,
    listener: (event: E) => void,
    options?: AddEventListenerOptions,
  ): void {
    target.addEventListener(type, listener as EventListener, options);
    this.add(() => target.removeEventListener(type, listener as EventListener, options));
  }

  run(): void {
    this.#done = true;
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }
}
