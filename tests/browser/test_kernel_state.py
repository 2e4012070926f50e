"""What a bench in JupyterLab says about its kernel (restarted, ended, busy, out of reach), and what it offers then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.bench_page import PAINTED, ROOT, BenchPage, open_panel
from tests.browser.conftest import fresh_page
from tests.browser.lab import OUR_JUPYTER, Server, serve
from tests.browser.notebook import READY, SECOND, NotebookPage, write_notebook

pytestmark = pytest.mark.browser

CELL = """
import deepstrf
from deepstrf_widgets import explore
demo = deepstrf.load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, figures=False, sounds=False)
bench
"""
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
CALL = f"(code) => {{ {KERNEL}.requestExecute({{ code, store_history: false }}); }}"
BADGE = f"{ROOT} .db-link"
FIRST = (0, 0, 0)


@pytest.fixture
def untouched(open_page: Callable[..., NotebookPage], server: Server) -> Iterator[BenchPage]:
    """The demo's bench; at the end nothing has been thrown."""
    write_notebook(server.folder / "state.ipynb", CELL)
    notebook = open_page(1280, 900)
    notebook.open("state.ipynb")
    notebook.run_all()
    notebook.bring(ROOT)
    bench = BenchPage(notebook)
    bench.page.set_default_timeout(60 * SECOND)
    thrown: list[str] = []
    bench.page.on("pageerror", lambda error: thrown.append(str(error)))
    yield bench
    assert thrown == []


@pytest.fixture
def bench(untouched: BenchPage) -> BenchPage:
    """The same, a Gaussian of which has been moved."""
    untouched.drag(-40, 20)
    expect(untouched.page.locator(BADGE)).to_have_text("live")
    return untouched


def says(bench: BenchPage, state: str) -> None:
    """Wait until the bench tells this state of its kernel."""
    expect(bench.page.locator(BADGE)).to_have_attribute("data-link", state, timeout=60 * SECOND)


def assert_handles_rest(bench: BenchPage) -> None:
    """Nothing moves, and nothing is thrown, where the user drags all the same."""
    before = bench.handle().get_attribute("style")
    bench.drag(30, -20)
    bench.page.keyboard.press("ArrowUp")
    bench.button("Undo").click(force=True)
    assert bench.handle().get_attribute("style") == before


@pytest.mark.parametrize("end", ["restart", "exit"])
def test_the_end_of_a_kernel_is_reported_and_its_edits_come_back(bench: BenchPage, end: str) -> None:
    moved = [bench.value(name, FIRST) for name in ("strf.center_hz", "strf.center_ms")]
    if end == "restart":
        bench.page.evaluate(f"() => {KERNEL}.restart()")
    else:
        bench.page.evaluate(CALL, "import os; os._exit(1)")
    says(bench, "gone")
    expect(bench.page.locator(f"{ROOT} .db-message")).to_contain_text("run the cell again")
    assert_handles_rest(bench)
    bench.page.wait_for_function(f"() => {KERNEL}.status === 'idle'")
    bench.page.evaluate(READY)
    bench.notebook.run_all()
    says(bench, "live")
    bench.page.get_by_role("button", name="Put them back").click()
    bench.notebook.wait_for_kernel("bench.session.edited()")
    assert [bench.value(name, FIRST) for name in ("strf.center_hz", "strf.center_ms")] == moved
    expect(bench.page.locator(f"{ROOT} .db-offer")).to_be_hidden()
    bench.button("Undo").click()
    bench.notebook.wait_for_kernel("not bench.session.edited()")


