"""After Run All, the way back: JupyterLab selects the last cell, the course the first question that is still open."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets
from IPython import get_ipython

__all__ = ["lead_back_to_this_cell"]


class WayBack(anywidget.AnyWidget):
    """A widget that is never shown, so no output is stored: the page makes its model and answers when it has done.

    ``check`` is the id of the cell that asks; ``answer`` the name that the student gives a value, empty for a gesture
    or a drawing.
    """

    # The notebook's model says which cell to lead to: the last one above the check that gives the name its value, and
    # where none does the last one whose code is shown. The page may hold only some of the cells: JupyterLab attaches
    # them one after another, or those in view alone. An active cell that is not attached is far from the check, so it is
    # the last one, after Run All. Where another one is active (a cell was run alone, or an earlier question has led
    # back already) nothing is done, nor after the user has done something. A cell is selected by a click on its prompt.
    _esm = r"""
const TAB = ".lm-TabBar-tab[data-id]";
/** So long after Run All JupyterLab may still scroll to the last cell: it does once that cell is attached. */
const SETTLES_MS = 3000;
const attached = (root) => [...root.querySelectorAll(".jp-Cell")];
const place = (cell, cells) => Number(cell.dataset.windowedListIndex ?? cells.indexOf(cell));

/** Each view of the document: a tab's title has its path in the second line; Notebook 7 has one view and no tabs. */
const views = (document, path) => {
  const all = [...document.querySelectorAll(".jp-Notebook")];
  const local = path.replace(/^[^/]*:/, "");
  const isItsTab = ({ title }) => {
    const line = title.split("\n")[1] ?? "";
    return line.endsWith(local) && line.at(-local.length - 1) !== "/";
  };
  const panels = [...document.querySelectorAll(TAB)].filter(isItsTab).map((tab) => tab.dataset.id);
  return all.filter(({ parentElement }) => panels.includes(parentElement.id) || all.length === 1);
};

const question = (cells, check, answer) => {
  const above = cells.slice(0, check).reverse().filter((cell) => cell.type === "code");
  const gives = new RegExp(`^(def +)?${answer} *[=(:]`, "m");
  const found =
    (answer && above.find((cell) => gives.test(cell.sharedModel.getSource()))) ||
    above.find((cell) => !cell.getMetadata("jupyter")?.source_hidden);
  return found ? cells.indexOf(found) : check;
};

const select = (cell) => {
  const prompt = cell.querySelector(".jp-InputPrompt") ?? cell;
  for (const type of ["mousedown", "mouseup"]) {
    prompt.dispatchEvent(new MouseEvent(type, { bubbles: true, cancelable: true, button: 0 }));
  }
};

/**
 * Bring the cell at this place into view and select it once; then hold it there while the page is laid out (cells above
 * it are drawn, outputs grow, JupyterLab scrolls to the last cell), until the user does something or, once the page has
 * settled, anything scrolls.
 */
const lead = (root, goal, stop) =>
  new Promise((end) => {
    const outer = root.querySelector(".jp-WindowedPanel-outer") ?? root;
    const begun = performance.now();
    let isSelected = false;
    let top = NaN;
    const hold = () => {
      if (stop.signal.aborted || !root.isConnected) return;
      const cells = attached(root);
      const drawn = cells.filter(({ style }) => style.display !== "none"); // as JupyterLab hides those out of view
      const cell = drawn.find((one) => place(one, cells) === goal);
      if (!cell) {
        const isAbove = Math.min(...drawn.map((one) => place(one, cells))) > goal;
        outer.scrollTop += isAbove ? -outer.clientHeight : outer.clientHeight;
        return;
      }
      if (!isSelected) select(cell);
      isSelected = true;
      const [box, view] = [cell, outer].map((one) => one.getBoundingClientRect());
      if (box.top < view.top || box.bottom > view.bottom) cell.scrollIntoView({ block: "center" });
      top = outer.scrollTop;
      end();
    };
    const onScroll = () => {
      if (!isSelected || performance.now() - begun < SETTLES_MS) hold();
      else if (Math.abs(outer.scrollTop - top) > 1) stop.abort();
    };
    const watch = new ResizeObserver(hold);
    for (const inner of outer.querySelectorAll(".jp-WindowedPanel-inner, .jp-WindowedPanel-viewport")) watch.observe(inner);
    watch.observe(outer);
    outer.addEventListener("scroll", onScroll, { signal: stop.signal });
    stop.signal.addEventListener("abort", () => {
      watch.disconnect();
      end();
    });
    hold();
  });

export default {
  initialize({ model }) {
    const user = new AbortController();
    let isHeld = false;
    for (const type of ["pointerdown", "keydown", "wheel"]) {
      document.addEventListener(type, () => user.abort(), { capture: true, signal: user.signal });
    }
    const leadBack = async ({ path, model: notebook }) => {
      const cells = [...notebook.cells];
      const check = cells.findIndex((cell) => cell.id === model.get("check"));
      for (const root of check < 0 ? [] : views(document, path)) {
        const shown = attached(root);
        const active = shown.find((cell) => cell.classList.contains("jp-mod-active"));
        if (active && place(active, shown) !== cells.length - 1) continue;
        await lead(root, question(cells, check, model.get("answer")), user);
        isHeld = true;
      }
    };
    // JupyterLab marks the active cell in the next frame.
    requestAnimationFrame(async () => {
      const context = model.widget_manager?.context;
      if (context && !user.signal.aborted) await leadBack(context);
      if (!isHeld) user.abort();
      model.send("done");
    });
  },
};
"""
    check = traitlets.Unicode().tag(sync=True)
    answer = traitlets.Unicode().tag(sync=True)

    def __init__(self, check: str, answer: str) -> None:
        super().__init__(check=check, answer=answer)
        self.on_msg(self._on_message)

    def _on_message(self, _widget: object, _content: Any, _buffers: object) -> None:
        """The page has led back, or there was nothing to do."""
        self.layout.close()
        self.close()
        _waiting.clear()


_waiting: list[WayBack] = []
"""The one that the page has not answered yet: of several open questions the first one leads."""


def lead_back_to_this_cell(answer: str | None) -> None:
    """Select the question of the running cell where Run All has just left the last cell selected.

    ``answer`` is the name that the student gives a value, None for a gesture or a drawing.

    Only in JupyterLab and Notebook 7, which say of each cell that they run which ones were deleted; nothing elsewhere.
    """
    shell = get_ipython()  # type: ignore[no-untyped-call]
    metadata = {} if shell is None else shell.get_parent().get("metadata", {})
    if "deletedCells" in metadata and "cellId" in metadata and not _waiting:
        _waiting.append(WayBack(metadata["cellId"], answer or ""))
