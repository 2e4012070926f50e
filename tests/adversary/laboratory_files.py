"""Files of other programs in all states: arrays of NumPy and MATLAB, and the folders of NEMS, Phy and CRCNS."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from deepstrf.datasets import Recording, fetch, read_arrays, read_crcns_aa, read_nems, read_phy
from deepstrf.datasets.catalogue import CATALOGUE
from tests.adversary.doors import Attempt, Door, damaged
from tests.adversary.models import with_other_leaf
from tests.datasets import test_crcns, test_nems, test_phy

ARRAYS = {
    "stimulus": np.random.default_rng(0).uniform(0, 60, (5, 40)),
    "responses": np.random.default_rng(1).poisson(0.4, (3, 2, 40)).astype(float),
    "cf_hz": np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0]),
}
NUMBERS = ("nan", "inf", "-1", "1e300", "1e-300", "-0", "99999999999999999999", "x", "", "1,5", "NaT", "0x10", "\u0665")


def _finite(found: Recording) -> bool:
    """Whether a recording is one: finite sounds, and as many names as sounds."""
    return bool(found.stimuli.isfinite().all()) and len(found) == len(found.stimulus_names)


# -- arrays -------------------------------------------------------------------------------------------------------


@cache
def _arrays(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "stored.npz":
        np.savez(file, **ARRAYS)
    elif kind == "deflated.npz":
        np.savez_compressed(file, **ARRAYS)
    elif kind == "plain.mat":
        scipy.io.savemat(file, ARRAYS)
    elif kind == "deflated.mat":
        scipy.io.savemat(file, ARRAYS, do_compression=True)
    elif kind == "cells.mat":
        cells = {"stimulus": list(ARRAYS["stimulus"].reshape(5, 2, 20).transpose(1, 0, 2)), "about": {"a": 1, "b": "x"}}
        scipy.io.savemat(file, {**ARRAYS, **cells})
    else:
        with h5py.File(file, "w") as made:
            for name, values in ARRAYS.items():
                made[name] = values.T
    return file.getvalue()


def _lying_npy(rng: np.random.Generator) -> bytes:
    """An array whose header says more than there is, or something else."""
    shapes = (
        "(10000000000,)",
        "(99999999999999999999, 7)",
        "(-1,)",
        "(5, 40, 0)",
        "()",
        "(True,)",
        "7",
        "((((5,),),),)",
    )
    kinds = ("<f8", "|O", "|S1000000000", "<U9", "<c16", "|V3", ">f2", "x", "[('a', '<f8')]", "<M8[ns]")
    shape = str(rng.choice(shapes)) if rng.random() < 0.7 else "(5, 40)"
    kind = str(rng.choice(kinds)) if rng.random() < 0.7 else "<f8"
    text = f"{{'descr': {kind if kind[0] == '[' else repr(kind)}, 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + rng.bytes(1600)


def _bomb(rng: np.random.Generator) -> bytes:
    """An archive or a MATLAB file of some hundred kB with gigabytes of zeros in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        if rng.random() < 0.5:
            with archive.open("stimulus.npy", "w", force_zip64=True) as member:
                for _ in range(30):
                    member.write(bytes(1_000_000))
        else:
            archive.writestr("stimulus.npy", _lying_npy(rng))
    data = file.getvalue()
    if rng.random() < 0.5:  # the directory says 4 GB, or a few bytes
        at = data.rindex(b"PK\x01\x02") + 24
        data = data[:at] + int(rng.choice([2**32 - 2, 10, 3 * 10**9])).to_bytes(4, "little") + data[at + 4 :]
    return data


def arrays(rng: np.random.Generator, folder: Path) -> Attempt:
    """Arrays of NumPy and MATLAB: damaged, with a header that lies, with other names, shapes and kinds of numbers."""
    kind = str(rng.choice(["stored.npz", "deflated.npz", "plain.mat", "deflated.mat", "cells.mat", "hdf5.mat"]))
    data, ending = _arrays(kind), kind[-4:]
    draw = rng.random()
    if draw < 0.6:
        data = damaged(rng, data, head=int(rng.choice([128, 256, 1024, len(data)])))
    elif draw < 0.7:
        data, ending = _lying_npy(rng), ".npy"
    elif draw < 0.8:
        data, ending = _bomb(rng), ".npz"
    else:
        name = str(rng.choice(list(ARRAYS)))
        others: list[Any] = [
            *(np.zeros(0), np.float64(3), np.full((5, 40), np.nan), np.array(["a", "b"]), np.zeros((5, 40), complex)),
            *(np.zeros((2, 2, 2, 2)), np.array([True]), np.array(np.datetime64("now")), ARRAYS[name].astype(">f2")),
        ]
        other = others[int(rng.integers(len(others)))]
        file = io.BytesIO()
        np.savez(file, **{**ARRAYS, name: other})
        data, ending = file.getvalue(), ".npz"
    if rng.random() < 0.05:
        ending = str(rng.choice([".npz", ".mat", ".npy", "", ".txt"]))
    path = folder / f"a{ending}"
    path.write_bytes(data)
    axis: Any = ARRAYS["cf_hz"] if ending == ".npy" else "cf_hz"
    responses: Any = ARRAYS["responses"] if ending == ".npy" else "responses"
    stimulus = "" if ending == ".npy" else "stimulus"
    return Attempt(
        lambda: read_arrays(path, stimulus=stimulus, responses=responses, dt_ms=5.0, cf_hz=axis), (path.name,), _finite
    )


