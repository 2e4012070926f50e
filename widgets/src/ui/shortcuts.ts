/** The dialog that lists what the keys do. */

import { type Cleanup, element } from "../base/dom";
import { keepKeys } from "./host-keys";

/** Keys or gestures, and what they do. */
export type Listed = [keys: string, what: string][];

export class Shortcuts {
  readonly element: HTMLDialogElement;
  readonly #list = element("dl");

  constructor(
    cleanup: Cleanup,
    readonly listed: Listed,
  ) {
    const close = element("button.db-button", {}, "Close");
    this.element = element(
      "dialog.db-dialog",
      { "aria-label": "Keys and gestures" },
      element("h3.db-title", {}, "Keys and gestures"),
      this.#list,
      close,
    );
    cleanup.listen(close, "click", () => this.element.close());
    cleanup.listen(this.element, "click", (e) => {
      if (e.target === this.element) this.element.close();
    });
    keepKeys(this.element, cleanup);
  }

  open(): void {
    if (this.element.open) return;
    // Not with the view: most users never open it.
    if (!this.#list.firstChild) {
      for (const [keys, what] of this.listed) {
        this.#list.append(element("dt", {}, keys), element("dd", {}, what));
      }
    }
    this.element.showModal();
    // The button that gets the focus stands at its end.
    this.element.scrollTop = 0;
  }
}
