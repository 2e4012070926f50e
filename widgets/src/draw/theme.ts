/** The colours of the page as painters need them; they come from custom properties of the root class. */

import type { Cleanup } from "../base/dom";

export interface Theme {
  dark: boolean;
  foreground: string;
  muted: string;
  line: string;
  panel: string;
  model: string;
  trained: string;
  recorded: string;
  other: string;
  on: string;
  off: string;
  font: string;
}

export function readTheme(root: HTMLElement): Theme {
  const style = getComputedStyle(root);
  const painter = document.createElement("canvas").getContext("2d");
  /** A canvas gives an opaque colour back as #rrggbb, whatever it was called: Jupyter's panels are "white". */
  const read = (name: string) => {
    const text = style.getPropertyValue(`--db-${name}`).trim();
    if (!painter || !text) return text;
    painter.fillStyle = text;
    return painter.fillStyle;
  };
  return {
    dark: style.getPropertyValue("--db-dark").trim() === "1",
    foreground: read("ink"),
    muted: read("muted"),
    line: read("line"),
    panel: read("panel"),
    model: read("model"),
    trained: read("trained"),
    recorded: read("recorded"),
    other: read("other"),
    on: read("on"),
    off: read("off"),
    font: style.fontFamily || "sans-serif",
  };
}

/** Calls back when the host's theme, the system's scheme or the preference for less motion changes. */
export function watchTheme(root: HTMLElement, cleanup: Cleanup, onChange: () => void): void {
  const { body, documentElement } = root.ownerDocument;
  const observer = new MutationObserver(onChange);
  const told = ["data-jp-theme-light", "data-jp-theme-name", "data-theme", "theme", "class"];
  for (const place of [documentElement, body]) {
    observer.observe(place, { attributes: true, attributeFilter: told });
  }
  cleanup.add(() => observer.disconnect());
  const queries = [
    "(prefers-color-scheme: dark)",
    "(prefers-reduced-motion: reduce)",
    "(forced-colors: active)",
  ];
  for (const query of queries) {
    cleanup.listen(matchMedia(query), "change", onChange);
  }
}

export function reducedMotion(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
