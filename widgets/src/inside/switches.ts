/** Parts of a model, switched off and on by a click or a drag over them: bands, channels, units, heads, memory. */

import { type Cleanup, closest, consume, element, setAttribute, setText } from "../base/dom";
import type { BenchModel } from "../kernel/contract";
import { button } from "../ui/button";
import type { PartInfo } from "./messages";

/** So many are in the page at once; the others are switched from Python. */
const MOST = 512;

export class SwitchesView {
  readonly element: HTMLElement;
  readonly #groups = element("div.db-switch-groups");
  readonly #allOn = button("Switch everything on again", "All on");
  /** The drag under way: its parts become what the first one became. */
  #drag: { gesture: string; name: string; on: boolean } | null = null;
  #gestures = 0;
  readonly #page = Math.random().toString(36).slice(2, 10);
  readonly #model: BenchModel;

  constructor(model: BenchModel, cleanup: Cleanup) {
    this.#model = model;
    this.element = element(
      "section.db-inside-part.db-inside-switches",
      { "aria-label": "Parts of the model switched off" },
      element("h4", {}, "Switch parts off"),
      element(
        "p.db-inside-text",
        {},
        "Click a part, or drag over several: the response on the bench is then without them. No weight changes. Undo takes it back.",
      ),
      this.#groups,
      element("div.db-inside-row", {}, this.#allOn),
    );
    cleanup.listen(this.#allOn, "click", () => model.send({ type: "all_on" }));
    cleanup.listen<PointerEvent>(this.#groups, "pointerdown", (event) => this.#down(event));
    cleanup.listen<PointerEvent>(this.#groups, "pointerover", (event) => this.#over(event));
    for (const type of ["pointerup", "pointercancel"]) cleanup.listen(window, type, () => this.#end());
    cleanup.listen<KeyboardEvent>(this.#groups, "keydown", (event) => this.#key(event));
    cleanup.add(() => this.#end());
    this.paintState();
  }

  requestPaint(): void {}

  paintState(): void {
    const parts = (this.#model.get("parts") as PartInfo[] | undefined) ?? [];
    const key = parts.map(({ name, on }) => `${name}/${on.length}`).join();
    if (this.#groups.dataset.of !== key) {
      this.#groups.dataset.of = key;
      this.#groups.replaceChildren(...parts.map(groupOf));
    }
    for (const [i, { on, labels }] of parts.entries()) {
      const group = this.#groups.children[i];
      const off = [...on].filter((one) => one === "0").length;
      setText(group.querySelector("output") as Element, off === 0 ? "" : `${off} of ${on.length} off`);
      for (const [n, one] of [...group.querySelectorAll<HTMLElement>("[data-part]")].entries()) {
        if (this.#drag) continue; // what the user has switched is ahead of the kernel
        paint(one, on[n] === "1", labels[n] ?? String(n + 1));
      }
    }
    this.#allOn.disabled = parts.every(({ on }) => !on.includes("0"));
  }

  #down(event: PointerEvent): void {
    const one = closest(event.target, "[data-part]");
    if (!one || event.button !== 0) return;
    (event.target as Element).releasePointerCapture?.(event.pointerId);
    this.#begin(one);
    one.focus({ preventScroll: true });
    consume(event);
  }

  #begin(one: HTMLElement): void {
    this.#end();
    this.#gestures += 1;
    const gesture = `${this.#page}-${this.#gestures}`;
    const on = one.getAttribute("aria-checked") !== "true";
    this.#drag = { gesture, name: nameOf(one), on };
    this.#set(one);
  }

  #over(event: PointerEvent): void {
    const one = closest(event.target, "[data-part]");
    if (one && this.#drag && nameOf(one) === this.#drag.name) this.#set(one);
  }

  #set(one: HTMLElement): void {
    const drag = this.#drag;
    if (!drag || (one.getAttribute("aria-checked") === "true") === drag.on) return;
    paint(one, drag.on, one.dataset.label ?? "");
    this.#model.send({ type: "switch", ...drag, part: Number(one.dataset.part) });
  }

  #end(): void {
    const drag = this.#drag;
    this.#drag = null;
    if (drag) this.#model.send({ type: "switch", ...drag, part: null });
  }

  #key(event: KeyboardEvent): void {
    const one = closest(event.target, "[data-part]");
    if (!one || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (event.key === " " || (event.key === "Enter" && !event.shiftKey)) {
      this.#begin(one);
      this.#end();
    } else if (step) {
      const next = step > 0 ? one.nextElementSibling : one.previousElementSibling;
      if (next instanceof HTMLElement) {
        one.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      }
    } else return;
    consume(event);
  }
}

const nameOf = (one: HTMLElement): string => closest(one, "[data-name]")?.dataset.name ?? "";

function groupOf({ name, label, meaning, on, labels }: PartInfo): HTMLElement {
  const cells = Array.from({ length: Math.min(on.length, MOST) }, (_, n) =>
    element("span.db-switch", {
      role: "switch",
      tabindex: n === 0 ? 0 : -1,
      "data-part": n,
      "data-label": labels[n] ?? String(n + 1),
    }),
  );
  const more = on.length > MOST ? ` (the first ${MOST} of ${on.length})` : "";
  // Of many parts in an order, such as bands, the ends say which is which.
  const ends = [labels[0], labels[labels.length - 1]].map(
    (text, i) => text ?? String(i === 0 ? 1 : on.length),
  );
  const scale = element(
    "span.db-switch-ends",
    { "aria-hidden": "true" },
    ...ends.slice(on.length === 1 ? 1 : 0).map((end) => element("span", {}, end)),
  );
  const wide = labels.length > 0 && labels.length <= 2;
  return element(
    "div.db-switch-group",
    { role: "group", "aria-label": label, "data-name": name, "data-wide": wide },
    element("span.db-switch-name", { title: meaning }, `${label}${more}`),
    element(
      "span.db-switch-row",
      {},
      element(
        "span.db-switch-cells",
        {},
        ...cells.map((cell, n) => (wide ? withText(cell, labels[n]) : cell)),
      ),
      ...(wide ? [] : [scale]),
    ),
    element("output"),
  );
}

function withText(cell: HTMLElement, text: string): HTMLElement {
  cell.append(text);
  return cell;
}

function paint(one: HTMLElement, on: boolean, label: string): void {
  setAttribute(one, "aria-checked", String(on));
  setAttribute(one, "aria-label", label);
  setAttribute(one, "title", `${label}: ${on ? "on" : "off"}`);
}
