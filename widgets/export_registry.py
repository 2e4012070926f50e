"""Write ``src/math/registry.ts``: what the browser reads of ``deepstrf.models.registry``.

``make bundle`` runs it; a test compares the committed file with what it would write.
"""

from __future__ import annotations

import json
from pathlib import Path

from deepstrf.models.registry import OUTPUT_CURVES, UNKNOWN, Column

FILE = Path(__file__).parent / "src" / "math" / "registry.ts"
HEAD = "// Generated from deepstrf/models/registry.py by `make bundle`.\n"


def _columns(columns: tuple[Column, ...]) -> list[dict[str, str]]:
    return [
        {"name": one.name, "symbol": one.symbol or one.name, "meaning": one.meaning, "note": one.note}
        for one in columns
    ]


def registry_text() -> str:
    """Content of the file: the layers whose formula the browser has, by their kind."""
    curves = {
        entry.kind: {"formula": entry.formula, "columns": _columns(entry.columns)}
        for entry in OUTPUT_CURVES.values()
        if entry.kind != UNKNOWN
    }
    text = HEAD
    for name, content in (("OUTPUT_CURVES", curves),):
        lines = (f"  {kind}: {json.dumps(entry, ensure_ascii=False)},\n" for kind, entry in content.items())
        text += f"export const {name} = {{\n{''.join(lines)}}} as const;\n"
    return text


if __name__ == "__main__":
    FILE.write_text(registry_text(), encoding="utf-8")
