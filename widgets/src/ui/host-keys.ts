/** Which keys pressed in a widget its host may see: those that type, move or delete stay inside, commands pass. */

import { type Cleanup, setAttribute } from "../base/dom";

/** Keys that host and browser share with nothing that is edited here. */
const PASSING = /^(Escape|Tab|F\d+|Control|Shift|Alt|Meta|AltGraph|CapsLock)$/;
const MOVES_OR_DELETES = /^(Arrow.*|Home|End|Page.*|Backspace|Delete|Insert)$/;

/**
 * Whether a key press goes on to the host: commands with Ctrl, Cmd or Alt (save, find, the command palette), Shift+Enter,
 * which runs the cell, and function keys. JupyterLab cuts, deletes and converts the cell by single letters, restarts its kernel
 * by two digits, and merges or moves cells by Ctrl with Backspace or arrows.
 */
export function isForHost(event: KeyboardEvent): boolean {
  const { key } = event;
  if (PASSING.test(key)) return true;
  if (MOVES_OR_DELETES.test(key)) return false;
  if (key === "Enter" && event.shiftKey) return true;
  // AltGr types a character; where it is Ctrl and Alt together, both are reported as pressed.
  if (event.getModifierState("AltGraph")) return false;
  return event.ctrlKey || event.metaKey || event.altKey;
}

/** Lumino's commands (JupyterLab, Notebook 7) pass over keys that are pressed in an element with it. */
const LUMINO_IGNORES = "data-lm-suppress-shortcuts";

/**
 * Keep the keys that are not for the host inside an element, whatever in it has the focus.
 *
 * Most hosts listen where the event has bubbled up to, and never see it. Notebook 7 listens before anything in the page:
 * the focused element itself is marked for it, as its selectors look for ":focus", and only for these keys, as the mark
 * switches all commands off.
 */
export function keepKeys(inside: HTMLElement, cleanup: Cleanup): void {
  const mark = (event: KeyboardEvent) => {
    const [target] = event.composedPath();
    if (!(target instanceof Element) || !inside.contains(target)) return;
    setAttribute(target, LUMINO_IGNORES, !isForHost(event) && "true");
  };
  const page = inside.ownerDocument.defaultView;
  if (page) cleanup.listen(page, "keydown", mark, { capture: true });
  cleanup.listen<KeyboardEvent>(inside, "keydown", (event) => {
    if (!isForHost(event)) event.stopPropagation();
  });
}
