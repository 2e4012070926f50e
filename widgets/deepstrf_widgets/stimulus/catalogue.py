"""Sounds to choose for a session: synthetic ones with a few parameters each, and files, on the session's own bands."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf.models.prefiltering import get_CFs
from deepstrf.models.time_constants import WARPS
from deepstrf.stimuli import (
    Spectrogram,
    dynamic_random_chord,
    fm_sweep,
    log_mel_spectrogram,
    moving_ripple,
    noise_burst,
    spectrogram_from_wav,
    tone_pip,
)

__all__ = [
    "MAX_FILE_MB",
    "MAX_FILE_S",
    "SOUNDS",
    "Knob",
    "Sound",
    "bands_of",
    "is_spaced",
    "sound_from_bytes",
    "synthetic_sound",
    "too_large",
]

BEFORE_S, AFTER_S = 0.2, 0.4
"""Silence around a synthetic sound: what the neuron does at rest, and after the end."""

MAX_FILE_MB = 32
MAX_FILE_S = 60.0

SAME_BAND = 1e-3
"""Relative difference below which two centre frequencies are the same: those of a rounded file are."""


@dataclass(frozen=True)
class Knob:
    """One parameter of a sound: its label with the unit, range, step (in octaves where ``log``) and default."""

    label: str
    low: float
    high: float
    step: float
    value: float
    log: bool = False


@dataclass(frozen=True)
class Sound:
    """A synthetic sound: its name, its knobs by argument, and the function that has these arguments."""

    label: str
    knobs: Mapping[str, Knob]
    make: Callable[..., NDArray[np.float64]]


def _level(value: float = -20.0) -> Knob:
    return Knob("level (dB re full scale)", -60.0, 0.0, 1.0, value)


def _duration(value: float) -> Knob:
    return Knob("duration (s)", 0.02, 3.0, 0.02, value)


def _frequency(label: str, value: float) -> Knob:
    return Knob(f"{label} (Hz)", 20.0, 40000.0, 1 / 12, value, log=True)


SOUNDS: dict[str, Sound] = {
    "tone": Sound(
        "Tone",
        {"freq_hz": _frequency("frequency", 4000.0), "duration_s": _duration(0.3), "level_db": _level()},
        tone_pip,
    ),
    "noise": Sound(
        "Noise burst",
        {
            "min_hz": _frequency("from", 500.0),
            "max_hz": _frequency("to", 20000.0),
            "duration_s": _duration(0.3),
            "level_db": _level(),
        },
        noise_burst,
    ),
    "sweep": Sound(
        "Frequency sweep",
        {
            "start_hz": _frequency("from", 1000.0),
            "end_hz": _frequency("to", 16000.0),
            "duration_s": _duration(0.5),
            "level_db": _level(),
        },
        fm_sweep,
    ),
    "ripple": Sound(
        "Moving ripple",
        {
            "velocity_hz": Knob("velocity (cycles/s)", -32.0, 32.0, 0.5, 4.0),
            "density_cyc_oct": Knob("density (cycles/octave)", -4.0, 4.0, 0.1, 0.5),
            "depth_db": Knob("depth (dB)", 0.0, 60.0, 1.0, 30.0),
            "duration_s": _duration(1.0),
            "level_db": _level(),
        },
        moving_ripple,
    ),
    "chord": Sound(
        "Random chords",
        {
            "chord_ms": Knob("length of a chord (ms)", 10.0, 200.0, 5.0, 20.0),
            "tone_probability": Knob("tones that sound (share)", 0.05, 1.0, 0.05, 0.3),
            "duration_s": _duration(2.0),
            "level_db": _level(),
        },
        dynamic_random_chord,
    ),
}
"""Sounds by name; every knob is an argument of the function in :mod:`deepstrf.stimuli` that makes it."""


def bands_of(cf_hz: NDArray[np.float64]) -> dict[str, Any]:
    """Arguments of :func:`deepstrf.stimuli.log_mel_spectrogram` that give these centre frequencies.

    Raises
    ------
    ValueError
        No scale of the library spaces bands like this.
    """
    low, high, n = float(cf_hz[0]), float(cf_hz[-1]), len(cf_hz)
    scale = _scale_of(cf_hz)
    if scale is not None:
        return {"n_bands": n, "min_hz": low, "max_hz": high, "scale": scale}
    raise ValueError(
        f"cf_hz must be equally spaced on one of the scales {', '.join(WARPS)} for a sound to be made for them, "
        f"got {n} bands from {low:g} to {high:g} Hz that are not"
    )


def is_spaced(cf_hz: NDArray[np.float64]) -> bool:
    """Whether a sound can be made for these centre frequencies."""
    return _scale_of(cf_hz) is not None


def _scale_of(cf_hz: NDArray[np.float64]) -> str | None:
    """The scale on which centre frequencies are equally spaced."""
    low, high, n = float(cf_hz[0]), float(cf_hz[-1]), len(cf_hz)
    for scale in WARPS:
        if n > 1 and np.allclose(get_CFs(low, high, n, scale).double().numpy(), cf_hz, rtol=SAME_BAND, atol=0):
            return scale
    return None


def synthetic_sound(name: str, values: Mapping[str, float], cf_hz: NDArray[np.float64], dt_ms: float) -> Spectrogram:
    """Spectrogram of a sound of :data:`SOUNDS` between two silences, on the bands and bins of a session.

    Parameters
    ----------
    name : str
    values : mapping of str to float
        Of its knobs; a knob without a value has its default.
    cf_hz : ndarray, shape (F,)
        Hz.
    dt_ms : float

    Raises
    ------
    ValueError
        There is no such sound or knob, a value breaks the rule of the function that makes the sound, or no scale of
        the library has these bands.
    """
    if name not in SOUNDS:
        raise ValueError(f"name must be one of {', '.join(SOUNDS)}, got {name!r}")
    sound = SOUNDS[name]
    unknown = values.keys() - sound.knobs.keys()
    if unknown:
        raise ValueError(f"values must be of {', '.join(sound.knobs)}, got {', '.join(sorted(unknown))}")
    bands = bands_of(cf_hz)
    settings: dict[str, float] = {knob: values.get(knob, sound.knobs[knob].value) for knob in sound.knobs}
    if "min_hz" not in sound.knobs and name in ("ripple", "chord"):
        settings |= {"min_hz": bands["min_hz"], "max_hz": bands["max_hz"]}
    # The library's own rate, and for higher bands one at which they still have room below its half.
    rate_hz = max(44100.0, float(np.ceil(2.5 * max(bands["max_hz"], *_frequencies(settings)))))
    made = sound.make(**settings, sample_rate_hz=rate_hz)
    silences = (round(seconds * rate_hz) for seconds in (BEFORE_S, AFTER_S))
    return log_mel_spectrogram(np.pad(made, tuple(silences)), rate_hz, dt_ms=dt_ms, name=sound.label, **bands)


def _frequencies(settings: Mapping[str, float]) -> list[float]:
    return [value for knob, value in settings.items() if knob in ("freq_hz", "min_hz", "max_hz", "start_hz", "end_hz")]


def sound_from_bytes(content: bytes, name: str, cf_hz: NDArray[np.float64], dt_ms: float) -> Spectrogram:
    """Spectrogram of a sound file that came from the browser, on the bands and bins of a session.

    Parameters
    ----------
    content : bytes
        The whole file: WAV, FLAC or another format that :func:`deepstrf.stimuli.read_wav` reads.
    name : str
        Of the file, for messages.

    Raises
    ------
    ValueError
        The file is larger than 32 MB, longer than a minute, or not a sound that can be read; the message names it.
    """
    if len(content) > MAX_FILE_MB * 1_000_000:
        raise too_large(name, len(content))
    shown = _file_name(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        path.write_bytes(content)
        try:
            found = spectrogram_from_wav(path, dt_ms=dt_ms, max_s=MAX_FILE_S, **bands_of(cf_hz))
        except ValueError as error:
            said = str(error).replace(str(path), shown)
            raise ValueError(said.replace("; raise it with", "; in Python, spectrogram_from_wav takes")) from error
    return replace(found, name=shown)


def too_large(name: str, size: int) -> ValueError:
    """The error of a file of so many bytes."""
    return ValueError(
        f"{_file_name(name)} is too large: {size / 1e6:.1f} MB, the limit is {MAX_FILE_MB} MB: cut it, or make a "
        "spectrogram of it in a cell and hand it over with session.set_stimulus(...)"
    )


def _file_name(name: str) -> str:
    return Path(name).name or "the file"
