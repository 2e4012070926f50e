/** How much room a view has: its width in steps, the height that is in view, and the whole screen on request. */

import { type Cleanup, setAttribute, setHidden, setStyle } from "../base/dom";
import { measureFirst } from "../draw/surface";
import { button } from "../ui/button";
import { icon } from "../ui/icons";

/** Two columns from this width on, in CSS pixels; below it lines wrap that otherwise stand in one row. */
const TWO_PX = 750;
/** Columns have little room up to the one width in one column, and up to the other in two. */
const [SMALL_PX, WIDE_PX] = [560, 1000];

const fillsScreen = (root: HTMLElement) => document.fullscreenElement === root;

/** Height of what scrolls the element, in CSS pixels: of its nearest ancestor that does, or of the window. */
function heightInView(root: HTMLElement): number {
  for (let at = fillsScreen(root) ? null : root.parentElement; at; at = at.parentElement) {
    const { clientHeight, scrollHeight } = at;
    if (
      clientHeight > 0 &&
      clientHeight < scrollHeight &&
      /auto|scroll/.test(getComputedStyle(at).overflowY)
    ) {
      return Math.min(clientHeight, innerHeight);
    }
  }
  return innerHeight;
}

/** Less of the model's name than this says nothing. */
const LEAST_NAME_PX = 40;

/** Tell the style sheet of the view how wide it is, how high what is around it, and whether the name of the model has room. */
export function followRoom(root: HTMLElement, name: HTMLElement, cleanup: Cleanup): void {
  let shown = -1;
  const fitName = () => {
    if (name.clientWidth === shown) return;
    setAttribute(root, "data-nameless", false);
    shown = name.clientWidth;
    if (shown < Math.min(name.scrollWidth, LEAST_NAME_PX)) {
      setAttribute(root, "data-nameless", true);
      shown = 0;
    }
  };
  let measured = 0;
  const measure = () => {
    const width = root.clientWidth;
    if (width === 0) return;
    // Read before anything is written: each reading after that makes the browser lay out the bench once more.
    const room = heightInView(root);
    setAttribute(root, "data-narrow", width < TWO_PX);
    setAttribute(root, "data-compact", width < (width < TWO_PX ? SMALL_PX : WIDE_PX));
    setStyle(root, "--db-room", `${room}px`);
    if (width === measured) return; // heights change in a drag
    measured = width;
    shown = -1;
    fitName();
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
}

/** A button that shows the view on the whole screen, and back; hidden where the host does not allow it. */
export function fullScreenButton(
  root: HTMLElement,
  fail: (text: string) => void,
  cleanup: Cleanup,
): HTMLElement {
  const made = button("Full screen", icon("enlarge"), "icon");
  setHidden(made, !document.fullscreenEnabled);
  cleanup.listen(made, "click", async () => {
    try {
      await (fillsScreen(root) ? document.exitFullscreen() : root.requestFullscreen());
    } catch {
      fail("The page around the bench does not let it fill the screen");
    }
  });
  cleanup.listen(document, "fullscreenchange", () => {
    made.title = fillsScreen(root) ? "Leave full screen (Escape)" : "Full screen";
    setAttribute(made, "aria-label", made.title);
    setAttribute(made, "aria-pressed", String(fillsScreen(root)));
  });
  return made;
}
