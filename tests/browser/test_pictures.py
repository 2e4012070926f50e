"""Pictures of every view, PNG and SVG, from pages without a kernel; and how high a gallery is."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Page

import deepstrf
from deepstrf_widgets import explore
from tests.browser.bench_page import PAINTED, ROOT
from tests.browser.lab import ROOT as CHECKOUT
from tests.browser.notebook import SECOND

pytestmark = pytest.mark.browser

NAME = '<b>&"'
BUNDLE = CHECKOUT / "widgets" / "deepstrf_widgets" / "static"
SVG = "{http://www.w3.org/2000/svg}"
AXES = {
    "prefilter": {"frequency (kHz)", "τ (ms)", "w", "weight", "lag (ms), 0 = now", "a per bin"},
    "strf": {"frequency (kHz)", "lag (ms), 0 = now", "weight"},
    "activation": {"rate (spikes/bin)", "drive (a.u., after batch norm)"},
}
TITLES = {"prefilter": "adaptation", "strf": "receptive-field-on", "activation": "output-curve"}
RESPONSE = {"frequency (kHz)", "dB", "rate (spikes/bin)", "time (s)", "recorded", "model"}
# Colours of a PNG: how many there are among a raster of its pixels, and the one in its corner.
COLOURS = """async (png) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  const seen = new Set();
  for (let i = 0; i < pixels.length; i += 7) seen.add(pixels[i]);
  return [seen.size, [...context.getImageData(1, 1, 1, 1).data]];
}"""
GALLERY = """async ({ code, neurons }) => {
  const [C, F, T] = [2, 12, 10];
  const row = [2000, 25, 1, 0.9, 0.2, 0.5, NaN, 0, 1, NaN];
  const table = Float32Array.from({ length: row.length * neurons }, (_, i) => row[i % row.length]);
  const kernels = Int8Array.from({ length: neurons * C * F * T }, (_, i) => (i * 37) % 255 - 127);
  const view = (array) => new DataView(array.buffer);
  const traits = {
    view: "gallery", names: Array.from({ length: neurons }, (_, n) => n === 1 ? `<b>&"` : `unit ${n}`),
    info: { model: "LinearNonlinear", n_neurons: neurons, n_channels: C, n_bands: F, n_lags: T, dt_ms: 5,
      channel_names: ["ON", "OFF"], has_scores: true, has_other: false, kernels_given: false },
    cf_hz: view(Float32Array.from({ length: F }, (_, i) => 500 * 2 ** (i / 2))),
    kernels: view(kernels), table: view(table), selected: 0, channel: null, columns: 0, sort: "index",
    descending: false, search: "", ranges: {}, trained: false, with_gain: false, error: "",
  };
  const listeners = {};
  const model = {
    get: (name) => traits[name],
    set: (name, value) => { traits[name] = value; listeners[`change:${name}`]?.(); },
    on: (name, listener) => { listeners[name] = listener; },
    off: () => {}, send: () => {}, save_changes: () => {},
  };
  const { default: bench } = await import(`data:text/javascript;base64,${code}`);
  bench.render({ model, el: document.body });
}"""


class Saved(NamedTuple):
    """A file that a page has offered."""

    name: str
    content: bytes

    @property
    def texts(self) -> list[str]:
        """Texts of an SVG, in their order."""
        return ["".join(text.itertext()) for text in self.svg.iter(f"{SVG}text")]

    @property
    def svg(self) -> ElementTree.Element:
        """The root element of an SVG."""
        return ElementTree.fromstring(self.content)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height: of a PNG in its pixels, of an SVG in CSS pixels."""
        if self.name.endswith(".svg"):
            return int(self.svg.attrib["width"]), int(self.svg.attrib["height"])
        assert self.content.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", self.content[16:24])
        return width, height


def save(page: Page, place: str, kind: str) -> Saved:
    """The file that the menu in ``place`` gives."""
    page.locator(f"{place} .db-download > button").click()
    with page.expect_download(timeout=30 * SECOND) as download:
        page.locator(f"{place} [role=menuitem]", has_text=kind).click()
    return Saved(download.value.suggested_filename, Path(download.value.path()).read_bytes())


def check(page: Page, place: str, name: str, expected: set[str], ground: list[int]) -> None:
    """Check that PNG and SVG of a place are of one size, the PNG is no blank, and the SVG has its words as text."""
    svg, png = save(page, place, "SVG"), save(page, place, "PNG")
    assert (svg.name, png.name) == (f"{name}.svg", f"{name}.png")
    assert expected <= set(svg.texts), place
    assert svg.size[0] > 300
    assert svg.size[1] > 100
    assert png.size == (2 * svg.size[0], 2 * svg.size[1])
    colours, corner = page.evaluate(COLOURS, base64.b64encode(png.content).decode())
    assert colours > 50, place
    assert corner == ground, place


