"""A forked kernel is as one that Jupyter starts: its surroundings, its state, and what can be done in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.widgets.forked_kernels.kernels import MARKS, Kernel, is_forked, kernel, until

pytestmark = MARKS

STATE = """
import decimal, gc, locale, logging, os, random, signal, sys, threading, warnings
import matplotlib, numpy as np, torch, deepstrf, deepstrf_widgets, ipywidgets, plotly.io, tqdm.auto
import torch._dynamo  # with the filters of what it imports
deepstrf_widgets.explore, deepstrf_widgets.gallery
from IPython import get_ipython
for name in deepstrf_widgets.__all__:
    getattr(deepstrf_widgets, name)
ip = get_ipython()
ours = [m for m in list(sys.modules.values()) if m.__name__.startswith("deepstrf")]
# The last is set where torch's compiler is first imported, to what it takes without it.
OTHERS = ("JPY_SESSION_NAME", "JPY_PARENT_PID", "TORCHINDUCTOR_CACHE_DIR")
state = {
    "environment": {n: v for n, v in os.environ.items() if n not in OTHERS},
    "path": sys.path, "argv": [a for a in sys.argv if not a.endswith(".json")], "flags": list(sys.flags),
    "cwd": os.getcwd(), "mask": os.umask(0o22), "main": sys.modules["__main__"] is ip.user_module,
    "signals": {s.name: str(signal.getsignal(s)).split(" at ")[0] for s in signal.Signals},
    "blocked": sorted(map(str, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    "leads its session": os.getsid(0) == os.getpid() == os.getpgid(0),
    "threads": torch.get_num_threads(), "first seed": torch.initial_seed() == 67280421310721,
    "grad": torch.is_grad_enabled(), "type": str(torch.get_default_dtype()),
    "backend": matplotlib.rcParams["backend"], "settings": str(dict(matplotlib.rcParams)),
    "renderer": plotly.io.renderers.default, "bar": tqdm.auto.tqdm.__name__,
    "filters": sorted(map(str, warnings.filters)),
    "warned": sum(bool(getattr(m, "__warningregistry__", None)) for m in ours),
    "handlers": [type(h).__name__ for h in logging.getLogger().handlers],
    "gc": [gc.isenabled(), gc.get_threshold()], "limit": sys.getrecursionlimit(), "hook": sys.excepthook.__qualname__,
    "switch": sys.getswitchinterval(), "numpy": str(np.geterr()), "decimals": str(decimal.getcontext()),
    "widgets": len(ipywidgets.Widget.widgets) if hasattr(ipywidgets.Widget, "widgets") else 0,
    "comms": sorted(ip.kernel.comm_manager.targets), "open comms": len(ip.kernel.comm_manager.comms),
    "names": sorted(n for n in ip.user_ns if not n.startswith("_")), "app": type(ip.parent.parent).__name__,
    "debugger": len([f for f in ip.kernel._kernel_modules if "deepstrf" in f or "torch" in f]),
    "stdin": os.read(0, 1).decode(), "unforked": "MALLOC_ARENA_MAX" in os.environ,
}
"""


@pytest.fixture(scope="module")
def forked() -> Iterator[Kernel]:
    with kernel() as one:
        yield one


@pytest.fixture(scope="module")
def states(forked: Kernel) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a forked kernel and of a plain one."""
    found = []
    with kernel(forked=False) as plain:
        for one in (forked, plain):
            one.run(STATE)
            found.append(one.value("state"))
        assert [is_forked(one.manager) for one in (forked, plain)] == [True, False]
    return found[0], found[1]


def test_every_state_is_that_of_a_kernel_which_jupyter_starts(states: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ours, plain = states
    assert {name: value for name, value in ours.items() if value != plain[name]} == {}
    assert plain["comms"] == ["jupyter.widget", "jupyter.widget.control"]
    assert plain["debugger"] == 0


DRAWN = "[random.random(), float(np.random.rand()), uuid.uuid4().hex, torch.initial_seed()]"


def test_two_forks_draw_other_numbers_where_two_new_processes_do() -> None:
    def drawn(*, forked: bool) -> list[object]:
        with kernel(forked=forked) as one:
            one.run("import random, uuid, torch, numpy as np")
            return list(one.value(DRAWN))

    ours, plain = ([drawn(forked=forked) for _ in range(2)] for forked in (True, False))
    assert [a != b for a, b in zip(*ours, strict=True)] == [a != b for a, b in zip(*plain, strict=True)]
    assert [a != b for a, b in zip(*ours, strict=True)][:3] == [True] * 3


def test_a_kernel_has_its_folder_and_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("value = 3")
    with kernel(cwd=str(tmp_path)) as one:
        assert is_forked(one.manager)
        assert one.value("[__import__('os').getcwd(), __import__('beside').value]") == [str(tmp_path), 3]


WORK = {
    "threads of torch": "import torch; print(float((torch.ones(600, 600) @ torch.ones(600, 600)).mean()))",
    "fit": (
        "import deepstrf; from deepstrf_widgets import explore; d = deepstrf.load_demo()\n"
        "b = explore(d.model, d.stimulus, d.responses); b.step(2); print(600.0 if b.player.steps == 2 else b)"
    ),
    "workers": (
        "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
        "data = DataLoader(TensorDataset(torch.ones(600)), batch_size=100, num_workers=2)\n"
        "print(float(sum(x.sum() for (x,) in data)))"
    ),
    "fork": (
        "import os\np, q = os.pipe()\nif os.fork() == 0:\n    os.write(q, b'600.0')\n    os._exit(0)\n"
        "print(os.read(p, 9).decode()); os.wait();"
    ),
    "process": "import subprocess as s, sys; print(s.check_output([sys.executable, '-c', 'print(600.0)']).decode())",
    "C": "import ctypes; c = ctypes.CDLL(None); c.puts(b'600.0'); c.fflush(None); import time; time.sleep(.5)",
    "shell": "!echo 600.0",
}


@pytest.mark.parametrize("what", WORK)
def test_work_of_a_kernel(forked: Kernel, what: str) -> None:
    assert float(forked.run(WORK[what])) == 600.0


def test_a_debugger_stops_at_a_line() -> None:
    with kernel() as one:
        assert is_forked(one.manager)
        one.debug(
            "initialize", clientID="test", adapterID="", pathFormat="path", linesStartAt1=True, columnsStartAt1=True
        )
        one.debug("attach")
        path = one.debug("dumpCell", code="x = 1\ny = 2\n")["sourcePath"]
        one.debug("setBreakpoints", breakpoints=[{"line": 2}], source={"path": path}, sourceModified=False)
        one.debug("configurationDone")
        one.client.execute("x = 1\ny = 2\n")
        while one.client.get_iopub_msg(timeout=30)["content"].get("event") != "stopped":
            continue  # without such an event the next message does not come, which raises


def test_an_ended_kernel_runs_its_last_functions(tmp_path: Path) -> None:
    with kernel() as one:
        one.run(f"import atexit, pathlib; atexit.register(pathlib.Path({str(tmp_path / 'told')!r}).touch)")
        one.manager.shutdown_kernel()
        assert (tmp_path / "told").exists()


def test_a_kernel_at_rest_frees_what_only_refers_to_itself(tmp_path: Path) -> None:
    freed = tmp_path / "freed"
    with kernel() as one:
        one.run(
            "import gc, pathlib, weakref; gc.disable()\nclass Figure: pass\n"
            f"figure = Figure(); figure.canvas = figure; weakref.finalize(figure, pathlib.Path({str(freed)!r}).touch)\n"
            "del figure"
        )
        assert not freed.exists()
        assert until(freed.exists)


def test_threads_of_a_kernel_are_those_it_asks_for() -> None:
    with kernel(env={**os.environ, "OMP_NUM_THREADS": "1"}) as one:
        assert one.value("__import__('torch').get_num_threads()") == 1


def test_its_module_leaves_the_comms_of_whoever_imports_it_alone() -> None:
    module = "deepstrf_widgets.forked_kernels.forked_kernel"
    code = f"import sys, {module}; sys.exit('ipykernel.ipkernel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
