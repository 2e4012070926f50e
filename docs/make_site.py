"""Make the static site: ``python docs/make_site.py dist/site``; the live bench, the course as pages, the API reference.

Notebooks are run, so that what they show is alive in their pages: each bench becomes an ES module (`save_module`) that
its page loads where the notebook had it. Nothing of it needs a kernel.
"""

from __future__ import annotations

import argparse
import html
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
WIDGET = "application/vnd.jupyter.widget-view+json"
CELL_SECONDS = 300
LIVE = "deepstrf-live"
"""Class of the elements that hold a bench."""

STYLE = """
:root { color-scheme: light dark; }
body { max-width: 1280px; margin: 0 auto; padding: 16px; font: 16px/1.5 system-ui, sans-serif; }
nav { margin-top: 8px; }
nav a { margin-right: 1em; }
ol, ul { padding-left: 2em; }
"""

BACK = '<nav aria-label="Site"><a href="index.html">deepstrf-lab: the live bench and the course</a></nav>'
"""From a lesson to the page that the site opens with."""

FIRST_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>deepstrf-lab</title>
<style>{style}</style>
</head>
<body>
<h1>deepstrf-lab</h1>
<p>Understand auditory neurons by hand: drag a Gaussian of the receptive field, and the predicted response follows.
Six simulated neurons, computed in this page; in a notebook the model in PyTorch follows too.</p>
{bench}
<nav aria-label="Site"><a href="api/index.html">API reference</a>
<a href="https://github.com/deepstrf-lab/deepstrf-lab">Source, installation</a></nav>
<h2>The course</h2>
<ol start="0">
{lessons}
</ol>
</body>
</html>
"""

# Run before it: a lesson keeps no outputs.
KEEP = "get_ipython().displayhook.do_full_cache = True"

# Run after a cell whose result is shown: `Out` has it, where `_` may be a variable of the lesson. Figures, tables and
# whatever else is no bench are left.
SAVE = """
from pathlib import Path as _Path
from deepstrf_widgets import BenchWidget as _Bench, Explorer as _Explorer, save_module as _save
_bench = Out.get(len(In) - 2)
_bench = _bench.bench if isinstance(_bench, _Explorer) else _bench
if isinstance(_bench, _Bench):
    _save(_bench, _Path({path!r}), dtype="float16", max_mb=100)
"""


def live(module: str) -> str:
    """The element of a page that shows the bench of an ES module beside it."""
    return (
        f'<div class="{LIVE}"><script type="module">import bench from "./{module}";\n'
        f'const el = document.querySelector("[data-module=\\"{module}\\"]");\n'
        f'bench.render({{ el }});</script><div data-module="{module}"></div></div>'
    )


def first_page(out: Path, lessons: Sequence[Path] = ()) -> Path:
    """Path of the page that the site opens with: the demo's live bench, and the lessons."""
    from deepstrf.demo import load_demo
    from deepstrf_widgets import explore

    demo = load_demo()
    explorer = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False)
    try:
        explorer.save_module(out / "bench.mjs")
    finally:
        explorer.close()
    listed = [f'<li><a href="{path.stem}.html">{html.escape(title_of(path))}</a></li>' for path in lessons]
    page = out / "index.html"
    page.write_text(FIRST_PAGE.format(style=STYLE, bench=live("bench.mjs"), lessons="\n".join(listed)), "utf-8")
    return page


def title_of(path: Path) -> str:
    """First heading of a notebook; its name where there is none."""
    for cell in nbformat.read(path, as_version=4).cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("# "):
                return line[2:].strip()
    return path.stem


def notebook_page(path: Path, out: Path) -> Path:
    """Path of the page of a notebook that has been run; its benches are modules beside it.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell raised.
    """
    notebook = nbformat.read(path, as_version=4)
    modules: dict[int, str] = {}
    cells: list[NotebookNode] = []
    for number, cell in enumerate(notebook.cells):
        around = [cell]
        if any(WIDGET in output.get("data", {}) for output in cell.get("outputs", [])):
            modules[number] = f"{path.stem}_{len(modules) + 1}.mjs"
            around = [_hidden(KEEP), cell, _hidden(SAVE.format(path=str((out / modules[number]).resolve())))]
        cells += around
    notebook.cells = cells
    NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    notebook.cells = [cell for cell in cells if "saves-bench" not in cell.metadata.get("tags", [])]
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            _put(output, modules.get(number, ""), out)
    exporter = HTMLExporter(require_js_url="", jquery_url="", exclude_input_prompt=True, exclude_output_prompt=True)
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title_of(path), "path": str(path.parent)}})
    page = out / f"{path.stem}.html"
    page.write_text(body.replace(".ipynb", ".html").replace("<main>", f"{BACK}\n<main>", 1), "utf-8")
    return page


def _hidden(source: str) -> NotebookNode:
    """A cell that is run and not shown."""
    return nbformat.v4.new_code_cell(source, metadata={"tags": ["saves-bench"]})


def _put(output: Any, module: str, out: Path) -> None:
    """Show the bench in place of a view that needs a kernel; without one the picture or the text beside it."""
    data = output.get("data", {})
    if data.pop(WIDGET, None) is not None and module and (out / module).exists():
        data["text/html"] = live(module)


def api(out: Path) -> None:
    """Write the reference of both packages."""
    import pdoc

    pdoc.render.configure(docformat="numpy", math=True)
    with warnings.catch_warnings():
        # Old names say that they are old, and optional packages that they are missing.
        warnings.simplefilter("ignore")
        pdoc.pdoc("deepstrf", "deepstrf_widgets", "!deepstrf.utils", output_directory=out / "api")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status; the site lies in the folder, which may be there already."""
    parser = argparse.ArgumentParser(description="Make the static site.")
    parser.add_argument("out", type=Path, help="folder of the site")
    parser.add_argument("--first", action="store_true", help="the first page only")
    options = parser.parse_args(arguments)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    lessons = [] if options.first else sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    print(first_page(out, lessons))
    for path in lessons:
        print(notebook_page(path, out))
    if not options.first:
        api(out)
    # GitHub Pages leaves names that begin with an underscore alone.
    (out / ".nojekyll").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
