/** Numbers that can be typed: one gesture from the first change to Enter or to leaving the field. */

import { type Cleanup, consume, element } from "../base/dom";
import { typedNumber } from "../base/format";
import type { DragGesture } from "./drag";

/** Undo and redo of the whole bench. */
export interface UndoRedo {
  undo(): void;
  redo(): void;
}

export interface NumberField {
  /** Text above it, and its label for screen readers. */
  label: string | Node;
  ariaLabel: string;
  /** What an arrow key adds; ten times that with Shift. */
  step: number;
  /** Set the value, in the gesture. */
  write(value: number): void;
  /** A field that changes nothing of the model, once it is complete: what an arrow key does in it. */
  choose?(way: number): void;
}

export class NumberFields {
  #typing = false;
  readonly #history: UndoRedo;
  readonly #gesture: DragGesture;
  readonly #begin: () => void;
  readonly #paint: () => void;
  readonly #cleanup: Cleanup;

  /** `begin` begins the gesture; `paint` is called when a number is complete. */
  constructor(
    history: UndoRedo,
    gesture: DragGesture,
    begin: () => void,
    paint: () => void,
    cleanup: Cleanup,
  ) {
    this.#history = history;
    this.#gesture = gesture;
    this.#begin = begin;
    this.#paint = paint;
    this.#cleanup = cleanup;
  }

  /** A new field, labelled; `kind` are more classes of it. */
  add(field: NumberField, kind = ""): { input: HTMLInputElement; label: HTMLElement } {
    const { label, ariaLabel } = field;
    const input = element("input.db-number", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      "aria-label": ariaLabel,
      title: ariaLabel,
    });
    const typed = () => this.#write(field, input, typedNumber(input.value));
    const complete = () => {
      if (field.choose) field.write(typedNumber(input.value));
      this.#done(false);
    };
    if (!field.choose) this.#cleanup.listen(input, "input", typed);
    this.#cleanup.listen(input, "change", complete);
    this.#cleanup.listen(input, "blur", () => this.#done(false));
    this.#cleanup.listen<KeyboardEvent>(input, "keydown", (event) =>
      this.#onKey(field, input, complete, event),
    );
    return { input, label: element(`label.db-field${kind}`, {}, element("span", {}, label), input) };
  }

  /** Show a value, but not in a field in which the user types another. */
  show(input: HTMLInputElement, text: string): void {
    if (this.#typing && input === input.ownerDocument.activeElement) return;
    if (input.value !== text) input.value = text;
  }

  #write(field: NumberField, input: HTMLInputElement, value: number): void {
    if (!Number.isFinite(value) || input.disabled) return;
    if (!this.#typing || !this.#gesture.open) {
      this.#begin();
      this.#typing = true;
    }
    field.write(value);
  }

  /** Enter ends what was typed, Escape takes it back; undo and redo are the bench's, not the field's. */
  #onKey(field: NumberField, input: HTMLInputElement, complete: () => void, event: KeyboardEvent): void {
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    const way = { arrowup: 1, arrowdown: -1 }[key];
    if (key === "enter") {
      complete();
      if (event.shiftKey) return; // it runs the notebook's cell too
    } else if (key === "escape") this.#done(true);
    else if (command && (key === "z" || key === "y")) {
      this.#done(false);
      if (key === "y" || event.shiftKey) this.#history.redo();
      else this.#history.undo();
    } else if (way && !command && !event.altKey) {
      if (field.choose) field.choose(way);
      else
        this.#write(
          field,
          input,
          (typedNumber(input.value) || 0) + way * field.step * (event.shiftKey ? 10 : 1),
        );
      this.#done(false);
    } else return;
    consume(event);
  }

  #done(cancel: boolean): void {
    if (this.#typing) this.#gesture.end(cancel);
    this.#typing = false;
    this.#paint();
  }
}
