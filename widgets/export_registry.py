"""Write ``src/math/registry.ts``: what the browser reads of ``deepstrf.models.registry``.

``make bundle`` runs it; a test compares the committed file with what it would write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deepstrf.models.registry import BIAS, KERNELS, OUTPUT_CURVES, PREFILTERS, UNKNOWN, Layer, OutputCurve

FILE = Path(__file__).parent / "src" / "math" / "registry.ts"
HEAD = "// Generated from deepstrf/models/registry.py by `make bundle`.\n"


SHOWN = ("name", "meaning", "note", "unit")


def _entry(layer: Layer) -> dict[str, Any]:
    columns = [
        {**{key: getattr(column, key) for key in SHOWN}, "symbol": column.symbol or column.name}
        for column in layer.columns
        if column is not BIAS
    ]
    return {"formula": layer.formula, "columns": columns} if isinstance(layer, OutputCurve) else {"columns": columns}


def registry_text() -> str:
    """Content of the file: the layers whose formula the browser has, by their kind."""
    text = HEAD
    for name, table in {"OUTPUT_CURVES": OUTPUT_CURVES, "PREFILTERS": PREFILTERS, "KERNELS": KERNELS}.items():
        text += f"\nexport const {name} = {{\n"
        for layer in table.values():
            if layer.kind != UNKNOWN:
                text += f"  {layer.kind}: {json.dumps(_entry(layer), ensure_ascii=False)},\n"
        text += "} as const;\n"
    return text


if __name__ == "__main__":
    FILE.write_text(registry_text(), encoding="utf-8")
