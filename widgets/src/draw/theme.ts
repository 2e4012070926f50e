/** The colours of the page as painters need them; they come from custom properties of the root class. */

import type { Cleanup } from "../dom";

export interface Theme {
  dark: boolean;
  foreground: string;
  muted: string;
  line: string;
  panel: string;
  model: string;
  trained: string;
  recorded: string;
  on: string;
  off: string;
  font: string;
}

export function readTheme(root: HTMLElement): Theme {
  const style = getComputedStyle(root);
  const read = (name: string, fallback: string) => style.getPropertyValue(`--db-${name}`).trim() || fallback;
  return {
    dark: read("dark", "0") === "1",
    foreground: read("foreground", "#1f2328"),
    muted: read("muted", "#5f6670"),
    line: read("line", "#c9ced6"),
    panel: read("panel", "#ffffff"),
    model: read("model", "#1f2328"),
    trained: read("trained", "#5f6670"),
    recorded: read("recorded", "#b9bfc8"),
    on: read("on", "#c2501a"),
    off: read("off", "#1f6fb2"),
    font: style.fontFamily || "sans-serif",
  };
}

/** Calls back when Jupyter's theme, the system's scheme or the wish for less motion changes. */
export function watchTheme(root: HTMLElement, cleanup: Cleanup, onChange: () => void): void {
  const { body } = root.ownerDocument;
  const observer = new MutationObserver(onChange);
  observer.observe(body, {
    attributes: true,
    attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"],
  });
  cleanup.add(() => observer.disconnect());
  for (const query of ["(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)"]) {
    cleanup.listen(matchMedia(query), "change", onChange);
  }
}

export function reducedMotion(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
