"""The bench in an open notebook: what a user does to it, and what the browser and the kernel then hold."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page

from tests.browser.notebook import SECOND, NotebookPage

ROOT = ".deepstrf-bench"
FIELD = f"{ROOT} .db-strf .db-picture"
CURVES = f"{ROOT} .db-curves"
PLOT = ".js-plotly-plot"
PLOT_SECONDS = 60

IDLE = """() => {
  const root = document.querySelector('.deepstrf-bench');
  return root.__bench.pending() === 0 && root.querySelector('.db-dragging') === null;
}"""
PAINTED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"""
MODEL_TRACE = """() => {
  const traces = [...document.querySelectorAll('.js-plotly-plot')].flatMap((graph) => graph.data ?? []);
  const trace = traces.find((one) => one.name === 'model') ?? {};
  const y = trace.y?._inputArray ?? trace.y;
  return Array.from(y ?? []).slice(0, 400);
}"""


@dataclass
class BenchPage:
    """The first bench of a notebook; ``name`` is the Python variable which holds its Explorer."""

    notebook: NotebookPage
    name: str = "bench"

    @property
    def page(self) -> Any:
        """The browser page."""
        return self.notebook.page

    def handle(self, gaussian: int = 0, grip: str = "center") -> Locator:
        """The focusable element by which a user drags a Gaussian."""
        return self.page.locator(f"{ROOT} [data-handle={grip}][data-gaussian='{gaussian}']").first

    def button(self, title: str) -> Locator:
        """Button of the toolbar whose title begins with ``title``."""
        return self.page.locator(f"{ROOT} .db-toolbar button[title^='{title}']").first

    def settle(self) -> None:
        """Wait until no request is on its way and the browser has painted since."""
        self.page.wait_for_function(IDLE, timeout=30 * SECOND)
        self.page.evaluate(PAINTED)

    def wait_for_plot(self) -> None:
        """Wait for the Plotly figure, which comes after the bench."""
        self.page.wait_for_selector(f"{PLOT} .main-svg", timeout=PLOT_SECONDS * SECOND)

    def value(self, name: str, index: tuple[int, ...]) -> float:
        """Value of a parameter in the kernel."""
        return float(self.notebook.kernel_eval(f"{self.name}.session.value({name!r}, {index!r}).item()"))

    def trait_digest(self, *traits: str) -> str:
        """Digest of bytes traits as the kernel holds them."""
        joined = " + ".join(f"{self.name}.bench.{trait}" for trait in traits)
        return str(self.notebook.kernel_eval(f"__import__('hashlib').sha256({joined}).hexdigest()"))

    def picture(self, selector: str) -> str:
        """Digest of a canvas, pixel for pixel."""
        data = self.page.locator(selector).first.evaluate("(canvas) => canvas.toDataURL()")
        return hashlib.sha256(data.encode()).hexdigest()

    def plotted(self) -> list[float]:
        """The first values of the model's curve in the Plotly figure."""
        return [float(value) for value in self.page.evaluate(MODEL_TRACE)]

    def wait_until_plotted(self, expected: list[float]) -> None:
        """Wait until the curve of the model in the Plotly figure has the first values ``expected``, to five digits."""
        same = f"""(expected) => {{
          const shown = ({MODEL_TRACE})();
          const reach = Math.max(...expected.map(Math.abs));
          return shown.length > 0 && expected.every((value, i) => Math.abs(shown[i] - value) <= 1e-4 * reach);
        }}"""
        self.page.wait_for_function(same, arg=expected, timeout=PLOT_SECONDS * SECOND)

    def rate(self) -> list[float]:
        """The first values of the response that the kernel predicts."""
        bench = f"{self.name}.bench"
        return list(
            self.notebook.kernel_eval(f"{self.name}.session.rate({bench}.neuron)[{bench}.sound][:400].tolist()")
        )

    def drag(self, dx: float, dy: float, gaussian: int = 0, *, settle: bool = True) -> None:
        """Drag the centre of a Gaussian by (dx, dy) pixels, let go, and leave the bench; wait until it has settled."""
        box = self.handle(gaussian).bounding_box()
        if box is None:
            raise RuntimeError(f"the handle of Gaussian {gaussian} is not on screen")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + dx, y + dy, steps=12)
        self.page.mouse.up()
        self.page.mouse.move(2, 2)
        if settle:
            self.settle()


def open_panel(page: Page, name: str) -> None:
    """Open a panel of the first bench by its toolbar."""
    page.locator(f"{ROOT} .db-panels-menu > button").first.click()
    page.get_by_role("menuitemcheckbox", name=name).first.click()
    page.keyboard.press("Escape")
    page.locator(f"{ROOT} .db-panel .deepstrf-bench").first.wait_for()
