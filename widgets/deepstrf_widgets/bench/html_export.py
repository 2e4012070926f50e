"""A bench as one HTML file with the code and the data, without a kernel, for course pages."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.writing import check_file_names, replace_file, write_new_file

from ..bundle import bundle_text
from ..session.argument_validation import neuron_index
from .widget import BenchWidget

__all__ = ["save_html"]

Neurons = int | str | Sequence[int | str]

DATA_ID = "deepstrf-bench-data"  # as in widgets/src/offline
HEAD_BYTES = 2**20
"""Within which the data begin: after the style sheet."""
COPIES = 5
"""What a page needs for each byte of data: as they are, as text (4/3), in JSON, in the page, as bytes."""
PER_NEURON = (
    *("gaussians", "trained_gaussians", "kernel", "trained_kernel", "activation", "trained_activation"),
    *("factors", "trained_factors", "folding", "rate", "trained_rate", "psth"),
)

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; padding: 16px; background: #fff; }}
main {{ max-width: 1280px; margin: 0 auto; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #0d0e10; }} }}
{css}
</style>
</head>
<body>
<noscript>This page needs JavaScript.</noscript>
<main><script type="application/json" id="{data_id}">{data}</script></main>
<script type="module">
{code}
</script>
</body>
</html>
"""


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def page_data(bench: BenchWidget, neurons: Sequence[int], max_gb: float = LIMIT_GB) -> dict[str, Any]:
    """Data of the page for some neurons, which are counted anew from 0; fit for JSON."""
    now = bench.session.snapshot()
    first = bench.neuron_state(neurons[0], now)
    size = sum(len(first[name]) for name in PER_NEURON)
    check_memory(f"a page of {len(neurons)} neurons", COPIES * len(neurons) * size, max_gb)
    states = [bench.neuron_state(neuron, now) for neuron in neurons]
    shared = {"cf_hz": bench.cf_hz, "stimulus": bench.stimulus_of(now)}
    shared |= {name: states[0][name] for name in ("prefilter", "trained_prefilter")}
    info = bench.info_of(now)
    if not info["local"]:
        # Nothing can answer an edit: the page shows the receptive field as it is.
        kind = "none" if info["kind"] == "none" else "full"
        info |= {"kind": kind, "n_gaussians": 0, "limits": {}}
        info["prefilter"] = {**info["prefilter"], "kind": "other", "rows": []}
        info["activation"] = {**info["activation"], "kind": "other", "names": []}
    info["n_trials"] = 0  # they would be most of the page
    info["n_neurons"] = len(neurons)
    info["neuron_names"] = [info["neuron_names"][n] for n in neurons]
    return {
        "view": "explorer",
        "info": info,
        **{name: _text(values) for name, values in shared.items()},
        "neuron": neurons.index(bench.neuron) if bench.neuron in neurons else 0,
        "channel": bench.channel,
        "neurons": [{name: _text(state[name]) for name in PER_NEURON} for state in states],
    }


@keywords()
def save_html(
    bench: BenchWidget,
    path: str | Path,
    *,
    neurons: Neurons | None = None,
    title: str | None = None,
    max_gb: float = LIMIT_GB,
) -> Path:
    """Path of an HTML file with the bench, which needs no kernel and no network.

    Models whose every step the browser can compute (prefilter, receptive field, batch norm, output curve) can be edited
    as before; of others the receptive fields and responses are shown. The page begins with the present values and keeps
    the trained ones.

    Parameters
    ----------
    bench : BenchWidget
        Saved as it is now.
    path : str or Path
        Of the file, in a folder that exists. A page that is there already is replaced, when the new one is complete;
        any other file stays.
    neurons : int, str or a sequence of them, optional
        Which neurons the page has, by number or name; all when None.
    title : str, optional
        Title of the page; the model's name when None.
    max_gb : float
        Memory that the page may take while it is made, in GB of 2^30 bytes.

    Raises
    ------
    TypeError, IndexError, ValueError
        ``neurons`` holds something else than neurons of the model, one of them twice, or nothing; no file can be called
        so; or more than ``max_gb`` is needed.
    FileNotFoundError
        There is no such folder.
    FileExistsError
        There is something under this name that is not a page of a bench.
    OSError
        The file cannot be written.
    """
    names = bench.session.neuron_names
    one = isinstance(neurons, (int, np.integer, str))
    wanted: Any = range(len(names)) if neurons is None else [neurons] if one else neurons
    chosen = [neuron_index(names, neuron, "neurons") for neuron in wanted]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"neurons must be at least one and all different, got {list(wanted)}")
    path = Path(path)
    check_file_names("the page's name", [path.name])
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} for the page {path.name}: make it first")
    exists = os.path.lexists(path)
    if exists and not _is_page(path):
        raise FileExistsError(f"{path} is not a page of a bench and is not replaced: choose another name")
    data = json.dumps(page_data(bench, chosen, max_gb), allow_nan=False).replace("<", "\\u003c")
    text = TEMPLATE.format(
        title=html.escape(bench.info["model"] if title is None else str(title)),
        css=bundle_text("bench.css"),
        data_id=DATA_ID,
        data=data,
        code=bundle_text("bench.js").replace("</script", "<\\/script"),
    )
    (replace_file if exists else write_new_file)(path, text.encode("utf-8", "replace"))
    return path


def _is_page(path: Path) -> bool:
    """Whether a file is one that `save_html` wrote."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return f'id="{DATA_ID}"'.encode() in file.read(HEAD_BYTES)