@pytest.mark.parametrize("earlier", [False, True])
def test_a_drag_under_which_the_kernel_ends_comes_back_with_what_was_before(
    untouched: BenchPage, earlier: bool
) -> None:
    bench, page = untouched, untouched.page
    if earlier:
        bench.drag(-30, -20, gaussian=1)
    other = bench.handle(1).get_attribute("style")
    box = bench.handle().bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y + 20, steps=8)
    bench.notebook.wait_for_kernel("bench.session.edited()")
    page.evaluate(PAINTED)
    moved = bench.handle().get_attribute("style")
    page.evaluate(f"() => {KERNEL}.restart()")
    says(bench, "gone")
    page.mouse.move(x - 80, y + 60, steps=8)
    page.mouse.up()
    assert bench.handle().get_attribute("style") == moved
    expect(page.locator(f"{ROOT} .db-message")).to_contain_text("offers to put your edits back")
    page.wait_for_function(f"() => {KERNEL}.status === 'idle'")
    page.evaluate(READY)
    bench.notebook.run_all()
    says(bench, "live")
    page.get_by_role("button", name="Put them back").click()
    expect(bench.handle()).to_have_attribute("style", moved)
    bench.settle()
    assert [bench.handle(gaussian).get_attribute("style") for gaussian in (0, 1)] == [moved, other]
    # One step for what the kernel had saved, and one for what was set since.
    while bench.notebook.kernel_eval("bench.session.can_undo"):
        bench.button("Undo").click()
        bench.settle()
    assert not bench.notebook.kernel_eval("bench.session.edited()")


def test_an_interrupt_and_a_long_cell_leave_the_bench_live(bench: BenchPage) -> None:
    bench.page.evaluate(CALL, "while True: pass")
    bench.page.evaluate(f"() => {KERNEL}.interrupt()")
    bench.drag(20, -10)
    says(bench, "live")
    # A cell that holds the interpreter: nothing is answered until it ends, and the score is older than the curve.
    bench.page.evaluate(CALL, "import ctypes; ctypes.PyDLL(None).sleep(6)")
    bench.handle().focus()
    bench.page.wait_for_timeout(500)
    bench.page.keyboard.press("ArrowUp")
    expect(bench.page.locator(BADGE)).to_contain_text("kernel busy since")
    score = bench.page.locator(f"{ROOT} .db-score").first
    expect(score).to_have_attribute("data-old", "")
    says(bench, "live")
    bench.settle()
    expect(score).not_to_have_attribute("data-old", "")
    # The score is that of the neuron before, until the kernel has answered for the chosen one.
    bench.page.evaluate(CALL, "import ctypes; ctypes.PyDLL(None).sleep(4)")
    bench.page.wait_for_timeout(500)
    bench.page.get_by_role("button", name="Next neuron").first.click()
    expect(score).to_have_attribute("data-old", "")
    says(bench, "busy")
    says(bench, "live")
    expect(score).not_to_have_attribute("data-old", "")


def test_a_lost_connection_is_reported_and_edits_go_on_when_it_is_back(bench: BenchPage) -> None:
    """Once the host connects anew, then the websocket closes, as a proxy or a laptop that slept does."""
    before = bench.value("strf.center_hz", FIRST)
    bench.page.evaluate(f"""() => {{
      window.states = [];
      const badge = document.querySelector('{BADGE}');
      new MutationObserver(() => window.states.push(badge.dataset.link)).observe(badge, {{ attributes: true }});
      {KERNEL}.reconnect();
    }}""")
    bench.page.wait_for_function("() => window.states.includes('lost') && window.states.at(-1) === 'live'")
    bench.drag(0, -30)
    between = bench.value("strf.center_hz", FIRST)
    assert between != before
    bench.page.evaluate(f"""() => {{
      const kernel = {KERNEL};
      const settings = kernel.serverSettings;
      window.real = settings.WebSocket;
      settings.WebSocket = class {{
        constructor() {{ setTimeout(() => this.onclose?.({{}})); }}
        close() {{}}
        send() {{}}
      }};
      kernel._ws.close();
    }}""")
    says(bench, "lost")
    expect(bench.page.locator(f"{ROOT} .db-message")).to_contain_text("trying again")
    bench.drag(0, -30, settle=False)
    bench.page.evaluate(f"() => {{ {KERNEL}.serverSettings.WebSocket = window.real; }}")
    says(bench, "live")
    bench.settle()
    assert bench.value("strf.center_hz", FIRST) != between


