/** What the marks of a plot stand for. */

import { element } from "../base/dom";

/** Entries of a legend, each with a swatch of its kind. */
export const legend = (entries: [kind: string, text: string][]): HTMLElement[] =>
  entries.map(([kind, text]) =>
    element("span.db-entry", {}, element(`i.db-swatch.db-${kind}`, { "aria-hidden": "true" }), text),
  );