@pytest.fixture
def named_bench(tmp_path: Path) -> Path:
    """The demo's bench as a file without a kernel; its first neuron has a name that is no HTML."""
    demo = deepstrf.load_demo()
    names = [NAME, *demo.neuron_names[1:]]
    explorer = explore(demo.model, demo.stimulus, demo.responses, neuron_names=names, figures=False)
    path = explorer.save_html(tmp_path / "demo.html")
    explorer.close()
    return path


@pytest.fixture
def gallery_of(chromium: Browser) -> Iterator[Callable[[int], Page]]:
    """Function (neurons) -> a page with nothing but the gallery of so many neurons, without a kernel."""
    pages = []

    def make(neurons: int) -> Page:
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        pages.append(page)
        page.add_style_tag(path=BUNDLE / "bench.css")
        code = base64.b64encode((BUNDLE / "gallery.js").read_bytes()).decode()
        page.evaluate(GALLERY, {"code": code, "neurons": neurons})
        page.wait_for_selector(".db-card")
        page.evaluate(PAINTED)
        return page

    yield make
    for page in pages:
        page.close()


@pytest.mark.parametrize(("scheme", "ground"), [("light", [255, 255, 255, 255]), ("dark", [0x17, 0x18, 0x1B, 255])])
def test_every_panel_is_saved_as_it_looks(chromium: Browser, named_bench: Path, scheme: Any, ground: list[int]) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(named_bench.as_uri())
    page.wait_for_selector(f"{ROOT} .db-handle", timeout=30 * SECOND)
    for stage, axes in AXES.items():
        page.locator(f"{ROOT} [data-tab={stage}]").click()
        page.evaluate(PAINTED)
        name = f"LinearNonlinear-neuron-1-{TITLES[stage]}"
        check(page, f"{ROOT} [role=tabpanel]:not([hidden])", name, axes, ground)
        if stage == "prefilter":
            name = "LinearNonlinear-neuron-1-stimulus-and-response"
            check(page, f"{ROOT} .db-response", name, RESPONSE | {"ON", "OFF"}, ground)
    whole = AXES["activation"] | RESPONSE | {f"1 · {NAME}", "LinearNonlinear", "Output curve"}
    check(page, f"{ROOT} .db-header", "LinearNonlinear-neuron-1-bench", whole, ground)
    assert complaints == []
    assert page.locator(f"{ROOT} .db-message").inner_text() == ""
    page.close()


def test_a_gallery_is_saved_as_far_as_it_is_in_view(gallery_of: Callable[[int], Page]) -> None:
    page = gallery_of(300)
    check(page, ".db-header", "LinearNonlinear-gallery", {"1 · unit 0", f"2 · {NAME}", "300 of 300 shown"}, [255] * 4)
    # A row is 128 px high or more, and what lies outside of the list's 560 px is not drawn.
    cards = [text for text in save(page, ".db-header", "SVG").texts if " · " in text]
    assert 4 * 5 < len(cards) <= 6 * 7


def test_a_gallery_is_as_high_as_its_neurons_need(gallery_of: Callable[[int], Page]) -> None:
    height = "(grid) => [grid.offsetHeight, grid.scrollHeight - grid.clientHeight]"
    foot = "() => document.querySelector('.db-gallery-foot').getBoundingClientRect().top"
    few = gallery_of(6).locator(".db-grid").evaluate(height)
    assert few[0] < 160  # one row
    assert few[1] == 0
    page = gallery_of(300)
    grid = page.locator(".db-grid")
    assert grid.evaluate(height)[0] == 560
    assert grid.evaluate(height)[1] > 560
    grid.evaluate("(grid) => { grid.scrollTop = grid.scrollHeight; }")
    page.evaluate(PAINTED)
    assert page.locator(".db-card:visible", has_text="unit 299").count() == 1
    before = page.evaluate(foot)
    # By name 29, 129, 229, 290 to 299; the numbers on screen are larger by one: 28, 128, 228 and 289 more.
    for search, shown in (("29", 17), ("nobody", 0), ("", 300)):
        page.locator("input[type=search]").fill(search)
        page.evaluate(PAINTED)
        assert page.locator("output").inner_text() == f"{shown} of 300 shown"
        assert page.evaluate(foot) == before, json.dumps(search)
