/** A button that copies the address of a page with what is on screen. */

import type { Cleanup } from "../base/dom";
import type { BenchState } from "../state/bench-state";
import { button } from "../ui/button";
import { icon } from "../ui/icons";

const SHOWN_MS = 2000;

/** `link` gives the address, or an Error that says why there is none. */
export function linkButton(
  link: () => Promise<string>,
  state: BenchState,
  cleanup: Cleanup,
): HTMLButtonElement {
  const title = "Copy the address of this page with all edits";
  const made = button(title, icon("link"), "icon");
  let forget = () => {};
  const say = (text: string) => {
    made.title = text;
    made.dataset.done = "";
    forget();
    forget = state.clock.later(() => {
      made.title = title;
      delete made.dataset.done;
    }, SHOWN_MS);
  };
  cleanup.add(() => forget());
  cleanup.listen(made, "click", async () => {
    try {
      const address = await link();
      // Some frames and addresses have no clipboard.
      await navigator.clipboard.writeText(address).catch(() => {
        throw new Error(`The browser gives no clipboard here; the address is ${address}`);
      });
      state.setError("");
      say("Copied");
    } catch (error) {
      state.setError(error instanceof Error ? error.message : String(error));
    }
  });
  return made;
}
