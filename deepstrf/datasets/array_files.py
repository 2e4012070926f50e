"""A recording in arrays of a NumPy or a MATLAB file."""

from __future__ import annotations

import lzma
import math
import os
import re
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from deepstrf.datasets.assembly import shortened
from deepstrf.datasets.recording import Recording
from deepstrf.deprecation import keywords
from deepstrf.memory import GB, LIMIT_GB, check_memory
from deepstrf.paths import as_path

__all__ = ["load_arrays", "read_arrays"]

GZIP, NPY = b"\x1f\x8b", b"\x93NUMPY"
HDF5 = b"\x89HDF\r\n\x1a\n"
PIECE = 2**20
COMPRESSED = 15
"""Type of an element of a MATLAB file that is deflated."""

UNREADABLE = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, OSError, EOFError, MemoryError,
    AssertionError, SyntaxError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What NumPy, SciPy and h5py raise for a file that is damaged, or locked with a password, or says more than it has."""


@keywords(Recording.from_arrays)
def read_arrays(
    path: str | os.PathLike[str],
    *,
    stimulus: str = "stimulus",
    responses: str = "responses",
    dt_ms: str | float = "dt_ms",
    cf_hz: Any = "cf_hz",
    max_gb: float = LIMIT_GB,
    **options: Any,
) -> Recording:
    """Recording from the arrays of an ``.npz`` or a ``.mat`` file, as `Recording.from_arrays` takes them.

    Sounds of several lengths are cell arrays in a .mat, and in an .npz arrays ``stimulus_0``, ``stimulus_1``, ... and
    ``responses_0``, ...

    Parameters
    ----------
    path : str or path
        NumPy's .npz; MATLAB's .mat of any version, also 7.3.
    stimulus, responses : str
        Their names in the file.
    dt_ms, cf_hz : str, or number and array
        Names in the file, or the values.
    max_gb : float
        Memory that the file may take, in GB of 2^30 bytes.
    **options
        Others of `Recording.from_arrays`: ``neuron_names``, ``response_dt_ms``, ...

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ImportError
        scipy (or h5py, for version 7.3) is not installed: ``pip install 'deepstrf-lab[mat]'``.
    ValueError
        The file cannot be read, lacks a name (the message lists what it has), or its arrays do not fit together.
    """
    path = as_path("path", path)
    found = load_arrays(path, max_gb=max_gb)

    def named(argument: str, name: Any) -> Any:
        if not isinstance(name, str):
            return name
        if name in found:
            return found[name]
        parts = {int(m[1]): key for key in found if (m := re.fullmatch(rf"{re.escape(name)}_(\d+)", key))}
        if parts:
            return [found[parts[i]] for i in sorted(parts)]
        shapes = shortened([f"{key} {_shape(value)}" for key, value in found.items()])
        raise ValueError(f"{argument} must name something in {path}, which has {shapes}, got {name!r}")

    width = np.asarray(named("dt_ms", dt_ms))
    if width.size != 1 or width.dtype.kind not in "iuf":
        raise ValueError(f"{path}: dt_ms must be one number (ms), got {_shape(width)}")
    axis = named("cf_hz", cf_hz)
    try:
        return Recording.from_arrays(
            named("stimulus", stimulus),
            named("responses", responses),
            dt_ms=float(width.reshape(())),
            cf_hz=axis.ravel() if isinstance(axis, np.ndarray) else axis,
            **options,
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except TypeError as error:
        given = {"stimulus": stimulus, "responses": responses, "cf_hz": cf_hz}
        in_file = tuple(name for name, value in given.items() if isinstance(value, str))
        raise (ValueError if str(error).startswith(in_file) else TypeError)(f"{path}: {error}") from error


def load_arrays(path: Path, *, max_gb: float = LIMIT_GB) -> dict[str, Any]:
    """Arrays of an .npz, .npy or .mat file by their names; cell arrays are lists.

    An .npy has one array, whose name is empty. Nothing that a file asks for is run (no pickle).

    Raises
    ------
    FileNotFoundError, ImportError, ValueError
        As of `read_arrays`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    check_memory(str(path), path.stat().st_size, max_gb)
    with path.open("rb") as file:
        if file.read(len(GZIP)) == GZIP:
            raise ValueError(f"{path} is compressed by gzip, whatever its name says: unpack it")
    ending = path.suffix.lower()
    if ending in (".npz", ".npy"):
        return _numpy(path, max_gb)
    if ending == ".mat":
        with path.open("rb") as file:
            is_hdf5 = HDF5 in file.read(1024)
        return _hdf5(path, max_gb) if is_hdf5 else _matlab(path, max_gb)
    raise ValueError(f"{path} must end with .npz, .npy or .mat, got {path.suffix!r}")


def _numpy(path: Path, max_gb: float) -> dict[str, Any]:
    try:
        stated = _stated_bytes(path)
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as a NumPy file: {error}") from error
    check_memory(str(path), stated, max_gb)
    try:
        opened = np.load(path, allow_pickle=False)
        if isinstance(opened, np.ndarray):
            return {"": opened}
        with opened:
            return {name: opened[name] for name in opened.files}
    except UNREADABLE as error:
        if "Object arrays" in str(error):
            raise ValueError(
                f"{path} holds Python objects, which are not read because they can run code: save sounds of several "
                "lengths as stimulus_0, stimulus_1, ... and responses_0, ..."
            ) from None
        raise ValueError(f"{path} cannot be read as a NumPy file: {error}") from error


