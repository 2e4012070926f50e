"""Opens the demo's bench in the browser, without Jupyter and without a kernel: ``python -m deepstrf_widgets``."""

from __future__ import annotations

import argparse
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from deepstrf.demo import load_demo

from .explorer import explore

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status; the page is written and opened, or its path is printed.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line; those of the program when None.
    """
    parser = argparse.ArgumentParser(prog="deepstrf-bench", description="Open the demo's bench in the browser.")
    parser.add_argument("--no-browser", action="store_true", help="write the page and print its path, open nothing")
    parser.add_argument("--out", type=Path, help="path of the page; without it a new file in the temporary folder")
    options = parser.parse_args(arguments)
    path = options.out or Path(tempfile.mkdtemp(prefix="deepstrf-")) / "bench.html"
    demo = load_demo()
    explorer = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False)
    try:
        page = explorer.save_html(path, title="deepstrf-lab: the live bench").resolve()
    except (OSError, ValueError) as error:
        parser.error(f"--out: {error}")
    finally:
        explorer.close()
    if options.no_browser:
        print(page)
    elif not webbrowser.open(page.as_uri()):
        print(f"There is no browser that can be opened from here. Open this page yourself: {page}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
