"""Simulated neurons with known receptive fields, and recordings of their spikes."""

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
