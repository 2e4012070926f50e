"""The modulation transfer function against ripples that a convolution really answers, and Gabors in closed form."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf.analysis import direction_index, modulation_transfer
from deepstrf.models.layers import CausalSTRFConv
from deepstrf.models.prefiltering import get_CFs
from deepstrf.stimuli import log_mel_spectrogram, moving_ripple

F, T, DT = 24, 40, 5.0
CF = get_CFs(500, 16000, F, "mel").double()
OCTAVES = (CF.log2() - CF.log2()[0]).numpy()
LAG_S = np.arange(T - 1, -1, -1) * DT / 1000


def gabor(rate_hz: float, density: float, sigma_s: float = 0.04, sigma_oct: float = 0.7, phase: float = 0.3):
    """A Gaussian times a ripple run backwards in lag: the field that the ripple (rate, density) drives best."""
    envelope = np.exp(-0.5 * ((LAG_S - 0.09) / sigma_s) ** 2) * np.exp(
        -0.5 * ((OCTAVES[:, None] - 2.5) / sigma_oct) ** 2
    )
    carrier = np.cos(2 * np.pi * (density * OCTAVES[:, None] - rate_hz * LAG_S) + phase)
    return torch.from_numpy(envelope * carrier * np.gradient(OCTAVES)[:, None])


@pytest.mark.parametrize(("rate_hz", "density"), [(8.0, 0.5), (-8.0, 0.5), (4.0, 0.0), (-20.0, 1.0), (0.0, 0.8)])
def test_gain_is_the_amplitude_of_the_answer_to_a_ripple(rate_hz, density):
    g = torch.Generator().manual_seed(0)
    fields = torch.randn(2, F, T, generator=g, dtype=torch.float64)
    conv = CausalSTRFConv(F, T, 1, 2, bias=False).double()
    with torch.no_grad():
        conv.kernel.weight.copy_(fields[:, None])
    one_rate, one_density = (torch.tensor([value], dtype=torch.float64) for value in (rate_hz, density))
    gain = modulation_transfer(fields, CF, DT, rate_hz=one_rate, density_cyc_oct=one_density).gain[:, 0, 0]
    time = np.arange(600) * DT / 1000
    answers = []
    for phase in (0.0, np.pi / 2):  # two ripples in quadrature: the root of the sum of squares is the amplitude
        ripple = np.sin(2 * np.pi * (rate_hz * time + density * OCTAVES[:, None]) + phase)
        answers.append(conv(torch.from_numpy(ripple)[None, None])[0, :, 0, T:].detach())
    amplitude = (answers[0] ** 2 + answers[1] ** 2).sqrt()
    torch.testing.assert_close(amplitude, gain[:, None].expand_as(amplitude).double(), rtol=1e-8, atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(rate_hz=st.one_of(st.floats(-30, -12), st.floats(12, 30)), density=st.floats(0.6, 1.2))
def test_a_gabor_peaks_at_its_ripple(rate_hz, density):
    peak_rate, peak_density, gain = modulation_transfer(gabor(rate_hz, density), CF, DT).peak()
    assert peak_rate.item() == pytest.approx(rate_hz, abs=0.3)
    assert peak_density.item() == pytest.approx(density, abs=0.05)
    # Half the integral of the envelope, 2 pi sigma_s sigma_oct / 2, in bins of dt; the other half is at (-w, -density).
    assert gain.item() == pytest.approx(math.pi * 0.04 * 0.7 / (DT / 1000), rel=0.03)


def test_a_field_prefers_the_ripple_that_moving_ripple_makes():
    """Sign conventions from the sound to the response: each of two fields answers its own direction more."""
    fields = torch.stack([gabor(10.0, 0.8), gabor(-10.0, 0.8)])
    conv = CausalSTRFConv(F, T, 1, 2, bias=False).double()
    with torch.no_grad():
        conv.kernel.weight.copy_(fields[:, None])
    for own, velocity in enumerate((10.0, -10.0)):
        sound = moving_ripple(velocity, 0.8, min_hz=400.0, max_hz=18000.0, duration_s=1.5)
        stimulus = log_mel_spectrogram(sound, 44100, n_bands=F, min_hz=500.0, max_hz=16000.0).values.double()
        answer = conv((stimulus - stimulus.mean(1, keepdim=True))[None, None])[0, :, 0, 2 * T : -T].detach()
        assert answer[own].std() > 5 * answer[1 - own].std()


def test_directions():
    fields = torch.stack([gabor(15.0, 0.8), gabor(-15.0, 0.8), gabor(15.0, 0.8) + gabor(-15.0, 0.8, phase=-0.3)])
    index = direction_index(modulation_transfer(fields, CF, DT))
    assert index[0] > 0.95
    assert index[1] < -0.95
    assert index.shape == (3,)
    separable = torch.outer(torch.randn(F, generator=torch.Generator().manual_seed(1)), torch.rand(T))
    # A real separable field has the same gain at (w, density) and (-w, density).
    assert direction_index(modulation_transfer(separable.double(), CF, DT)).item() == pytest.approx(0, abs=1e-9)
    assert direction_index(modulation_transfer(torch.zeros(F, T), CF, DT)).isnan()


def test_axes_and_shapes():
    transfer = modulation_transfer(torch.randn(3, 2, F, T), CF, DT)
    assert transfer.gain.shape == (3, 2, 41, 101)
    assert transfer.gain.dtype == torch.float32
    assert (transfer.rate_hz[0], transfer.rate_hz[-1]) == (-50, 50)
    assert transfer.density_cyc_oct[0] == 0
    widest = CF.log2().diff().max().item()
    assert transfer.density_cyc_oct[-1].item() == pytest.approx(0.5 / widest)
    assert modulation_transfer(torch.randn(F, T), CF, 20.0).rate_hz[-1] == 25  # half of 50 bins per second
    assert modulation_transfer(torch.randn(1, T), CF[:1], DT).density_cyc_oct[-1] == 0.5
    assert all(value.shape == (3, 2) for value in transfer.peak())
    assert all(value.isnan() for value in modulation_transfer(torch.zeros(F, T), CF, DT).peak())


def test_impulse_is_flat():
    field = torch.zeros(F, T)
    field[3, 20] = -2.0
    torch.testing.assert_close(modulation_transfer(field, CF, DT).gain, torch.full((41, 101), 2.0))


def test_errors():
    field = torch.ones(F, T)
    with pytest.raises(ValueError, match=r"rate_hz must be ascending, of one axis, got shape \(2,\)"):
        modulation_transfer(field, CF, DT, rate_hz=torch.tensor([2.0, 1.0]))
    with pytest.raises(ValueError, match=r"density_cyc_oct must be ascending, of one axis, got shape \(0,\)"):
        modulation_transfer(field, CF, DT, density_cyc_oct=[])
    with pytest.raises(ValueError, match=r"dt_ms must be positive \(ms\), got -5"):
        modulation_transfer(field, CF, -5.0)
    with pytest.raises(ValueError, match="rate_hz must be symmetric about 0 Hz, got 0 to 4 Hz"):
        direction_index(modulation_transfer(field, CF, DT, rate_hz=torch.arange(5.0)))
