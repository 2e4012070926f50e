"""A population of simulated neurons with its recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepstrf.datasets import Recording, RecordingFolder, collate
from deepstrf.deprecation import keywords
from deepstrf.models import LinearNonlinear
from deepstrf.simulate.neurons import OUTPUTS, random_neurons, scale_rates, standardise_drive
from deepstrf.simulate.noise import expected_snr, poisson_spikes
from deepstrf.stimuli import dynamic_random_chord, log_mel_spectrogram

FIELDS = ("gaussian", "gabor", "oscillation")
SOUND_S = 5.0
TONES_PER_OCTAVE = 12


@keywords()
class SimulatedPopulation(Recording):
    """Recording of simulated neurons, with the truth about them: see `simulate_population`.

    Attributes
    ----------
    model : LinearNonlinear
        The neurons themselves, in evaluation mode: their expected spike counts for any stimulus.
    strf : Tensor, shape (N, C, F, T)
        Their receptive fields as they act, batch norm folded in.
    expected : Tensor, shape (B, N, 1, T)
        Expected spikes per bin for the stimuli here, NaN after their end.
    waveforms : tuple of ndarray, shape (samples,)
        Sound of each stimulus, float32.
    sample_rate_hz : int
        Of the waveforms.
    """

    model: LinearNonlinear
    strf: Tensor
    expected: Tensor
    waveforms: tuple[np.ndarray, ...]
    sample_rate_hz: int

    def write(self, folder: str | Path) -> Path:
        """The folder, now holding sounds and spikes as a `deepstrf.datasets.RecordingFolder` reads them."""
        return RecordingFolder.write(folder, self, self.waveforms, self.sample_rate_hz)


@keywords(log_mel_spectrogram)
def simulate_population(
    n_neurons: int = 6,
    *,
    seconds: float = 60.0,
    trials: int = 1,
    snr: float = 1.0,
    strf: str = "gaussian",
    adaptation: str | None = None,
    output: str = "softplus",
    n_lags: int = 20,
    sounds: Sequence[np.ndarray] | None = None,
    sample_rate_hz: int = 44100,
    seed: int = 0,
    **spectrogram: Any,
) -> SimulatedPopulation:
    """Recording of LN neurons that are drawn by chance, with everything that is true of them.

    Parameters
    ----------
    n_neurons : int
        N.
    seconds : float
        Sound in total, s, in pieces of 5 s: see `random_chords`. Unused when ``sounds`` are given.
    trials : int
        R, repeats of every sound.
    snr : float
        Signal power over noise power of every neuron in a single trial, positive: see `expected_snr`. The firing rates
        are scaled until they have it, since the noise of a Poisson neuron follows from its rate alone: 1 in bins of
        5 ms takes some 50 to 150 spikes/s on average, more than most neurons fire.
    strf : {"gaussian", "gabor", "oscillation"}
        Receptive fields made of three Gaussians (a model with `ParametricSTRF` can equal them), ripples under a
        Gaussian envelope, or damped oscillations along time.
    adaptation : {None, "adaptrans", "icadaptation"}
        Prefilter, as in `deepstrf.models.prefiltering.make_prefiltering`.
    output : {"softplus", "sigmoid", "double_exponential"}
        Output curve.
    n_lags : int
        T of the receptive fields, in bins; at least 2.
    sounds : sequence of ndarray, shape (samples,), optional
        Sounds to play, full scale 1; None draws chords.
    sample_rate_hz : int
        Of the sounds.
    seed : int
        The neurons, the chords and the spikes each have numbers of their own: the same seed gives the same receptive
        fields whatever is played to them, and the same sounds whatever the neurons.
    **spectrogram
        ``dt_ms``, ``n_bands``, ``min_hz``, ``max_hz``, ``scale``, ``window_ms``, ``floor_db``, as in
        `deepstrf.stimuli.log_mel_spectrogram`.

    Returns
    -------
    SimulatedPopulation

    Raises
    ------
    ValueError
        A parameter breaks its rule.
    NotImplementedError
        Unknown scale.

    Examples
    --------
    >>> simulate_population(2, seconds=5, trials=3, sample_rate_hz=16000, max_hz=8000.0)
    SimulatedPopulation(1 stimuli, 5 s in bins of 5 ms, 34 bands 500-8000 Hz, 2 neurons, up to 3 trials)
    """
    for name, count, least in (("n_neurons", n_neurons, 1), ("trials", trials, 1), ("n_lags", n_lags, 2)):
        if count < least:
            raise ValueError(f"{name} must be at least {least}, got {count}")
    for name, chosen, choices in (("strf", strf, FIELDS), ("output", output, tuple(OUTPUTS))):
        if chosen not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {chosen!r}")
    if not snr > 0:
        raise ValueError(f"snr must be positive, got {snr}")
    for_neurons, for_sounds, for_spikes = np.random.SeedSequence(seed).spawn(3)
    if sounds is None:
        sounds = random_chords(
            seconds, sample_rate_hz, max_hz=spectrogram.get("max_hz", 20000.0), seed=np.random.default_rng(for_sounds)
        )
    waveforms = tuple(np.asarray(sound, dtype=np.float32) for sound in sounds)
    spectrograms = [log_mel_spectrogram(waveform, sample_rate_hz, **spectrogram) for waveform in waveforms]
    bins = [one.values.shape[1] for one in spectrograms]
    stimuli, mask = collate([(one.values[None], torch.zeros(1, 1, one.values.shape[1])) for one in spectrograms])
    model = random_neurons(
        np.random.default_rng(for_neurons),
        n_neurons,
        strf=strf,
        adaptation=adaptation,
        output=output,
        n_lags=n_lags,
        cf_hz=spectrograms[0].cf_hz,
        dt_ms=spectrograms[0].dt_ms,
        scale=spectrogram.get("scale", "mel"),
    )
    with torch.no_grad():
        standardise_drive(model, stimuli, mask)
        scale_rates(model, snr / expected_snr(model(stimuli) + mask))
        expected = model(stimuli) + mask
    spike_seed = int(for_spikes.generate_state(1)[0])
    population = SimulatedPopulation(
        stimuli,
        poisson_spikes(expected, trials, seed=spike_seed),
        dt_ms=spectrograms[0].dt_ms,
        cf_hz=spectrograms[0].cf_hz,
        stimulus_names=[f"sound_{b:03d}" for b in range(len(spectrograms))],
        neuron_names=[f"neuron_{n:03d}" for n in range(1, n_neurons + 1)],
        bins=bins,
        delay_ms=spectrograms[0].delay_ms,
    )
    population.model, population.expected = model, expected
    population.strf, _ = model.effective_STRF()
    population.waveforms, population.sample_rate_hz = waveforms, sample_rate_hz
    return population


@keywords(low_hz="min_hz", high_hz="max_hz")
def random_chords(
    seconds: float,
    sample_rate_hz: int = 44100,
    *,
    min_hz: float = 500.0,
    max_hz: float = 20000.0,
    seed: int | np.random.Generator = 0,
) -> list[np.ndarray]:
    """Sounds of 5 s that hold the spectrum busy: chords of 20 ms with 12 tones an octave, drawn by chance, float32.

    Parameters
    ----------
    seconds : float
        In total; at least 5 and a whole number of sounds after rounding.
    sample_rate_hz : int
    min_hz, max_hz : float
        Range of the tones; its upper end is kept under 0.98 times half the sample rate.
    seed : int or Generator

    Raises
    ------
    ValueError
        ``seconds`` is less than a sound, or a frequency is out of range.

    References
    ----------
    Linden, Liu, Sahani, Schreiner & Merzenich (2003), J. Neurophysiol. 90:2660.
    """
    if not seconds >= SOUND_S:
        raise ValueError(f"seconds must be at least one sound, {SOUND_S:g} s, got {seconds}")
    rng = np.random.default_rng(seed)
    highest = min(max_hz, 0.98 * sample_rate_hz / 2)
    return [
        dynamic_random_chord(
            duration_s=SOUND_S, min_hz=min_hz, max_hz=highest, tones_per_octave=TONES_PER_OCTAVE,
            sample_rate_hz=sample_rate_hz, seed=rng,
        ).astype(np.float32)
        for _ in range(round(seconds / SOUND_S))
    ]  # fmt: skip


@keywords()
def strf_correlation(estimate: Tensor, truth: Tensor) -> Tensor:
    """Pearson correlation (N,) of receptive fields (N, C, F, T) with the true ones, over channels, bands and lags.

    Raises
    ------
    ValueError
        The shapes differ.

    Examples
    --------
    >>> field = torch.arange(12.0).view(1, 1, 3, 4)
    >>> strf_correlation(5 - 2 * field, field).tolist()
    [-1.0]
    """
    if estimate.shape != truth.shape:
        raise ValueError(f"estimate must have the shape of truth, {tuple(truth.shape)}, got {tuple(estimate.shape)}")
    a, b = (x.detach().cpu().double().flatten(1) for x in (estimate, truth))
    a, b = (x - x.mean(1, keepdim=True) for x in (a, b))
    return ((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))).clamp(-1, 1).float()
