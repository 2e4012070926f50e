"""A bench as one HTML file with the code and the data, without a kernel, for course pages."""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.paths import as_path
from deepstrf.user_warning import warn_user
from deepstrf.writing import check_file_names, in_the_way, write_or_replace

from ..bundle import bundle_text
from ..session.argument_validation import neuron_index
from ..session.parameters import ABLATION
from ..session.reading import Snapshot
from ..session.serialization import changed_values
from .page_state import as_bytes, model_info, neuron_traits
from .spikes import recorded_spikes
from .widget import BenchWidget

__all__ = ["save_html", "save_module"]

Choices = int | str | Sequence[int | str] | None
"""Some of the neurons or sounds, by number or name; None for all."""

DATA_ID = "deepstrf-bench-data"  # as in widgets/src/offline
HEAD_BYTES = 2**20
"""Within which the data begin: after the style sheet."""
COPIES = 5
"""What a page needs for each byte of data: as they are, as text (4/3), in JSON, in the page, as bytes."""
PER_NEURON = (
    *("gaussians", "trained_gaussians", "kernel", "trained_kernel", "activation", "trained_activation"),
    *("factors", "trained_factors", "affine", "trained_affine", "rate", "trained_rate", "psth"),
)

MOST_SAVED_SPIKES = 1000
"""Of one neuron to one sound in a page: some trials."""

RESPONSES = ("rate", "trained_rate", "psth")
"""Those of them that are as long as the sounds."""

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


MODULE_MARK = "/* A bench of deepstrf-lab as a module, with its data. */"
_EXPORT = re.compile(r"export\s*\{\s*([\w$]+) as default\s*\};?\s*$")
MODULE = """{mark}
const css = {css};
const bench = (() => {{
{code}
}})();
const saved = {data};
const render = ({{ el }}) => {{
  const style = document.createElement("style");
  style.textContent = css;
  el.append(style);
  const stop = bench.show(saved, el);
  return () => {{
    stop();
    style.remove();
  }};
}};
export default {{ render }};
"""


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True)
class Choice:
    """What of a bench goes into a page: neurons, sounds and how much of each, all counted from 0.

    ``now`` is its session as it was when that was chosen: another thread may play other sounds meanwhile.
    """

    now: Snapshot
    neurons: Sequence[int]
    sounds: Sequence[int]
    bins: Sequence[int]
    half: bool

    @property
    def value_bytes(self) -> int:
        """Bytes of a value of sounds and responses."""
        return 2 if self.half else 4


def page_bytes(bench: BenchWidget, choice: Choice) -> int:
    """About how large a page is: base64 takes 4 letters for 3 bytes, and the program stands beside the data."""
    state = bench.neuron_state(choice.neurons[0], choice.now)
    own = sum(len(state[name]) for name in PER_NEURON if name not in RESPONSES)
    bins, n = sum(choice.bins), len(choice.neurons)
    responses = sum(1 for name in RESPONSES if state[name])
    played = choice.value_bytes * bins * (len(bench.session.cf_hz) + n * responses)
    heard = sum(len(spikes) for neuron in choice.neurons for spikes in _spikes(choice, neuron))
    return len(bundle_text("bench.js")) + len(bundle_text("bench.css")) + 4 * (n * own + played + heard) // 3


def _spikes(choice: Choice, neuron: int) -> list[bytes]:
    """Spikes of the recorded trials of a neuron, to each sound."""
    responses = choice.now.responses
    if responses is None:
        return [b"" for _ in choice.sounds]
    parts = (responses[b, neuron, :, :bins] for b, bins in zip(choice.sounds, choice.bins, strict=True))
    return [as_bytes(recorded_spikes(part, MOST_SAVED_SPIKES)) for part in parts]


