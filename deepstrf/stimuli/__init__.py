"""Sounds and spectrograms, read from files or made from a formula."""

from deepstrf.stimuli.evidence import heard_weights, moving_bands
from deepstrf.stimuli.sound_files import read_wav
from deepstrf.stimuli.spectrogram import Spectrogram, log_mel_spectrogram, spectrogram_from_wav
from deepstrf.stimuli.synthesis import (
    cosine_ramps,
    dynamic_random_chord,
    fm_sweep,
    moving_ripple,
    noise_burst,
    tone_pip,
)

__all__ = [
    "Spectrogram",
    "cosine_ramps",
    "dynamic_random_chord",
    "fm_sweep",
    "heard_weights",
    "log_mel_spectrogram",
    "moving_bands",
    "moving_ripple",
    "noise_burst",
    "read_wav",
    "spectrogram_from_wav",
    "tone_pip",
]
