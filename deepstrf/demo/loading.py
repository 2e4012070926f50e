"""The demo as it is shipped, read from the files that `deepstrf.demo.make_demo` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from deepstrf.demo.sounds import spectrogram
from deepstrf.models import LinearNonlinear
from deepstrf.short_repr import short_repr
from deepstrf.stimuli import Spectrogram, read_wav

DATA = Path(__file__).parent / "data"
SOUND_FILE = "sound.flac"
RESPONSES_FILE = "responses.safetensors"
MODEL_FOLDER, TRUTH_FOLDER = "model", "truth"


class Demo(NamedTuple):
    """A fitted model, a sound, and the responses of the simulated neurons to it.

    Attributes
    ----------
    model : LinearNonlinear
        Fitted to five minutes of other sounds of the same kind; in evaluation mode. F = 34, T = 40, N = 6.
    stimulus : Spectrogram
        Of the shipped five seconds, (34, 1000).
    responses : Tensor, shape (1, N, R, 1000)
        Spike counts of each trial, Poisson.
    truth : LinearNonlinear
        The model that fired those spikes.
    neuron_names : list of str
    sound_path : Path
        The sound, for a player.
    """

    model: LinearNonlinear
    stimulus: Spectrogram
    responses: Tensor
    truth: LinearNonlinear
    neuron_names: list[str]
    sound_path: Path

    def __repr__(self) -> str:
        return short_repr(self)


def load_demo() -> Demo:
    """Fitted model of six simulated neurons with a sound and their responses, from files of the package: see `Demo`.

    Raises
    ------
    FileNotFoundError, ValueError
        A shipped file is missing or damaged; the message names it.

    Examples
    --------
    >>> demo = load_demo()
    >>> demo.stimulus
    Spectrogram('demo', 34 bands 500-20000 Hz, 1000 bins of 5 ms = 5 s, 0 to 65.6 dB)
    >>> tuple(demo.model(demo.stimulus.values[None, None]).shape)
    (1, 6, 1, 1000)
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    waveform, _ = read_wav(DATA / SOUND_FILE)
    model, metadata = LinearNonlinear.from_pretrained(DATA / MODEL_FOLDER, return_metadata=True)
    truth = LinearNonlinear.from_pretrained(DATA / TRUTH_FOLDER)
    try:
        responses = load_file(DATA / RESPONSES_FILE)["responses"].to(torch.float32)
    except SafetensorError as error:
        raise ValueError(f"{DATA / RESPONSES_FILE} is damaged: {error}") from error
    return Demo(
        model, spectrogram(waveform, "demo"), responses, truth, list(metadata["neuron_names"]), DATA / SOUND_FILE
    )