def page_data(bench: BenchWidget, choice: Choice, max_gb: float = LIMIT_GB) -> dict[str, Any]:
    """Data of the page, whose neurons and sounds are counted anew from 0; fit for JSON."""
    check_memory(
        f"a page of {len(choice.neurons)} neurons",
        COPIES * page_bytes(bench, choice),
        max_gb,
    )
    now, neurons, sounds = choice.now, choice.neurons, choice.sounds
    first = sounds.index(bench.sound) if bench.sound in sounds else 0
    info = model_info(now, bench.locked_in(now), sounds[first])

    def played(values: Sequence[Tensor]) -> str:
        """Values (..., T) to each sound, one after the other."""
        parts = [
            part[..., :bins].detach().to("cpu", torch.float32).numpy().ravel()
            for part, bins in zip(values, choice.bins, strict=True)
        ]
        return _text(np.concatenate(parts).astype("<f2" if choice.half else "<f4").tobytes())

    def neuron_data(neuron: int) -> dict[str, Any]:
        state = neuron_traits(now, sounds[first], neuron)
        rate, trained, psth = now.rate(neuron), now.trained.rate(neuron), now.psth(neuron)
        return {
            **{name: _text(state[name]) for name in PER_NEURON if name not in RESPONSES},
            "rate": played([rate[b] for b in sounds]),
            "trained_rate": played([trained[b] for b in sounds]),
            "psth": "" if psth is None else played([psth[b] for b in sounds]),
            "spikes": [_text(spikes) for spikes in _spikes(choice, neuron)],
        }

    state = neuron_traits(now, sounds[first], neurons[0])
    if not info["local"]:
        # Nothing can answer an edit: the page shows the receptive field as it is.
        kind = "none" if info["kind"] == "none" else "full"
        info |= {"kind": kind, "n_gaussians": 0, "columns": [], "limits": {}}
        info["prefilter"] = {**info["prefilter"], "kind": "other", "rows": []}
        info["activation"] = {**info["activation"], "kind": "other", "names": []}
    info["n_trials"] = 0  # they would be most of the page
    info["n_neurons"], info["n_sounds"] = len(neurons), len(sounds)
    info["neuron_names"] = [_name(info["neuron_names"][n], n, "neuron") for n in neurons]
    info["sound_names"] = [_name(info["sound_names"][b], b, "sound") for b in sounds]
    info |= {"sound": first, "n_frames": choice.bins[first], "score_over": "sound"}
    return {
        "view": "explorer",
        "info": info,
        "origin": _origin(bench, now, choice, local=info["local"]),
        "cf_hz": _text(bench.cf_hz),
        "stimulus": played([now.stimulus[b, 0] for b in sounds]),
        "bins": list(choice.bins),
        "half": choice.half,
        **{name: _text(state[name]) for name in ("prefilter", "trained_prefilter")},
        "neuron": neurons.index(bench.neuron) if bench.neuron in neurons else 0,
        "channel": bench.channel,
        "neurons": [neuron_data(neuron) for neuron in neurons],
    }


def _origin(bench: BenchWidget, now: Snapshot, choice: Choice, *, local: bool) -> dict[str, Any]:
    """What the page needs to write and to read texts of `state_text`: the numbers there of its neurons and sounds.

    ``fixed`` are the edits that the page cannot make itself, and so keeps.
    """
    shown = set(choice.neurons)
    own = {name for name in now.parameters if name != "strf.bias" and not name.startswith(f"{ABLATION}.")}

    def is_fixed(name: str, index: Sequence[int]) -> bool:
        here = not now.parameters[name].per_neuron or (len(index) > 0 and index[0] in shown) if name in own else False
        return not local or not here

    return {
        "n_neurons": now.n_neurons,
        "neurons": list(choice.neurons),
        "sounds": list(choice.sounds),
        "fixed": [
            [name, list(index), np.asarray(value).tolist()]
            for name, value, index in changed_values(bench.session)
            if is_fixed(name, index) and np.isfinite(value).all()
        ],
    }


def _name(name: str, number: int, what: str) -> str:
    """A name for a page that counts anew: one that is a number from 0 as it is counted on screen."""
    return f"{what} {number + 1}" if name in (str(number), f"{what} {number}") else name


