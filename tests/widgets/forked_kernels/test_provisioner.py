"""Forked kernels begin, are interrupted, restarted and killed like others, and end with their server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import deepstrf
import deepstrf_widgets
from deepstrf_widgets.forked_kernels import PARENT
from tests.widgets.forked_kernels.kernels import MARKS, SECONDS, Kernel, is_alive, is_forked, kernel, until

ROOT = Path(__file__).resolve().parents[3]
pytestmark = MARKS


@pytest.fixture
def forked() -> Iterator[Kernel]:
    with kernel() as one:
        assert is_forked(one.manager)
        yield one


def pid_of(one: Kernel) -> int:
    return int(one.manager.provisioner.process.pid)


def test_an_interrupt_ends_the_cell_alone(forked: Kernel) -> None:
    # What is asked right after an error is otherwise aborted by the kernel, forked or not.
    forked.client.execute("print('begun', flush=True)\nwhile True: pass", stop_on_error=False)
    message = forked.client.get_iopub_msg(timeout=SECONDS)
    while message["msg_type"] != "stream":
        message = forked.client.get_iopub_msg(timeout=SECONDS)
    forked.manager.interrupt_kernel()
    assert forked.client.get_shell_msg(timeout=SECONDS)["content"]["ename"] == "KeyboardInterrupt"
    assert forked.value("1 + 1") == 2


@pytest.mark.parametrize(("end", "code"), [("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -signal.SIGKILL)])
def test_the_exit_status_is_the_true_one(forked: Kernel, end: str, code: int) -> None:
    process = forked.manager.provisioner.process
    forked.client.execute(f"import os; {end}")
    assert process.wait() == code == process.poll()
    assert until(lambda: not Path(f"/proc/{process.pid}").exists())  # nor does a zombie stay


def test_a_restart_is_another_process_with_nothing_left(forked: Kernel) -> None:
    before = pid_of(forked)
    forked.run("kept = 1")
    forked.restart()
    assert is_forked(forked.manager)
    assert pid_of(forked) != before
    assert not is_alive(before)
    assert forked.value("'kept' in globals()") is False


def test_several_begin_at_once() -> None:
    PARENT.stop()
    found: list[Kernel] = []
    threads = [threading.Thread(target=lambda: found.append(Kernel())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert [is_forked(one.manager) for one in found] == [True] * 3
        assert len({one.value("__import__('os').getppid()") for one in found}) == 1
    finally:
        for one in found:
            one.close()


def test_kernels_outlive_a_parent_that_was_killed_and_the_next_has_another(forked: Kernel) -> None:
    parent = PARENT.pid
    assert parent is not None
    os.kill(parent, signal.SIGKILL)
    assert until(lambda: not is_alive(parent))
    assert forked.value("2 + 2") == 4
    with kernel() as other:
        assert is_forked(other.manager)
        assert PARENT.pid != parent
    process = forked.manager.provisioner.process
    forked.manager.shutdown_kernel()
    assert not is_alive(process.pid)


@pytest.mark.parametrize("case", ["environment", "module", "relative path"])
def test_a_kernel_that_could_not_be_as_a_new_one_is_a_new_one(case: str, tmp_path: Path) -> None:
    env = dict(os.environ)
    if case == "environment":
        env["PYTHONHASHSEED"] = "7"
    elif case == "module":
        (tmp_path / "plotly.py").write_text("ours = True")
    else:
        env["PYTHONPATH"] = f"beside{os.pathsep}{env.get('PYTHONPATH', '')}".rstrip(os.pathsep)
    with kernel() as first, kernel(env=env, cwd=str(tmp_path)) as one:
        assert is_forked(first.manager)
        assert not is_forked(one.manager)
        if case == "module":
            assert one.value("__import__('plotly').ours") is True


@pytest.fixture
def program(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A server, as far as a kernel can tell, with a copy of the library; and that library."""
    copy = tmp_path / "library"
    for package in (deepstrf, deepstrf_widgets):
        source = Path(package.__path__[0])
        shutil.copytree(source, copy / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    init = copy / "deepstrf" / "__init__.py"
    init.write_text(init.read_text() + "\nlab_test_value = 1\n")
    os.utime(init, (0, 0))
    (tmp_path / "work").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.widgets.forked_kernels.kernels", str(tmp_path / "work")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{ROOT}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process, init
        process.kill()


def heard(program: subprocess.Popen[str]) -> list[object]:
    assert program.stdout is not None
    told: list[object] = json.loads(program.stdout.readline())
    return told


def test_a_restarted_kernel_has_the_edited_library(program: tuple[subprocess.Popen[str], Path]) -> None:
    process, init = program
    assert process.stdin is not None
    assert heard(process)[0] is True
    for value in (2, 3):
        init.write_text(init.read_text() + f"lab_test_value = {value}\n")
        print(file=process.stdin, flush=True)
        assert heard(process) == [True, value]


def test_nothing_is_left_of_a_server_that_was_killed(program: tuple[subprocess.Popen[str], Path]) -> None:
    process, _ = program
    is_fork, *pids = heard(process)
    assert is_fork is True
    assert all(is_alive(int(str(pid))) for pid in pids)
    process.kill()
    assert until(lambda: not any(is_alive(int(str(pid))) for pid in pids))
