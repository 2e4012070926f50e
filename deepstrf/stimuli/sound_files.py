"""A sound file's waveform, or an error that says what is wrong with the file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

MAX_SECONDS = 600.0
MAX_VALUES = 2**28  # samples times channels: 1 GiB of float32
UNKNOWN_CHUNK_SIZES = (0, 0xFFFFFFFF)  # written by programs that stream and cannot know the size beforehand


def read_wav(path: str | os.PathLike[str], *, max_s: float = MAX_SECONDS) -> tuple[np.ndarray, int]:
    """Waveform and sample rate of a sound file, several channels averaged into one.

    Parameters
    ----------
    path : str or path
        WAV of 8, 16, 24 or 32 bits, integer or float, any sample rate; also FLAC, AIFF and what else libsndfile reads.
    max_s : float
        Longest sound that is accepted, s: a guard against filling the memory by mistake.

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
        The file is a folder, is empty, is not a sound, holds no samples or NaN or infinity, is cut short (its header
        promises more than there is), is longer than ``max_s``, or
        has more than 2^28 samples over all channels. The message names the file.
    """
    import soundfile  # type: ignore[import-untyped]

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no sound file {path}")
    if not path.is_file():
        raise ValueError(f"{path} is a folder, not a sound file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty: it has 0 bytes")
    missing = _missing_wav_bytes(path)
    if missing > 0:
        raise ValueError(f"{path} is cut short: its header promises {missing} bytes of sound more than there are")
    try:
        with soundfile.SoundFile(path) as sound:
            promised, rate_hz = sound.frames, sound.samplerate
            if promised > max_s * rate_hz:
                raise ValueError(f"{path} is too long: {promised / rate_hz:.1f} s, the limit max_s is {max_s:g} s")
            if promised * sound.channels > MAX_VALUES:
                raise ValueError(
                    f"{path} is too large: {promised} samples of {sound.channels} channels, "
                    f"the limit is {MAX_VALUES} values"
                )
            samples = sound.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} is not a sound that can be read: {error.error_string}") from error
    if len(samples) < promised:
        raise ValueError(f"{path} is cut short: {len(samples)} of {promised} samples could be read")
    if len(samples) == 0:
        raise ValueError(f"{path} holds no samples: its length is 0 s")
    waveform = samples.mean(1) if samples.shape[1] > 1 else samples[:, 0]
    bad = np.flatnonzero(~np.isfinite(waveform))
    if bad.size:
        raise ValueError(
            f"{path} holds {bad.size} samples that are NaN or infinite, the first at {bad[0] / rate_hz:g} s"
        )
    return np.ascontiguousarray(waveform), rate_hz


def _missing_wav_bytes(path: Path) -> int:
    """How many bytes the data chunk of a WAV file lacks of its declared size; 0 for any other kind of file.

    libsndfile reads such a file without complaint, hence this walk over the chunks.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(12)
        if len(header) < 12 or header[:4] != b"RIFF" or header[8:] != b"WAVE":
            return 0
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                return 0 if length in UNKNOWN_CHUNK_SIZES else max(0, file.tell() + length - size)
            file.seek(length + length % 2, os.SEEK_CUR)
    return 0
