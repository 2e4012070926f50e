"""Neurons whose truth is known: drawn by chance, played the library's sounds, and recorded as one would record them."""

from deepstrf.simulate.noise import expected_snr, poisson_spikes
from deepstrf.simulate.population import SimulatedPopulation, random_chords, simulate_population, strf_correlation

__all__ = [
    "SimulatedPopulation",
    "expected_snr",
    "poisson_spikes",
    "random_chords",
    "simulate_population",
    "strf_correlation",
]
