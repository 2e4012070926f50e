"""The server extension makes forks the kernels of ``make lab``, and of no server that did not ask for it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deepstrf_widgets.forked_kernels import _jupyter_server_extension_points
from tests.browser.lab import OUR_JUPYTER, serve
from tests.widgets.forked_kernels.kernels import is_alive, until

SAID = "kernels share what they have loaded"


def kernels_of(server: int) -> list[str]:
    """Commands of the processes that have come from ``server``, directly or by way of another."""
    found, parents = [], {server}
    for _ in range(2):
        parents = {child for parent in parents for child in _children(parent)}
        found += [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() for pid in parents]
    return found


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def server_of(port: int) -> int:
    """The process whose command names ``port``."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"--ServerApp.port={port}\0" in (folder / "cmdline").read_text():
                return int(folder.name)
        except OSError:  # it has ended meanwhile
            continue
    raise LookupError(f"no process has port {port}")


def test_the_extension_is_this_package() -> None:
    assert _jupyter_server_extension_points() == [{"module": "deepstrf_widgets.forked_kernels"}]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks are used on Linux alone")
@pytest.mark.parametrize(
    ("environment", "forked"),
    [
        (OUR_JUPYTER, True),
        ({}, False),
        ({**OUR_JUPYTER, "JUPYTER_DEFAULT_PROVISIONER_NAME": "deepstrf-of-nobody"}, None),
    ],
)
def test_kernels_are_forks_where_the_server_is_ours(
    environment: Mapping[str, str], forked: bool | None, tmp_path: Path
) -> None:
    with serve(tmp_path, app="server", environment=environment) as server:
        process = server_of(server.port)
        if forked is None:  # whoever has chosen a provisioner keeps it
            assert "kernels are started by deepstrf-of-nobody" in server.log.read_text()
            return
        server.ask("api/kernels", {"name": "python3"})
        commands = kernels_of(process)
        assert len(commands) == (2 if forked else 1)  # the parent and its fork
        assert [command for command in commands if "ipykernel_launcher" in command] == ([] if forked else commands)
        assert (SAID in server.log.read_text()) is forked
        assert "shares no memory" not in server.log.read_text()
    assert until(lambda: not is_alive(process))
