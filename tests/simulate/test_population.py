"""What a simulated population says of itself is true of its responses."""

import math

import numpy as np
import pytest
import torch

from deepstrf.analysis import best_frequency, latency, modulation_transfer
from deepstrf.datasets import RecordingFolder
from deepstrf.metrics import snr
from deepstrf.models.layers import ParametricSTRF
from deepstrf.simulate import expected_snr, random_chords, simulate_population, strf_correlation
from deepstrf.stimuli import log_mel_spectrogram, noise_burst

RATE_HZ = 8000
HEARING = {"n_bands": 16, "max_hz": 4000.0}
KINDS = [
    {"strf": "gaussian"},
    {"strf": "gabor", "output": "sigmoid"},
    {"strf": "gaussian", "adaptation": "adaptrans", "output": "double_exponential"},
    {"strf": "gabor", "adaptation": "icadaptation"},
    {"strf": "oscillation", "adaptation": "adaptrans"},
]


def simulate(n=3, **options):
    return simulate_population(n, **{"seconds": 10, "sample_rate_hz": RATE_HZ, **HEARING, **options})


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_in_it(kind):
    p = simulate(trials=2, **kind)
    channels = 2 if kind.get("adaptation") == "adaptrans" else 1
    assert p.stimuli.shape == (2, 1, 16, 1000)
    assert p.responses.shape == (2, 3, 2, 1000)
    assert p.expected.shape == (2, 3, 1, 1000)
    assert p.strf.shape == (3, channels, 16, 20)
    assert not p.model.training
    with torch.no_grad():
        assert torch.equal(p.model(p.stimuli), p.expected)
    assert torch.equal(p.strf, p.model.effective_STRF()[0])
    assert torch.equal(p.responses, p.responses.round())
    assert (p.expected >= 0).all()
    for waveform, stimulus in zip(p.waveforms, p.stimuli, strict=True):
        assert torch.equal(log_mel_spectrogram(waveform, RATE_HZ, **HEARING).values, stimulus[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wanted", [0.1, 1.0])
def test_every_neuron_has_the_wanted_snr(kind, wanted):
    assert expected_snr(simulate(snr=wanted, **kind).expected).tolist() == pytest.approx([wanted] * 3, rel=1e-4)


def test_the_responses_have_the_wanted_snr():
    """`deepstrf.metrics.snr` of the responses, within 4 standard errors of the mean over 30 neurons."""
    measured = snr(simulate(30, snr=0.5, trials=6).responses)
    error = measured.std().item() / math.sqrt(30)
    assert error < 0.02
    assert abs(measured.mean().item() - 0.5) < 4 * error


def test_responses_scatter_about_the_expected_counts():
    p = simulate(trials=200)
    z = (p.responses.mean(2, keepdim=True) - p.expected) / (p.expected / 200).sqrt()
    assert abs(z.mean().item()) < 4 / math.sqrt(z.numel())
    assert abs(z.var().item() - 1) < 4 * math.sqrt(2.1 / z.numel())


def test_the_drive_has_unit_variance_under_the_softplus():
    p = simulate()
    field, bias = p.model.effective_STRF()
    padded = torch.nn.functional.pad(p.stimuli, (19, 0))
    drive = torch.nn.functional.conv2d(padded, field, bias)[:, :, 0]
    gain = p.model.readout.bn.weight.detach()
    assert torch.allclose(drive.transpose(0, 1).flatten(1).std(1), gain, rtol=1e-3)


def test_gaussian_fields_are_excitation_then_inhibition():
    p = simulate(20, seconds=5, strf="gaussian")
    assert isinstance(p.model.readout.strf.kernel, ParametricSTRF)
    field = p.strf[:, 0]
    assert (field.amax((1, 2)) > -0.3 * field.amin((1, 2))).all()
    assert (field.amin((1, 2)) < 0).all()
    first, later = latency(field, p.dt_ms), latency(field, p.dt_ms, inhibitory=True)
    # Lags are 0.1 to 0.25 windows of 100 ms; inhibition comes no earlier than half a width (at least 5 ms) after.
    assert ((first >= 7) & (first <= 28)).all()
    assert (later > first).all()


def test_best_frequencies_cover_the_range():
    p = simulate(40, seconds=5)
    cf_hz = best_frequency(p.strf[:, 0], p.cf_hz)
    assert cf_hz.min() < 900
    assert cf_hz.max() > 2500


def test_gabor_fields_prefer_ripples_that_move_either_way():
    p = simulate(20, seconds=5, strf="gabor", n_bands=30)
    rate_hz, density, _ = modulation_transfer(p.strf[:, 0], p.cf_hz, p.dt_ms).peak()
    # 0.5 to 2 cycles in a window of 100 ms are 5 to 20 Hz; the envelope's spectrum draws the peak by up to its width,
    # 1/(2 pi 0.08 window) = 20 Hz and 1/(2 pi 0.3) = 0.5 cycles per octave.
    assert (rate_hz.abs() <= 40).all()
    assert (density <= 1.3).all()
    assert (rate_hz > 0).any()
    assert (rate_hz < 0).any()


def test_oscillating_fields_ring_and_are_silent_before_their_latency():
    p = simulate(20, seconds=5, strf="oscillation", n_bands=30)
    in_time = torch.einsum("nft,nf->nt", p.strf[:, 0], p.strf[:, 0].abs().sum(2)).flip(-1)  # lag 0 first
    assert (in_time[:, 0].abs() < 1e-6 * in_time.abs().amax(1)).all()
    # A later part has the other sign.
    peak = in_time.abs().argmax(1)
    sign = in_time.gather(1, peak[:, None]).sign()
    later = torch.arange(in_time.shape[1]) > peak[:, None]
    rebound = torch.where(later, -sign * in_time, 0.0).amax(1) / in_time.abs().amax(1)
    assert rebound.median() > 0.05


@pytest.mark.parametrize("family", ["gabor", "oscillation"])
def test_one_channel_excites_and_the_other_inhibits(family):
    p = simulate(12, seconds=5, adaptation="adaptrans", strf=family)
    on, off = p.strf.unbind(1)
    factor = (on * off).sum((1, 2)) / (on * on).sum((1, 2))
    assert torch.allclose(off, factor[:, None, None] * on, atol=1e-6)
    assert {round(f, 2) for f in factor.tolist()} == {-0.4, -2.5}  # mostly ON, and its reverse


def test_seeds_of_neurons_sounds_and_spikes():
    a = simulate(seconds=5, trials=2, seed=4)
    state = torch.get_rng_state()
    again = simulate(seconds=5, trials=2, seed=4)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(a.responses, again.responses)
    longer = simulate(seconds=10, trials=1, seed=4, snr=0.2)
    assert (strf_correlation(a.strf, longer.strf) > 0.9999).all()
    assert torch.equal(longer.stimuli[0], a.stimuli[0])
    other = simulate(seconds=5, trials=2, seed=5)
    assert (strf_correlation(a.strf, other.strf) < 0.99).all()
    assert not torch.equal(other.stimuli, a.stimuli)


def test_own_sounds_of_unequal_length():
    sounds = [noise_burst(duration_s=s, min_hz=500, max_hz=3900, sample_rate_hz=RATE_HZ, seed=0) for s in (0.5, 1.0)]
    p = simulate(sounds=sounds, trials=2)
    assert p.bins == (100, 200)
    assert p.expected[0, ..., 100:].isnan().all()
    assert p.responses[0, ..., 100:].isnan().all()
    assert expected_snr(p.expected).tolist() == pytest.approx([1.0] * 3, rel=1e-4)


def test_it_is_a_recording_that_can_be_written_and_read(tmp_path):
    p = simulate(2, seconds=5, trials=3, snr=0.3)
    back = RecordingFolder(p.write(tmp_path / "folder"), **HEARING)
    assert torch.equal(back.stimuli, p.stimuli)
    assert torch.equal(back.responses, p.responses)
    assert (back.neuron_names, back.stimulus_names) == (p.neuron_names, p.stimulus_names)


def test_chords():
    sounds = random_chords(12, RATE_HZ, max_hz=20000.0, seed=1)
    assert len(sounds) == 2
    assert all(s.shape == (5 * RATE_HZ,) and s.dtype == np.float32 for s in sounds)
    assert all(0.05 < np.abs(s).max() <= 1 for s in sounds)
    assert np.array_equal(sounds[0], random_chords(5, RATE_HZ, max_hz=20000.0, seed=1)[0])
    values = log_mel_spectrogram(sounds[0], RATE_HZ, **HEARING).values
    assert (values.std(1) > 5).all()  # every band is kept busy, dB


def test_strf_correlation_is_numpys():
    a, b = torch.randn(2, 3, 2, 4, 5)
    expected = [np.corrcoef(x.flatten().numpy(), y.flatten().numpy())[0, 1] for x, y in zip(a, b, strict=True)]
    assert strf_correlation(a, b).tolist() == pytest.approx(expected, abs=1e-6)
    assert strf_correlation(a, 2 * a + 1).tolist() == pytest.approx([1.0] * 3)
    with pytest.raises(ValueError, match=r"estimate must have the shape of truth, \(3, 2, 4, 5\), got \(2, 4, 5\)"):
        strf_correlation(a[0], b)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n_neurons must be at least 1, got 0"),
        ({"trials": 0}, "trials must be at least 1, got 0"),
        ({"n_lags": 1}, "n_lags must be at least 2, got 1"),
        ({"snr": 0.0}, r"snr must be positive, got 0\.0"),
        ({"snr": math.nan}, "snr must be positive, got nan"),
        ({"strf": "square"}, "strf must be one of 'gaussian', 'gabor', 'oscillation', got 'square'"),
        ({"output": "step"}, "output must be one of 'softplus', 'sigmoid', 'double_exponential', got 'step'"),
        ({"adaptation": "none"}, r"kind must be one of .*, got 'none'"),
        ({"seconds": 4.0}, r"seconds must be at least one sound, 5 s, got 4\.0"),
        ({"min_hz": 5000.0, "max_hz": 6000.0}, "min_hz must lie below half the sample rate, 4000 Hz"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        simulate(**options)


def test_a_misspelt_keyword_is_named():
    with pytest.raises(TypeError, match=r"simulate_population\(\) has no argument 'second': did you mean 'seconds'\?"):
        simulate_population(2, second=15)
    with pytest.raises(TypeError, match=r"simulate_population\(\) has no argument 'n_band': did you mean 'n_bands'\?"):
        simulate_population(2, n_band=10)