def _chosen(bench: BenchWidget, neurons: Choices, sounds: Choices, seconds: float | None, dtype: str) -> Choice:
    """What goes into the page, checked."""
    now = bench.session.snapshot()
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype must be 'float32' or 'float16', got {dtype!r}")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds must be positive, got {seconds}")
    chosen = []
    for argument, names, wanted in (
        ("neurons", now.neuron_names, neurons),
        ("sounds", now.sound_names, sounds),
    ):
        one = isinstance(wanted, (int, np.integer, str))
        listed: Any = range(len(names)) if wanted is None else [wanted] if one else wanted
        found = [neuron_index(names, each, argument) for each in listed]
        if not found or len(set(found)) < len(found):
            raise ValueError(f"{argument} must be at least one and all different, got {list(listed)}")
        chosen.append(found)
    most = math.inf if seconds is None else max(1, round(1e3 * seconds / now.dt_ms))
    bins = [int(min(now.sound_bins[b], most)) for b in chosen[1]]
    return Choice(now, chosen[0], chosen[1], bins, dtype == "float16")


def _check_size(bench: BenchWidget, choice: Choice, max_mb: float) -> None:
    """ValueError with the ways out where a page would be larger than ``max_mb``."""
    size = page_bytes(bench, choice) / 1e6
    if size <= max_mb:
        return
    ways = []
    if len(choice.neurons) > 1:
        ways.append(
            f"fewer neurons (neurons={choice.neurons[0]} alone is {_mb(bench, choice, neurons=choice.neurons[:1])})"
        )
    if len(choice.sounds) > 1:
        few = {"sounds": choice.sounds[:1], "bins": choice.bins[:1]}
        ways.append(f"fewer sounds (sounds={choice.sounds[0]} alone is {_mb(bench, choice, **few)})")
    half_bins = [max(1, bins // 2) for bins in choice.bins]
    seconds = max(half_bins) * bench.session.dt_ms / 1e3
    ways.append(f"shorter sounds (seconds={seconds:.3g} is {_mb(bench, choice, bins=half_bins)})")
    if not choice.half:
        ways.append(f"dtype='float16' ({_mb(bench, choice, half=True)})")
    raise ValueError(
        f"the page must be no larger than max_mb = {max_mb:g} MB, and {len(choice.neurons)} neurons with "
        f"{len(choice.sounds)} sounds are {size:.0f} MB: choose {', '.join(ways)}, or max_mb={math.ceil(size)}"
    )


def _mb(bench: BenchWidget, choice: Choice, **other: Any) -> str:
    return f"{page_bytes(bench, replace(choice, **other)) / 1e6:.1f} MB"


@keywords()
def save_html(
    bench: BenchWidget,
    path: str | Path,
    *,
    neurons: Choices = None,
    sounds: Choices = None,
    seconds: float | None = None,
    dtype: str = "float32",
    title: str | None = None,
    max_mb: float = 20.0,
    max_gb: float = LIMIT_GB,
) -> Path:
    """Path of an HTML file with the bench, which needs no kernel and no network.

    Models whose every step the browser can compute (prefilter, receptive field, batch norm, output curve) can be edited
    as before; of others the receptive fields and responses are shown. The page begins with the present values and keeps
    the trained ones. Its score is that of the sound on screen.

    Parameters
    ----------
    bench : BenchWidget
        Saved as it is now.
    path : str or Path
        Of the file, in a folder that exists. A page that is there already is replaced, when the new one is complete;
        any other file stays.
    neurons, sounds : int, str or a sequence of them, optional
        Which neurons and sounds the page has, by number or name; all when None.
    seconds : float, optional
        At most so many seconds of each sound, from its beginning.
    dtype : {"float32", "float16"}
        Of sounds and responses in the page. In float16 they take half the room and are rounded to 0.05 %.
    title : str, optional
        Title of the page; the model's name when None.
    max_mb : float
        A larger page is not written: the message says how large it would be, and what would make it smaller.
    max_gb : float
        Memory that the page may take while it is made, in GB of 2^30 bytes.

    Warns
    -----
    UserWarning
        The file holds some of a recording of the catalogue that may not be passed on.

    Raises
    ------
    TypeError, IndexError, ValueError
        ``neurons`` or ``sounds`` hold something else than those of the session, one of them twice, or nothing; the page
        would be larger than ``max_mb``; no file can be called so; or more than ``max_gb`` is needed.
    FileNotFoundError
        There is no such folder.
    FileExistsError
        There is something under this name that is not a page of a bench.
    OSError
        The file cannot be written.
    """
    choice = _chosen(bench, neurons, sounds, seconds, dtype)
    path = checked_path(path, "page", _is_page)
    _check_size(bench, choice, max_mb)
    data = json.dumps(page_data(bench, choice, max_gb), allow_nan=False).replace("<", "\\u003c")
    text = TEMPLATE.format(
        title=html.escape(bench.info["model"] if title is None else str(title)),
        css=bundle_text("bench.css"),
        data_id=DATA_ID,
        data=data,
        code=bundle_text("bench.js").replace("</script", "<\\/script"),
    )
    write_or_replace(path, text.encode("utf-8", "replace"), _is_page)
    _warn_of_licence(choice.now, path)
    return path


@keywords()
def save_module(
    bench: BenchWidget,
    path: str | Path,
    *,
    neurons: Choices = None,
    sounds: Choices = None,
    seconds: float | None = None,
    dtype: str = "float32",
    max_mb: float = 20.0,
    max_gb: float = LIMIT_GB,
) -> Path:
    """Path of an ES module with the bench, for MyST and Jupyter Book's ``anywidget`` directive and for any page.

    Its default export has ``render({ model, el })``, which shows the bench in an element; ``model`` may be left out.
    Code, styles and data are in it: nothing else is loaded. Parameters and errors are those of `save_html`; the name of
    the file must end in ``.mjs`` or ``.js``.

    Examples
    --------
    In a page::

        <div id="bench"></div>
        <script type="module">
          import bench from "./bench.mjs";
          bench.render({ el: document.getElementById("bench") });
        </script>
    """
    choice = _chosen(bench, neurons, sounds, seconds, dtype)
    path = as_path("path", path)
    if path.suffix not in (".mjs", ".js"):
        raise ValueError(f"path must end in .mjs or .js, got {path.name}")
    path = checked_path(path, "module", _is_module)
    _check_size(bench, choice, max_mb)
    code, exported = _EXPORT.subn(r"return \1;", bundle_text("bench.js"))
    if exported != 1:
        raise RuntimeError("bench.js must end with its one export")
    data = json.dumps(page_data(bench, choice, max_gb), allow_nan=False)
    text = MODULE.format(mark=MODULE_MARK, css=json.dumps(bundle_text("bench.css")), code=code, data=data)
    write_or_replace(path, text.encode("utf-8", "replace"), _is_module)
    _warn_of_licence(choice.now, path)
    return path


def _warn_of_licence(now: Snapshot, path: Path) -> None:
    source = now.source
    if source is not None and not source.redistribution:
        warn_user(
            f"{path} holds sounds and responses of {source.name!r} (licence: {source.licence}), which must not be "
            "passed on: keep it to yourself, or save one with sounds of your own (session.set_stimulus)",
        )


def checked_path(path: str | Path, what: str, is_ours: Callable[[Path], bool]) -> Path:
    """The path of a file to write, where nothing is, or a file that we wrote."""
    path = as_path("path", path)
    check_file_names(f"the {what}'s name", [path.name])
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} for the {what} {path.name}: make it first")
    if in_the_way(path, is_ours):
        raise FileExistsError(f"{path} is not a {what} of a bench and is not replaced: choose another name")
    return path


def _is_module(path: Path) -> bool:
    """Whether a file is one that `save_module` wrote."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MODULE_MARK)) == MODULE_MARK.encode()


def _is_page(path: Path) -> bool:
    """Whether a file is one that `save_html` wrote."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return f'id="{DATA_ID}"'.encode() in file.read(HEAD_BYTES)
