"""After Run All, the way back: JupyterLab selects the last cell, the course the first question that is still open."""

from __future__ import annotations

import time

from IPython import get_ipython
from IPython.display import DisplayHandle

__all__ = ["lead_back_to_this_cell"]

# Runs in the page, in the output of a check. `element` is that output. The cell of the answer is the last one above it
# in which a line gives the name its value, and where none does (the answer is a gesture or a drawing) the last one
# whose code is shown; a cell is selected by a click on its prompt. Where the last cell is not the selected one (a cell
# was run alone, or an earlier question has led back already) nothing is done.
BACK = """(() => {
  const lead = () => {
    const notebook = element.closest(".jp-Notebook");
    const cells = notebook ? [...notebook.querySelectorAll(".jp-Cell")] : [];
    const check = cells.indexOf(element.closest(".jp-Cell"));
    if (check < 0 || !cells.at(-1).classList.contains("jp-mod-active")) return;
    const shown = (cell) => cell.querySelector(".jp-CodeCell .jp-InputArea-editor, .jp-InputArea-editor")?.offsetParent;
    const above = cells.slice(0, check).reverse();
    const lines = (cell) => [...cell.querySelectorAll(".jp-InputArea-editor .cm-line")].map((line) => line.textContent);
    const codes = above.filter((cell) => cell.classList.contains("jp-CodeCell"));
    const answers = (cell) => lines(cell).some((line) => /^(def +)?ANSWER *[=(:]/.test(line));
    const task = codes.find(answers) ?? codes.find(shown) ?? cells[check];
    const prompt = task.querySelector(".jp-InputPrompt") ?? task;
    for (const type of ["mousedown", "mouseup"]) {
      prompt.dispatchEvent(new MouseEvent(type, { bubbles: true, cancelable: true, button: 0 }));
    }
    task.scrollIntoView({ block: "center" });
  };
  const once = (tries) => {
    if (element.isConnected) requestAnimationFrame(lead);
    else if (tries > 0) requestAnimationFrame(() => once(tries - 1));
  };
  once(600);
})();"""


NO_NAME = "(?!)"
"""Of a regular expression that finds nothing."""

# A stored script makes JupyterLab ask whoever opens the notebook whether to run it: it goes when a later cell is run.
SHOWN_S = 2.0
_shown: list[tuple[DisplayHandle, float]] = []


def _clear(_info: object = None) -> None:
    while _shown and time.monotonic() - _shown[0][1] > SHOWN_S:
        _shown.pop()[0].update({"text/plain": ""}, raw=True)


def lead_back_to_this_cell(answer: str | None) -> None:
    """Select the question of the running cell where Run All has just left the last cell selected.

    ``answer`` is the name that the student gives a value, None for a gesture or a drawing.

    Only in JupyterLab and Notebook 7, which say of each cell that they run which ones were deleted; nothing elsewhere,
    so no output is stored by programs that run notebooks. Of several open questions the first one leads.
    """
    shell = get_ipython()  # type: ignore[no-untyped-call]
    if shell is None or "deletedCells" not in shell.get_parent().get("metadata", {}) or _shown:
        return
    if _clear not in shell.events.callbacks["pre_run_cell"]:
        shell.events.register("pre_run_cell", _clear)
    handle = DisplayHandle()
    script = BACK.replace("ANSWER", answer or NO_NAME)
    handle.display({"application/javascript": script, "text/plain": ""}, raw=True)
    _shown.append((handle, time.monotonic()))