def _stated_bytes(path: Path) -> float:
    """How large the arrays of a NumPy file are by what it says: NumPy takes that memory before it reads any."""
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            return _array_bytes(file)
    with zipfile.ZipFile(path) as archive:
        total = 0.0
        for one in archive.infolist():
            with archive.open(one) as member:
                total += max(float(one.file_size), _array_bytes(member))
        return total


def _array_bytes(file: Any) -> float:
    """Bytes of an array by its header; 0 of what has none."""
    if file.read(len(NPY)) != NPY:
        return 0.0
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = tuple(file.read(2))
    if version not in read:
        return 0.0
    shape, _, dtype = read[version](file)
    return math.prod(map(float, shape)) * dtype.itemsize


def _matlab(path: Path, max_gb: float) -> dict[str, Any]:
    """Arrays of a MATLAB file before version 7.3."""
    try:
        import scipy.io  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError("reading .mat needs the package scipy: pip install 'deepstrf-lab[mat]'") from error
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty: it has 0 bytes")
    unreadable = (*UNREADABLE, scipy.io.matlab.MatReadError)
    try:
        listed = scipy.io.whosmat(path)
    except unreadable as error:
        raise ValueError(f"{path} cannot be read as a MATLAB file: {error}") from error
    stated = sum(math.prod(map(float, shape)) for _, shape, kind in listed if kind not in ("cell", "struct", "sparse"))
    check_memory(str(path), max(8 * stated, _unpacked_bytes(path, max_gb)), max_gb)
    try:
        found = scipy.io.loadmat(path)
    except unreadable as error:
        raise ValueError(f"{path} cannot be read as a MATLAB file: {error}") from error
    result: dict[str, Any] = {}
    for name, value in found.items():
        if not name.startswith("__"):
            result.update(_members(name, value, max_gb))
    return result


def _unpacked_bytes(path: Path, max_gb: float) -> int:
    """How large the variables of a MATLAB file are when they are inflated; counted until it is more than the limit."""
    data, total, at = memoryview(path.read_bytes()), 0, 128
    order = ">" if bytes(data[126:128]) == b"MI" else "<"
    while at + 8 <= len(data) and total <= max_gb * GB:
        kind, size = struct.unpack_from(f"{order}II", data, at)
        packed, inflate = bytes(data[at + 8 : at + 8 + size]), zlib.decompressobj()
        at += 8 + size
        if kind != COMPRESSED:
            total += len(packed)
            continue
        try:
            while packed and total <= max_gb * GB:
                total += len(inflate.decompress(packed, PIECE))
                packed = inflate.unconsumed_tail
        except zlib.error:
            break  # which the reader says better
    return total


def _members(name: str, value: Any, max_gb: float) -> dict[str, Any]:
    """A variable, or the fields of a struct as name.field; cells are lists."""
    if isinstance(value, np.ndarray) and value.dtype.names:
        if value.size != 1:
            return {}
        fields: dict[str, Any] = {}
        for field in value.dtype.names:
            fields.update(_members(f"{name}.{field}", value[field].reshape(-1)[0], max_gb))
        return fields
    if isinstance(value, np.ndarray) and value.dtype == object:
        return {name: [_dense(name, one, max_gb) for one in value.ravel(order="F")]}
    return {name: _dense(name, value, max_gb)}


def _dense(name: str, value: Any, max_gb: float) -> np.ndarray:
    """An array, also of a sparse matrix, as which some programs keep spike trains."""
    if not hasattr(value, "toarray"):
        return np.asarray(value)
    check_memory(f"the sparse matrix {name!r}", float(np.prod(value.shape)) * value.dtype.itemsize, max_gb)
    dense: np.ndarray = value.toarray()
    return dense


def _hdf5(path: Path, max_gb: float) -> dict[str, Any]:
    """Arrays of a MATLAB file of version 7.3, which is HDF5 with all axes in the other order."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "reading .mat of version 7.3 needs the package h5py: pip install 'deepstrf-lab[mat]'"
        ) from error
    result: dict[str, Any] = {}

    def read(data: Any) -> Any:
        if data.attrs.get("MATLAB_empty", 0):
            return np.zeros(0)
        if h5py.check_ref_dtype(data.dtype) is not None:
            return [read(file[one]) for one in data[()].ravel()]
        check_memory(f"{path}, {data.name}", float(data.size) * data.dtype.itemsize, max_gb)
        return np.ascontiguousarray(np.asarray(data[()]).T)

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and not name.startswith("#"):
            result[name.replace("/", ".")] = read(node)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except UNREADABLE as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} cannot be read as a MATLAB file: {error}") from error
    return result


def _shape(value: Any) -> str:
    if isinstance(value, list):
        return f"({len(value)} cells)"
    return f"({type(value).__name__})" if np.ndim(value) == 0 else str(np.shape(value))
