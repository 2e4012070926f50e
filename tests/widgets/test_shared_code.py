"""A kernel sends the code of its widgets once, with the import, and each widget refers to it."""

from __future__ import annotations

import contextlib
import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deepstrf.demo import load_demo
from deepstrf_widgets import Explorer, Gallery, LiveSession, STRFEditor, explore
from deepstrf_widgets.browser_widget import BrowserWidget
from deepstrf_widgets.bundle import bundle_text, module_key
from deepstrf_widgets.shared_code import SharedCode
from tests.widgets.forked_kernels.kernels import MARKS, SECONDS, Kernel, kernel

IMPORT = "from deepstrf.demo import load_demo\nfrom deepstrf_widgets import explore, gallery\ndemo = load_demo()"
BENCH = "explore(demo.model, demo.stimulus, demo.responses, figures=False)"


@pytest.fixture(scope="module")
def demo():
    return load_demo()


@pytest.fixture(scope="module")
def running():
    """A kernel that has imported the bench."""
    with kernel(forked=False) as one:
        one.run(IMPORT)
        yield one


def opened(one: Kernel, code: str) -> list[dict[str, Any]]:
    """States of the widgets that a cell opens, but for their layouts and styles."""
    found: list[dict[str, Any]] = []

    def hear(message: Any) -> None:
        assert message["msg_type"] != "error", message["content"]
        if message["msg_type"] == "comm_open" and "_esm" in (state := message["content"]["data"]["state"]):
            found.append({**state, "id": f"IPY_MODEL_{message['content']['comm_id']}"})

    one.client.execute_interactive(code, timeout=SECONDS, output_hook=hear)
    return found


class TestInAKernel:
    pytestmark = MARKS

    def test_the_code_goes_with_the_import_and_never_again(self):
        with kernel(forked=False) as one:
            (code,) = opened(one, IMPORT)
            assert code["source"] == bundle_text("bench.js")
            assert code["_css"] == bundle_text("bench.css")
            assert code["_esm"] == bundle_text("loader.js")
            for _ in range(2):
                (bench,) = opened(one, BENCH)
                assert (bench["_code"], bench["_code_key"]) == (code["id"], code["key"])
                assert (bench["_esm"], bench["_css"]) == (code["_esm"], "")
                assert "source" not in bench

    def test_what_shows_no_bench_sends_none(self):
        with kernel(forked=False) as one:
            assert opened(one, "from deepstrf_widgets import save_html, FitTable, pictures") == []

    def test_another_kind_of_widget_brings_its_own_before_itself(self, running):
        code, neurons = opened(running, "gallery(demo.model)")
        assert code["source"] == bundle_text("gallery.js")
        assert neurons["_code"] == code["id"]

    def test_what_was_closed_with_all_widgets_is_sent_again(self, running):
        running.run("import ipywidgets; ipywidgets.Widget.close_all()")
        code, bench = opened(running, BENCH)
        assert code["source"] == bundle_text("bench.js")
        assert bench["_code"] == code["id"]

    def test_a_saved_page_and_a_panel_of_its_own_have_their_code_as_ever(self, running, tmp_path):
        running.run(f"bench = {BENCH}; neurons = bench.panel('gallery')")
        assert running.value(f"len(bench.save_html({str(tmp_path / 'page.html')!r}).read_text())") > len(
            bundle_text("bench.js")
        )
        (neurons,) = opened(running, "neurons")
        assert neurons["_esm"] == bundle_text("gallery.js")
        assert neurons["_css"] == bundle_text("bench.css")

    def test_who_embeds_a_bench_embeds_its_code(self, running):
        running.run(f"from ipywidgets.embed import dependency_state; state = dependency_state([{BENCH}])")
        sources = running.value("[one['state'].get('source', '') for one in state.values()]")
        assert bundle_text("bench.js") in sources

    def test_a_bench_whose_code_was_closed_still_tells_its_state(self, running):
        running.run(f"bench = {BENCH}; bench._code.close()")
        assert running.value("bench.get_state('_code')") == {"_code": None}

    def test_a_module_that_was_loaded_again_shares_its_own(self, running):
        running.run("import importlib; importlib.reload(importlib.import_module('deepstrf_widgets.shared_code'))")
        code, bench = opened(running, BENCH)
        assert bench["_code"] == code["id"]


def test_without_a_kernel_each_widget_has_its_code(demo):
    bench = explore(demo.model, demo.stimulus, demo.responses, figures=False)
    assert bench._code is None
    assert bench._esm == bundle_text("bench.js")
    assert bench._css == bundle_text("bench.css")


@pytest.fixture
def in_kernel(monkeypatch):
    """As in a kernel of Jupyter, whose messages nobody reads."""
    shell = type("Shell", (), {"kernel": object(), "parent_header": {}})()
    monkeypatch.setattr("deepstrf_widgets.shared_code.ipython_shell", lambda: shell)
    monkeypatch.setattr("deepstrf_widgets.shared_code._MADE", {})


def test_the_code_is_sent_to_whoever_asks_for_it(in_kernel, demo, monkeypatch):
    bench = explore(demo.model, demo.stimulus, demo.responses, figures=False)
    sent = []
    monkeypatch.setattr(bench, "send", lambda content, buffers=None: sent.append((content, buffers)))
    bench._handle_custom_msg({"type": "code"}, [])
    ((content, (packed,)),) = sent
    assert content == {"type": "code", "css": bundle_text("bench.css")}
    assert gzip.decompress(packed).decode() == bundle_text("bench.js")
    assert bench.error == ""


def test_a_bench_without_shared_code_does_not_know_that_request(demo):
    bench = explore(demo.model, demo.stimulus, demo.responses, figures=False)
    bench._handle_custom_msg({"type": "code"}, [])
    assert "code" in bench.error


def test_widgets_of_one_module_share_it_and_others_do_not(in_kernel):
    assert Explorer.send_code() is STRFEditor.send_code()
    assert Explorer.send_code() is not Gallery.send_code()
    assert Explorer.send_code().key == module_key(bundle_text("bench.js"))


def test_threads_that_come_together_share_one(in_kernel, monkeypatch):
    both_inside = threading.Barrier(2)
    make = SharedCode.__init__

    def wait_and_make(self, **kwargs):
        with contextlib.suppress(threading.BrokenBarrierError):
            both_inside.wait(0.2)
        make(self, **kwargs)

    monkeypatch.setattr(SharedCode, "__init__", wait_and_make)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: Explorer.send_code(), range(2))
    assert one is other
    assert both_inside.broken, "two threads made one each"


class Own(Explorer):
    """A bench with code of its author."""

    _esm = "export function render() {}"


class Red(Explorer):
    """A bench with styles of its author."""

    _css = ".deepstrf-bench { color: red }"


@pytest.mark.parametrize("kind", [Own, Red])
def test_what_others_have_written_is_theirs_to_send(in_kernel, demo, kind):
    bench = kind(LiveSession(demo.model, demo.stimulus, demo.responses), figures=False)
    assert bench._code is None
    assert (bench._esm, bench._css) == (str(kind._esm), str(kind._css))


def test_nothing_is_shared_of_files_that_anywidget_follows(in_kernel, tmp_path):
    (tmp_path / "bench.js").write_text("export default {}")

    class Followed(BrowserWidget):
        _esm = tmp_path / "bench.js"

    assert Followed.send_code() is None
