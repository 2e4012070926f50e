"""What Binder does with this repository, step by step, without Docker: ``python tests/packaging/rehearse_binder.py``.

Builds what is committed: a clone in a home of its own, a new virtual environment with the packages of
``binder/environment.yml`` (conda's part by pip), ``postBuild``, and JupyterLab through ``start`` behind /user/x/. A
visitor then opens the tour in Chromium and runs it; every request must stay on 127.0.0.1. At the end each notebook runs
in that environment, and its kernel's memory is compared with the bars. Takes some five minutes and 2 GB of disk. As in
the README, pip on Linux may have to know where PyTorch's build for the CPU is; ``postBuild`` refuses one with CUDA.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from playwright.sync_api import sync_playwright

from tests.benchmarks.bench_memory import READ_IT, TOUR_MB, from_status
from tests.browser.bench_page import PLOT, BenchPage
from tests.browser.bench_page import ROOT as BENCH
from tests.browser.lab import CHROMIUM_ARGS, Server, find_chromium, free_port, running
from tests.browser.notebook import READY, SECOND, NotebookPage
from tests.packaging.binder_environment import ROOT, read_environment

TOUR = "notebooks/00_tour.ipynb"
OURS = ("JUPYTER", "IPYTHON", "PYTHON", "VIRTUAL_ENV", "OMP_", "MPL")
TOLD_PATHS = "() => [...window.jupyterapp.shell.widgets('main')].map((widget) => widget.context?.path)"


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print what goes on, and how long it took."""
    print(f"{name:52s}", end="", flush=True)
    start = time.monotonic()
    yield
    print(f" {time.monotonic() - start:6.1f} s", flush=True)


def run(*command: str | Path, cwd: Path, environment: dict[str, str]) -> None:
    """Run ``command``, which must end well.

    Raises
    ------
    SystemExit
        It failed; its output has been printed.
    """
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"\n{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")


def visit(server: Server, chromium: str) -> float:
    """Memory in MB of the tour's kernel after a visitor has run it, moved a Gaussian and seen the figures.

    Raises
    ------
    SystemExit
        The layout was not ready, the page reported an error, or it asked another host.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGS))
        page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        notebook = NotebookPage(page, server)
        page.goto(server.url("lab"))  # the address without a notebook: what opens is the layout's doing
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60 * SECOND)
        page.evaluate(READY)
        if (paths := page.evaluate(TOLD_PATHS)) != [TOUR]:
            raise SystemExit(f"JupyterLab must open {TOUR} alone, got {paths}")
        notebook.run_all()
        bench = BenchPage(notebook)
        notebook.bring(BENCH)
        bench.wait_for_plot()
        bench.drag(-30, 15)
        notebook.bring(PLOT)
        bench.settle()
        memory = from_status(notebook.kernel_eval(READ_IT))
        package = notebook.kernel_eval("__import__('deepstrf').__file__")
        faults = [*notebook.console_errors, *notebook.blocked]
        notebook.shut_down()
        browser.close()
    if faults:
        raise SystemExit(f"the page must report no error and ask no other host, got {faults}")
    if "site-packages" not in package:
        raise SystemExit(f"the notebook must use the installed package, got {package}")
    return memory.after


def rehearse(home: Path, chromium: str) -> None:
    """Do every step below ``home``, an empty folder.

    Raises
    ------
    SystemExit
        A step failed.
    """
    repository, environment_folder = home / "repository", home / "environment"
    programs = environment_folder / "bin"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment |= {"HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}"}
    pip = (programs / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--progress-bar", "off")
    wanted = read_environment()
    conda, by_pip = wanted.for_pip()
    version = ".".join(map(str, sys.version_info[:2]))
    if wanted.conda["python"] != version:
        print(f"note: Binder takes Python {wanted.conda['python']}, this is {version}")

    with step("clone"):
        run("git", "clone", "-q", ROOT, repository, cwd=home, environment=environment)
    with step("conda's part: " + " ".join(conda)):
        venv.create(environment_folder, with_pip=True)
        run(*pip, "-U", "pip", cwd=repository, environment=environment)
        run(*pip, *conda, cwd=repository, environment=environment)
    with step(f"pip's part: {len(by_pip)} packages"):
        run(*pip, *by_pip, cwd=repository, environment=environment)
    with step("postBuild"):
        run(repository / "binder" / "postBuild", cwd=repository, environment=environment)
    server = Server(free_port(), repository, home / "server.log", "/user/x/")
    command = [str(repository / "binder" / "start"), "jupyter", "lab", "--LabApp.expose_app_in_browser=True"]
    with step(f"start, and a visit of {server.base}lab"), running(server, command, environment):
        tour = visit(server, chromium)
    print(f"kernel after the tour in the browser: {tour:.0f} MB")
    if tour > TOUR_MB:
        raise SystemExit(f"the tour's kernel must keep at most {TOUR_MB} MB, got {tour:.0f}")
    print("every notebook in this environment:")
    bench = [programs / "python", repository / "tests" / "benchmarks" / "bench_memory.py"]
    if subprocess.run(bench, cwd=home, env=environment, check=False).returncode:
        raise SystemExit("a notebook failed or is above its bar")


def main() -> None:
    """Rehearse in a temporary folder."""
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("no Chromium: install it (Debian: apt-get install chromium) or name it with CHROMIUM")
    with tempfile.TemporaryDirectory() as folder:
        rehearse(Path(folder), chromium)
    print("Binder would open the tour")


if __name__ == "__main__":
    main()