# -- folders ------------------------------------------------------------------------------------------------------


@cache
def _folder(kind: str) -> dict[str, bytes]:
    """Files of a good folder by their paths in it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / kind
        {"NEMS": test_nems, "Phy": test_phy, "CRCNS": test_crcns}[kind].write(folder)
        return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def _changed(rng: np.random.Generator, data: bytes) -> bytes:
    """A file after one kind of change, most of them such as a text file suffers."""
    lines = data.split(b"\n")
    at = int(rng.integers(len(lines)))
    match rng.integers(8):
        case 0:
            return b""
        case 1:
            return data[: int(rng.integers(len(data) + 1))]
        case 2:
            lines[at] = lines[at].replace(b",", rng.choice([b";", b"\t", b"", b",,", b"|"]))
        case 3:
            cells = lines[at].split(b",")
            cells[int(rng.integers(len(cells)))] = str(rng.choice(NUMBERS)).encode()
            lines[at] = b",".join(cells)
        case 4:
            del lines[at]
        case 5:
            lines.insert(at, rng.choice([lines[at], b"\xff\xfe\x00", b'"', b"[" * 3000, b"a" * 100_000]))
        case _:
            return damaged(rng, data, head=int(rng.choice([64, 256, len(data) or 1])))
    return b"\n".join(lines)


def _written(rng: np.random.Generator, place: Path, kind: str) -> Path:
    """A folder with one or two of its files changed, gone, or in each other's place."""
    files = dict(_folder(kind))
    names = sorted(files)
    for _ in range(int(rng.integers(1, 3))):
        name, other = (names[int(rng.integers(len(names)))] for _ in range(2))
        draw = rng.random()
        if draw < 0.8:
            files[name] = _changed(rng, files.get(name, b""))
        elif draw < 0.9:
            files.pop(name, None)
        else:
            files[name] = files.get(other, b"")
    folder = place / kind
    folder.mkdir()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def _door(kind: str, read: Callable[[Path], Recording]) -> Callable[[np.random.Generator, Path], Attempt]:
    def make(rng: np.random.Generator, place: Path) -> Attempt:
        folder = _written(rng, place, kind)
        return Attempt(lambda: read(folder), (kind,), _finite)

    return make


def _read_phy(folder: Path) -> Recording:
    return read_phy(folder, events=folder / "events.csv", **test_phy.OPTIONS)


# -- catalogues ---------------------------------------------------------------------------------------------------


@cache
def _catalogue() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return content


def catalogue(rng: np.random.Generator, place: Path) -> Attempt:
    """A catalogue with a value that is another, gone, or there twice; the table of it, or a set that is not there."""
    content = _catalogue()
    for _ in range(int(rng.integers(1, 4))):
        content = with_other_leaf(rng, content)
    try:
        data = json.dumps(content).encode()
    except RecursionError:
        data = b"[" * 100_000
    if rng.random() < 0.1:
        data = damaged(rng, data, head=len(data))
    path = place / "catalogue.json"
    path.write_bytes(data)
    if rng.random() < 0.5:
        return Attempt(lambda: fetch(catalogue=path), (path.name,), lambda table: len(table.columns) == 9)
    names = [name for name, entry in _catalogue()["sets"].items() if entry.get("address") is None]
    name = str(rng.choice(names))
    return Attempt(lambda: fetch(name, folder=place / "data", catalogue=path), (path.name, name), lambda _: False)


DOORS = {
    "catalogue": Door(1000, catalogue),
    "arrays": Door(2000, arrays),
    "NEMS": Door(1000, _door("NEMS", read_nems)),
    "Phy": Door(1000, _door("Phy", _read_phy)),
    "CRCNS": Door(1000, _door("CRCNS", lambda folder: read_crcns_aa(folder, **test_crcns.OPTIONS))),
}
