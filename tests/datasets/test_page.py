"""The page docs/recordings.md: every name that it imports or calls is there."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

import deepstrf.datasets

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recordings.md"


def test_the_blocks_of_the_page_import_what_there_is() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = (
                    pytest.importorskip(node.module)
                    if node.module.startswith("dask")
                    else importlib.import_module(node.module)
                )
                assert [one.name for one in node.names if not hasattr(module, one.name)] == []


def test_the_table_of_readers_names_readers_that_there_are() -> None:
    rows = re.findall(r"\| [^|]+ \| (`.+`) \|", PAGE.read_text(encoding="utf-8"))
    called = {name for row in rows for name in re.findall(r"(\w+)\(", row)} - {"explore", "from_arrays"}
    assert called >= {"read_phy", "read_nems", "read_nwb", "read_arrays", "read_crcns_aa", "linear_from_field"}
    assert [name for name in called if not hasattr(deepstrf.datasets, name)] == []
