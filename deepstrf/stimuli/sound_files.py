"""A sound file's waveform, or an error that says what is wrong with the file."""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.paths import as_path

__all__ = ["ENDINGS", "MAX_SECONDS", "read_wav"]

MAX_SECONDS = 600.0
ENDINGS = (".wav", ".wave", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".flac", ".ogg", ".oga",
           ".opus", ".mp3", ".sph", ".nist", ".voc")  # fmt: skip
FORMATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3", "NIST", "VOC")
BYTES_PER_SAMPLE = 8
"""Beside the channels in float32: their average, and its copy."""


@keywords()
def read_wav(
    path: str | os.PathLike[str], *, max_s: float = MAX_SECONDS, max_gb: float = LIMIT_GB
) -> tuple[np.ndarray, int]:
    """Waveform and sample rate of a sound file, several channels averaged into one.

    Parameters
    ----------
    path : str or path
        WAV of 8, 16, 24 or 32 bits, integer or float, any sample rate; also RF64, W64, AIFF, AU, CAF, FLAC, Ogg, MP3,
        NIST and VOC.
    max_s : float
        Longest sound that is accepted, s: a guard against filling the memory by mistake.
    max_gb : float
        Memory that the sound may take, in GB of 2^30 bytes, all channels counted.

    Returns
    -------
    waveform : ndarray of float32, shape (samples,)
        Full scale is 1; float files may go beyond.
    sample_rate_hz : int

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is a folder, is empty, is not a sound of these formats, holds no samples or NaN or infinity, is cut
        short (its header promises more than there is), is longer than ``max_s``, or needs more than ``max_gb``. The
        message names the file.
    """
    import soundfile  # type: ignore[import-untyped]

    path = as_path("path", path)
    if not path.exists():
        raise FileNotFoundError(f"there is no sound file {path}")
    if not path.is_file():
        raise ValueError(f"{path} is a {'folder' if path.is_dir() else 'pipe or device'}, not a sound file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty: it has 0 bytes")
    if path.suffix.lower() == ".raw":
        raise ValueError(f"{path} is not a sound that can be read: samples without a header; write them as WAV")
    with path.open("rb") as file:
        missing, unsized_at = _faults(file)
        if missing > 0:
            raise ValueError(
                f"{path} is cut short: its header promises {missing} bytes of sound more than there are: "
                "copy or export it again"
            )
        source: str | io.BytesIO = str(path)
        if unsized_at:
            check_memory(str(path), path.stat().st_size, max_gb)
            source = _with_size(file, unsized_at)
    try:
        with soundfile.SoundFile(source) as sound:
            promised, rate_hz, channels = sound.frames, sound.samplerate, sound.channels
            if sound.format not in FORMATS:
                raise ValueError(f"{path} is not a sound that can be read: it is of the format {sound.format}")
            if promised > max_s * rate_hz:
                raise ValueError(f"{path} is too long: {promised / rate_hz:.1f} s, the limit max_s is {max_s:g} s")
            needed = promised * (4.0 * channels + BYTES_PER_SAMPLE)
            check_memory(f"{path}: {promised} samples of {channels} channels", needed, max_gb)
            samples = sound.read(promised, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OverflowError) as error:
        m4a = " (MPEG-4 sounds, m4a, must be turned into WAV or FLAC)" if _is_mpeg4(path) else ""
        reason = getattr(error, "error_string", error)
        raise ValueError(f"{path} is not a sound that can be read: {reason}{m4a}") from error
    if len(samples) < promised:
        raise ValueError(
            f"{path} is cut short: {len(samples)} of {promised} samples could be read: copy or export it again"
        )
    if len(samples) == 0:
        raise ValueError(f"{path} holds no samples: its length is 0 s")
    waveform = samples.mean(1) if samples.shape[1] > 1 else samples[:, 0]
    bad = np.flatnonzero(~np.isfinite(waveform))
    if bad.size:
        raise ValueError(
            f"{path} holds {bad.size} samples that are NaN or infinite, the first at {bad[0] / rate_hz:g} s: "
            "replace them, by 0 or by what lies beside them, before the file is read"
        )
    return np.ascontiguousarray(waveform), rate_hz


class _Container(NamedTuple):
    """How a family of files writes down its chunks."""

    start: int
    id_bytes: int
    size_bytes: int
    order: Literal["little", "big"]
    align: int
    data: bytes
    own_header: bool = False
    """Whether the size of a chunk counts its header."""


