/** How much room a view has: its width in steps, the height that is in view, and the whole screen on request. */

import { type Cleanup, setAttribute, setHidden, setStyle } from "../base/dom";
import { measureFirst } from "../draw/surface";
import { button } from "../ui/button";
import { icon } from "../ui/icons";

/** Two columns from this width on, in CSS pixels; below it lines wrap that otherwise stand in one row. */
const TWO_PX = 750;
/** Columns have little room up to the one width in one column, and up to the other in two. */
const [SMALL_PX, WIDE_PX] = [560, 1000];

/** What scrolls the element: its nearest ancestor that does, or the window. Its height in CSS pixels. */
function heightInView(root: HTMLElement): number {
  for (let at = root.parentElement; at; at = at.parentElement) {
    const { overflowY } = getComputedStyle(at);
    if (/auto|scroll/.test(overflowY) && at.clientHeight < at.scrollHeight && at.clientHeight > 0) {
      return Math.min(at.clientHeight, innerHeight);
    }
  }
  return innerHeight;
}

/** Less of the model's name than this says nothing. */
const LEAST_NAME_PX = 40;

/** Tell the style sheet of the view how wide it is, how high what is around it, and whether the name of the model has room. */
export function followRoom(root: HTMLElement, name: HTMLElement, cleanup: Cleanup): void {
  const fitName = () => {
    setAttribute(root, "data-nameless", false);
    setAttribute(root, "data-nameless", name.clientWidth < Math.min(name.scrollWidth, LEAST_NAME_PX));
  };
  let measured = 0;
  const measure = () => {
    const width = root.clientWidth;
    if (width === 0) return;
    setAttribute(root, "data-narrow", width < TWO_PX);
    setAttribute(root, "data-compact", width < SMALL_PX || (width >= TWO_PX && width < WIDE_PX));
    setStyle(
      root,
      "--db-room",
      `${document.fullscreenElement === root ? innerHeight : heightInView(root)}px`,
    );
    // It makes the browser lay out the bench twice, and the height changes in a drag.
    if (width !== measured) fitName();
    measured = width;
  };
  const observer = new ResizeObserver(measure);
  observer.observe(root);
  cleanup.add(() => observer.disconnect());
  const names = new ResizeObserver(fitName);
  names.observe(name);
  cleanup.add(() => names.disconnect());
  cleanup.listen(window, "resize", measure);
  // A printed page has another width, for which nothing is painted anew: handles and axes would lie beside the picture.
  cleanup.listen(window, "beforeprint", () => setStyle(root, "width", `${root.offsetWidth}px`));
  cleanup.listen(window, "afterprint", () => root.style.removeProperty("width"));
  measureFirst(measure, cleanup);
  measure();
}

/** A button that shows the view on the whole screen, and back; hidden where the host does not allow it. */
export function fullScreenButton(
  root: HTMLElement,
  fail: (text: string) => void,
  cleanup: Cleanup,
): HTMLElement {
  const made = button("Full screen", icon("enlarge"), "icon");
  setHidden(made, !document.fullscreenEnabled);
  const isOn = () => document.fullscreenElement === root;
  cleanup.listen(made, "click", async () => {
    try {
      await (isOn() ? document.exitFullscreen() : root.requestFullscreen());
    } catch {
      fail("The page around the bench does not let it fill the screen");
    }
  });
  cleanup.listen(document, "fullscreenchange", () => {
    made.title = isOn() ? "Leave full screen (Escape)" : "Full screen";
    setAttribute(made, "aria-label", made.title);
    setAttribute(made, "aria-pressed", String(isOn()));
  });
  return made;
}
