"""Sounds of one's own in JupyterLab: a knob, a file from the disk, and the model answers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect

from tests.browser.bench_page import open_panel
from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage, write_notebook

pytestmark = pytest.mark.browser

CELL = """
import deepstrf
from deepstrf_widgets import explore
demo = deepstrf.load_demo()
explorer = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False)
explorer
"""
SHAPE = "list(explorer.session.stimulus.shape)"
AT_HZ = "explorer.sounds.knobs['freq_hz'].value"


def float32_wav(seconds: float) -> bytes:
    """A tone at 2 kHz, some 8 bytes a frame."""
    wave = 0.1 * np.sin(2 * np.pi * 2000 * np.arange(int(44100 * seconds)) / 44100)
    file = io.BytesIO()
    soundfile.write(file, np.stack([wave, wave], 1), 44100, format="WAV", subtype="FLOAT")
    return file.getvalue()


def test_a_user_chooses_the_stimulus(
    open_page: Callable[..., NotebookPage],
    server: Server,
    keep: Callable[[NotebookPage, str], Path],
    tmp_path: Path,
) -> None:
    write_notebook(server.folder / "sounds.ipynb", CELL)
    notebook = open_page(1280, 1250)
    notebook.open("sounds.ipynb")
    notebook.hide_side_bar()
    notebook.run_all()
    page = notebook.page
    page.set_default_timeout(30_000)
    readout = page.locator(".deepstrf-bench .db-score")
    expect(readout).to_be_visible()

    open_panel(page, "Sounds")
    page.get_by_label("sound", exact=True).select_option("Tone")
    expect(readout).to_be_hidden()
    assert notebook.kernel_eval(SHAPE) == [1, 1, 34, 180]
    page.locator(".db-sound-knob", has_text="frequency (Hz)").get_by_role("slider").press("ArrowRight")
    expect(page.locator(".db-sound-knob", has_text="frequency (Hz)")).to_contain_text("4238")  # a semitone up
    # The slider tells the kernel when it has time to.
    notebook.wait_for_kernel(f"abs({AT_HZ} / (4000 * 2 ** (1 / 12)) - 1) < 1e-6")
    expect(page.get_by_text("nothing was recorded to this sound")).to_be_visible()
    for dark in (False, True):
        notebook.use_theme(dark)
        keep(notebook, f"own-sound-{'dark' if dark else 'light'}")
    notebook.use_theme(False)

    page.get_by_label("sound", exact=True).select_option("A sound file")

    def upload(name: str, content: bytes) -> None:
        with page.expect_file_chooser() as asked:
            page.get_by_role("button", name="Choose a file").click()
        (tmp_path / name).write_bytes(content)
        asked.value.set_files(tmp_path / name)

    # More than Jupyter lets into one message; then no sound.
    upload("long.wav", float32_wav(32))
    expect(page.get_by_text("long.wav: 32.00 s")).to_be_visible()
    assert notebook.kernel_eval(SHAPE) == [1, 1, 34, 6400]
    upload("<b>bad.wav", b"no sound at all")
    expect(page.get_by_role("alert").get_by_text("<b>bad.wav is not a sound that can be read")).to_be_visible()
    lying = bytearray(float32_wav(12))
    lying[24:28] = (1).to_bytes(4, "little")  # 1 Hz
    upload("lying.wav", bytes(lying))
    expect(
        page.get_by_role("alert").get_by_text("lying.wav is too long: 529200.0 s, the limit max_s is 60 s")
    ).to_be_visible()
    upload("<i>huge.wav", b"\0" * 40_000_000)
    expect(
        page.get_by_role("alert").get_by_text("<i>huge.wav is too large: 40.0 MB, the limit is 32 MB")
    ).to_be_visible()
    assert notebook.kernel_eval(SHAPE) == [1, 1, 34, 6400]

    page.get_by_label("sound", exact=True).select_option("The stimulus of this session")
    expect(readout).to_be_visible()
    assert notebook.kernel_eval(SHAPE) == [1, 1, 34, 1000]
    assert notebook.console_errors == []


PAINTED = """() => {
  const picture = document.querySelector('.db-view-paint .db-picture');
  return picture !== null && picture.width === 200;
}"""
ALL_HEARD = "() => document.querySelector('.db-view-paint').__paint.idle"
CURVES = "document.querySelector('.db-curves').toDataURL()"
RATE = "explorer.session.rate(0)[0].tolist()"
TORCH = "explorer.session.model(explorer.session.stimulus)[0, 0, 0].tolist()"
SHOWN = "__import__('numpy').frombuffer(explorer.bench.rate, '<f4').tolist()"
LOUDEST = "[sound.max().item() for sound in (explorer.sounds.painter.painting, explorer.session.stimulus)]"


def test_a_user_paints_the_stimulus(
    open_page: Callable[..., NotebookPage], server: Server, keep: Callable[[NotebookPage, str], Path]
) -> None:
    write_notebook(server.folder / "paint.ipynb", CELL)
    notebook = open_page(1280, 1500)
    notebook.open("paint.ipynb")
    notebook.hide_side_bar()
    notebook.run_all()
    page = notebook.page
    page.set_default_timeout(30_000)
    score = page.locator(".deepstrf-bench .db-score")
    open_panel(page, "Sounds")
    page.get_by_label("sound", exact=True).select_option("Paint")
    page.wait_for_function(PAINTED)
    expect(score).to_be_hidden()
    assert notebook.kernel_eval(SHAPE) == [1, 1, 34, 200]
    at_rest, curves = notebook.kernel_eval(RATE), page.evaluate(CURVES)

    box = page.locator(".db-view-paint .db-plot").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.7 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"], steps=20)
    # The neuron answers before the pointer is released.
    page.wait_for_function(f"before => {CURVES} !== before", arg=curves)
    page.mouse.up()
    page.wait_for_function(ALL_HEARD)
    level = float(page.get_by_label("level (dB)").input_value())
    assert notebook.kernel_eval(LOUDEST) == [level, level]
    painted = notebook.kernel_eval(RATE)
    assert max(painted) > 2 * max(at_rest)
    assert painted == pytest.approx(notebook.kernel_eval(TORCH), rel=1e-4)
    assert notebook.kernel_eval(SHOWN) == painted
    for dark in (False, True):
        notebook.use_theme(dark)
        keep(notebook, f"painted-sound-{'dark' if dark else 'light'}")
    notebook.use_theme(False)

    page.locator(".db-paint-cell").press("Control+z")
    page.wait_for_function(ALL_HEARD)
    assert notebook.kernel_eval(RATE) == at_rest
    page.get_by_label("sound", exact=True).select_option("The stimulus of this session")
    expect(score).to_be_visible()
    assert notebook.kernel_eval(SHAPE) == [1, 1, 34, 1000]
    assert notebook.console_errors == []