def test_a_second_view_is_whole_after_the_first_has_been_closed(bench: BenchPage) -> None:
    page = bench.page
    page.evaluate(
        "() => window.jupyterapp.commands.execute('notebook:create-output-view').then(() => true)",
    )
    page.wait_for_function(f"() => document.querySelectorAll('{ROOT}').length === 2")
    page.evaluate("() => { window.jupyterapp.shell.activateById(window.jupyterapp.shell.currentWidget.id); }")
    page.evaluate("""() => {
      for (const widget of window.jupyterapp.shell.widgets('main')) {
        if (!widget.sessionContext) widget.close();
      }
    }""")
    page.wait_for_function(f"() => document.querySelectorAll('{ROOT}').length === 1")
    before = bench.value("strf.center_hz", FIRST)
    bench.notebook.bring(ROOT)
    bench.drag(0, -30)
    assert bench.value("strf.center_hz", FIRST) != before
    assert bench.notebook.kernel_eval("bench.bench.width > 0")
    says(bench, "live")


def test_f5_keeps_the_bench_and_one_that_was_saved_pretends_nothing_beside_a_fresh_kernel(bench: BenchPage) -> None:
    page, handle = bench.page, "() => document.querySelector('.db-handle').style.transform"
    moved, before = page.evaluate(handle), bench.value("strf.center_hz", FIRST)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    page.wait_for_selector(f"{ROOT} .db-handle")
    page.evaluate(READY)
    bench.notebook.bring(ROOT)
    bench.settle()
    assert page.evaluate(handle) == moved
    says(bench, "live")
    bench.drag(0, -30)
    assert bench.value("strf.center_hz", FIRST) != before
    page.evaluate("""async () => {
      await window.jupyterapp.commands.execute('@jupyter-widgets/jupyterlab-manager:saveWidgetState');
      await window.jupyterapp.commands.execute('docmanager:save');
      await window.jupyterapp.shell.currentWidget.sessionContext.shutdown();
    }""")
    bench.notebook.open("state.ipynb")
    page.wait_for_selector(f"{ROOT} .db-handle")
    says(bench, "gone")
    bench.notebook.bring(ROOT)
    assert_handles_rest(bench)
    bench.notebook.run_all()
    says(bench, "live")
    bench.page.get_by_role("button", name="Put them back").click()
    bench.notebook.wait_for_kernel("bench.session.edited()")


def test_a_server_that_was_restarted_has_lost_the_kernel(cache: BrowserContext, tmp_path: Path) -> None:
    with serve(tmp_path, environment=OUR_JUPYTER) as server:
        write_notebook(server.folder / "state.ipynb", CELL)
        notebook = fresh_page(cache, server, 1280, 900)
        bench = BenchPage(notebook)
        notebook.open("state.ipynb")
        notebook.run_all()
        notebook.bring(ROOT)
        bench.page.set_default_timeout(60 * SECOND)
        bench.drag(-40, 20)
        thrown: list[str] = []
        bench.page.on("pageerror", lambda error: thrown.append(str(error)))
    says(bench, "lost")
    with serve(tmp_path, environment=OUR_JUPYTER, port=server.port):
        says(bench, "gone")
        assert_handles_rest(bench)
        assert thrown == []
        bench.page.close()


def test_panels_whose_kernel_is_gone_say_so_and_throw_nothing(bench: BenchPage) -> None:
    page = bench.page
    for name in ("Fit", "Figures", "All neurons", "Findings"):
        open_panel(page, name)
    page.wait_for_function(f"() => document.querySelectorAll('{ROOT} .db-panel .deepstrf-bench').length === 4")
    bench.settle()
    # A fit that plays ends with its kernel.
    bench.button("Play").click()
    expect(page.locator(f"{ROOT} .db-play-state")).to_contain_text("Playing")
    expect(bench.button("Pause")).to_be_visible()
    page.evaluate(CALL, "import os; os._exit(1)")
    says(bench, "gone")
    expect(bench.button("Play")).to_be_disabled()
    expect(page.locator(f"{ROOT} .db-play-state")).to_be_hidden()
    for button in page.locator(f"{ROOT} .db-panel .deepstrf-bench button:visible:enabled").all():
        button.click(force=True, timeout=5 * SECOND)
    for slider in page.locator(f"{ROOT} .db-panel [role=slider]:visible").all()[:6]:
        slider.focus()
        page.keyboard.press("ArrowUp")
    canvas = page.locator(f"{ROOT} .db-view-gallery canvas").first.bounding_box()
    assert canvas is not None
    page.mouse.click(canvas["x"] + 20, canvas["y"] + 20)