_CONTAINERS = {
    b"RIFF": _Container(12, 4, 4, "little", 2, b"data"),
    b"RF64": _Container(12, 4, 4, "little", 2, b"data"),
    b"FORM": _Container(12, 4, 4, "big", 2, b"SSND"),
    b"caff": _Container(8, 4, 8, "big", 1, b"data"),
    b"riff": _Container(40, 16, 8, "little", 8, b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a", own_header=True),
}
MOST_CHUNKS = 10_000


def _faults(file: BinaryIO) -> tuple[int, int]:
    """How many bytes of sound a file lacks, and where a size of 0 stands that should be the rest of the file; else 0.

    libsndfile reads files that were cut short without complaint in many formats, hence this walk over their headers.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(1024)
    if start[:4] in _CONTAINERS:
        return _faults_of_chunks(file, _CONTAINERS[start[:4]], size)
    if start[:4] in (b".snd", b"dns."):
        order: Literal["little", "big"] = "big" if start[:4] == b".snd" else "little"
        offset, length = (int.from_bytes(start[at : at + 4], order) for at in (4, 8))
        return (0 if length == 2**32 - 1 else offset + length - size), 0
    if start[:7] == b"NIST_1A":
        fields = dict(re.findall(rb"(\w+) -i (\d{1,18})\s", start))
        samples = math.prod(int(fields.get(name, 0)) for name in (b"sample_count", b"channel_count", b"sample_n_bytes"))
        return int(start[8:16].strip() or 0 if start[8:16].strip().isdigit() else 0) + samples - size, 0
    if start[:19] == b"Creative Voice File":
        return _missing_of_voc(file, int.from_bytes(start[20:22], "little"), size), 0
    return 0, 0


def _faults_of_chunks(file: BinaryIO, container: _Container, size: int) -> tuple[int, int]:
    frame_bytes, data_size = 1, None
    chunks = list(_chunks(file, container, size))
    for i, (name, place, length) in enumerate(chunks):
        file.seek(place)
        if name == b"fmt ":
            frame_bytes = max(1, int.from_bytes(file.read(14)[12:], "little"))
        elif name == b"ds64":
            data_size = int.from_bytes(file.read(16)[8:], "little")
        elif name == container.data:
            unknown = length in (-1, 2**32 - 1)
            if unknown and data_size is not None:
                length, unknown = data_size, False
            if container is _CONTAINERS[b"RIFF"] and length == 0 and place < size and not _end_well(chunks[i:], size):
                return 0, place - 4
            there = size - place
            # Some programs round the size up; what matters are whole samples.
            return (0 if unknown or length // frame_bytes <= there // frame_bytes else length - there), 0
    return 0, 0


def _chunks(file: BinaryIO, container: _Container, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, place of the content and length of each chunk."""
    place, header = container.start, container.id_bytes + container.size_bytes
    for _ in range(MOST_CHUNKS):
        file.seek(place)
        read = file.read(header)
        if len(read) < header:
            return
        length = int.from_bytes(read[container.id_bytes :], container.order, signed=container.size_bytes == 8)
        length -= header if container.own_header else 0
        place += header
        yield read[: container.id_bytes], place, length
        place += max(length, 0)
        place += -(place if container.own_header else length) % container.align
        if place >= size:
            return


def _end_well(chunks: Sequence[tuple[bytes, int, int]], size: int) -> bool:
    """Whether these chunks are some and fill the file to its end: what follows an empty one is then no sound."""
    _, place, length = chunks[-1]
    return len(chunks) > 1 and all(chunk[0].isascii() for chunk in chunks) and place + length + length % 2 == size


def _with_size(file: BinaryIO, at: int) -> io.BytesIO:
    """The file with the size of its data, whose place is ``at``, filled in."""
    file.seek(0)
    whole = bytearray(file.read())
    whole[at : at + 4] = (len(whole) - at - 4).to_bytes(4, "little")
    return io.BytesIO(whole)


def _missing_of_voc(file: BinaryIO, place: int, size: int) -> int:
    """Bytes by which the last block passes the end of the file; a block of type 0 ends them."""
    for _ in range(MOST_CHUNKS):
        file.seek(place)
        header = file.read(4)
        if len(header) < 4 or header[0] == 0:
            break
        place += 4 + int.from_bytes(header[1:], "little")
    return max(0, place - size)


def _is_mpeg4(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(12)[4:8] == b"ftyp"
