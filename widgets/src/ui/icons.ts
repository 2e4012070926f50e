/** Line icons on a 16-pixel grid. */

import { svg } from "../base/svg";

const PATHS = {
  previous: "M10 3 5 8l5 5",
  next: "M6 3l5 5-5 5",
  undo: "M6 3 3 6l3 3M3.5 6H9a4 4 0 0 1 0 8H6",
  save: "M8 2.5v7.5M4.5 7 8 10.5 11.5 7M3 13.5h10",
  redo: "M10 3l3 3-3 3M12.5 6H7a4 4 0 0 0 0 8h3",
  revert: "M3 8a5 5 0 1 0 1.6-3.7M3 2.5v3h3",
  play: "M5 3v10l8-5z",
  pause: "M5.5 3v10M10.5 3v10",
  panels: "M2.5 2.5h11v4h-11zM2.5 9.5h11v4h-11z",
  link: "M6.5 9.5l3-3M7 4.5 8.8 2.7a2.6 2.6 0 0 1 3.7 3.7L10.7 8.2M9 11.5l-1.8 1.8a2.6 2.6 0 0 1-3.7-3.7L5.3 7.8",
  enlarge: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
} as const;

export function icon(name: keyof typeof PATHS): SVGElement {
  const path = svg("path", "");
  path.setAttribute("d", PATHS[name]);
  const made = svg("svg", "", path);
  const attributes = { viewBox: "0 0 16 16", width: "16", height: "16", "aria-hidden": "true" };
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
