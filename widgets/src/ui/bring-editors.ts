/** Brings the editors of a bench into view from one of its panels. */

/** Scroll, where that is needed, to the editors of the bench that `panel` belongs to; nothing where it stands alone. */
export function bringEditors(panel: HTMLElement): void {
  const bench = panel.parentElement?.closest(".deepstrf-bench");
  // The whole of a bench may be higher than the window: that would count as in view already.
  bench?.querySelector(".db-panels")?.scrollIntoView({ block: "nearest" });
}
