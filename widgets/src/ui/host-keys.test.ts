// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { Cleanup } from "../base/dom";
import { keepKeys } from "./host-keys";

/** Whether hosts hear of a key that is pressed on a button in a widget: one that listens last, and Lumino, which listens first. */
function heard(key: string, more: KeyboardEventInit = {}): boolean {
  const inner = document.createElement("button");
  const root = document.createElement("div");
  root.append(inner);
  document.body.append(root);
  const cleanup = new Cleanup();
  keepKeys(root, cleanup);
  let [last, first] = [false, false];
  const hearLast = () => {
    last = true;
  };
  const hearFirst = () => {
    first = !inner.hasAttribute("data-lm-suppress-shortcuts");
  };
  document.addEventListener("keydown", hearLast);
  document.addEventListener("keydown", hearFirst, { capture: true });
  inner.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  document.removeEventListener("keydown", hearLast);
  document.removeEventListener("keydown", hearFirst, { capture: true });
  cleanup.run();
  root.remove();
  expect(first).toBe(last);
  return last;
}

describe("keys pressed in a widget", () => {
  it.each([
    ..."abcdefghijklmnopqrstuvwxyz0123456789,.-=[]/ é",
    "A",
    "M",
    "Enter",
    "ArrowDown",
    "Home",
    "Delete",
  ])("stay inside: %s", (key) => expect(heard(key)).toBe(false));

  it("stay inside with Shift, and where AltGr types a character", () => {
    expect(heard("L", { shiftKey: true })).toBe(false);
    expect(heard("ArrowDown", { shiftKey: true })).toBe(false);
    const typed = { ctrlKey: true, altKey: true, modifierAltGraph: true } as KeyboardEventInit;
    expect(heard("[", typed)).toBe(false);
  });

  it.each([
    ["s", { ctrlKey: true }],
    ["s", { metaKey: true }],
    ["f", { ctrlKey: true }],
    ["c", { ctrlKey: true, shiftKey: true }],
    ["Enter", { shiftKey: true }],
    ["Enter", { ctrlKey: true }],
    ["F11", {}],
    ["Escape", {}],
  ])("pass where they are commands: %s %o", (key, more) => expect(heard(key, more)).toBe(true));

  it.each(["Backspace", "ArrowUp"])("but not %s, by which the host would merge or move cells", (key) => {
    expect(heard(key, { ctrlKey: true })).toBe(false);
    expect(heard(key, { ctrlKey: true, shiftKey: true })).toBe(false);
  });
});
