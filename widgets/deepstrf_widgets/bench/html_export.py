"""A bench as one HTML file with the code and the data, without a kernel, for course pages."""

from __future__ import annotations

import base64
import html
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepstrf.deprecation import keywords

from ..bundle import bundle_text
from ..session.argument_validation import neuron_index
from .widget import BenchWidget

__all__ = ["save_html"]

Neurons = int | str | Sequence[int | str]

DATA_ID = "deepstrf-bench-data"  # as in widgets/src/offline
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


def page_data(bench: BenchWidget, neurons: Sequence[int]) -> dict[str, Any]:
    """Data of the page for some neurons, which are counted anew from 0; fit for JSON."""
    now = bench.session.snapshot()
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
    bench: BenchWidget, path: str | Path, *, neurons: Neurons | None = None, title: str | None = None
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
        Of the file; an existing one is replaced only when the new one is complete.
    neurons : int, str or a sequence of them, optional
        Which neurons the page has, by number or name; all when None.
    title : str, optional
        Title of the page; the model's name when None.

    Raises
    ------
    TypeError, IndexError, ValueError
        ``neurons`` holds something else than neurons of the model, one of them twice, or nothing.
    OSError
        The file cannot be written.
    """
    names = bench.session.neuron_names
    wanted = range(len(names)) if neurons is None else [neurons] if isinstance(neurons, (int, str)) else neurons
    chosen = [neuron_index(names, neuron, "neurons") for neuron in wanted]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"neurons must be at least one and all different, got {list(wanted)}")
    data = json.dumps(page_data(bench, chosen), allow_nan=False).replace("<", "\\u003c")
    text = TEMPLATE.format(
        title=html.escape(bench.info["model"] if title is None else str(title)),
        css=bundle_text("bench.css"),
        data_id=DATA_ID,
        data=data,
        code=bundle_text("bench.js").replace("</script", "<\\/script"),
    )
    path = Path(path)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(part, 0o644)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
    return path
