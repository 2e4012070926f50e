"""Tuning of Gaussians, whose answers are known in closed form, and of fields that have none."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf.analysis import bandwidth, best_frequency, latency, on_off_index, separability_index
from deepstrf.models.layers.strf import gaussian_mixture_kernel
from deepstrf.models.prefiltering import get_CFs
from tests.benchmarks.latency_table import BINS_MS, LATENCY_MS, WINDOWS_MS, measured

F, T, DT = 34, 40, 5.0
CF = get_CFs(500, 20000, F, "mel").double()
EVEN = 1000.0 * 2.0 ** (torch.arange(F, dtype=torch.float64) / 8)  # eight bands per octave


def gaussian(f: float, t: float, sigma_f: float, sigma_t: float, weight: float = 1.0) -> torch.Tensor:
    """Field (F,T) with a Gaussian at band f and tap t, standard deviations in bins."""
    band, tap = torch.arange(F, dtype=torch.float64)[:, None], torch.arange(T, dtype=torch.float64)
    return weight * torch.exp(-0.5 * ((band - f) / sigma_f) ** 2 - 0.5 * ((tap - t) / sigma_t) ** 2)


@settings(max_examples=25, deadline=None)
@given(
    f=st.floats(1.0, F - 2.0),
    t=st.floats(1.0, T - 2.0),
    sigma_f=st.floats(0.6, 5.0),
    sigma_t=st.floats(0.6, 8.0),
    weight=st.floats(1e-6, 1e6),
)
def test_a_gaussian_between_the_bins_is_found_exactly(f, t, sigma_f, sigma_t, weight):
    field = gaussian(f, t, sigma_f, sigma_t, weight)
    expected = 2 ** np.interp(f, range(F), CF.log2().numpy())
    assert best_frequency(field, CF).item() == pytest.approx(expected, rel=1e-5)
    assert latency(field, DT).item() == pytest.approx((T - 1 - t) * DT, abs=1e-3)
    assert best_frequency(-field, CF, inhibitory=True).item() == pytest.approx(expected, rel=1e-5)
    assert latency(-field, DT, inhibitory=True).item() == pytest.approx((T - 1 - t) * DT, abs=1e-3)


def test_the_library_s_own_gaussians():
    """A field built by the kernel of ParametricSTRF, in float32, two channels."""
    P = torch.tensor([[[[10.3], [20.0]]], [[[35.2], [30.6]]]])
    field = gaussian_mixture_kernel(P, torch.full_like(P, 1.2), torch.tensor([[[0.7], [-2.0]]]), F, T)
    assert latency(field, DT)[0, 0].item() == pytest.approx((39 - 35.2) * 5, abs=1e-3)
    assert latency(field, DT, inhibitory=True)[0, 1].item() == pytest.approx((39 - 30.6) * 5, abs=1e-3)
    assert best_frequency(field, CF, inhibitory=True)[0, 1].item() == pytest.approx(CF[20].item(), rel=1e-5)


@pytest.mark.parametrize("window_ms", WINDOWS_MS)
@pytest.mark.parametrize("dt_ms", BINS_MS)
def test_a_neuron_of_20_ms_is_read_as_20_ms(window_ms, dt_ms):
    """It follows the level of a sound that late in continuous time: see the script."""
    read, _ = measured(window_ms, dt_ms)
    assert read == pytest.approx(LATENCY_MS, abs=1.0)


@pytest.mark.parametrize("delay_ms", [0.0, 2.5, -2.5, 22.5])
def test_latency_is_the_lag_and_the_delay_of_the_stimulus(delay_ms):
    for t in (20.3, 36.7):
        field = gaussian(12.0, t, 2.0, 1.5)
        expected = (T - 1 - t) * DT + delay_ms
        assert latency(field, DT, delay_ms=delay_ms).item() == pytest.approx(expected, abs=1e-6)


def test_a_peak_nearer_than_the_sound_of_the_latest_bin_is_found_by_its_flank_down_to_zero():
    field = gaussian(12.0, T - 1 + 0.7, 2.0, 1.5)
    assert latency(field, DT, delay_ms=22.5).item() == pytest.approx(22.5 - 0.7 * DT, abs=1e-6)
    assert latency(gaussian(12.0, T + 9.0, 2.0, 6.0), DT, delay_ms=22.5).item() == 0
    assert latency(field, DT).item() == 0
    assert latency(field[:, -2:], DT, delay_ms=22.5).item() == 22.5  # two lags have no flank
    assert latency(field, DT, delay_ms=-2.5).item() == 0


@pytest.mark.parametrize("sigma_oct", [0.2, 0.35, 0.5])
@pytest.mark.parametrize("level", [0.5, 0.1, 0.8])
@pytest.mark.parametrize("f", [17.0, 16.6])
def test_bandwidth_of_a_gaussian(sigma_oct, level, f):
    field = gaussian(f, 30.3, 8 * sigma_oct, 2.0)
    expected = 2 * math.sqrt(-2 * math.log(level)) * sigma_oct
    assert bandwidth(field, EVEN, level=level).item() == pytest.approx(expected, rel=1e-6)
    assert bandwidth(-field, EVEN, level=level, inhibitory=True).item() == pytest.approx(expected, rel=1e-6)


def test_bandwidth_stops_at_the_first_fall():
    """A second hill does not count."""
    field = torch.zeros(F, T)
    field[10:13, 5] = torch.tensor([0.6, 1.0, 0.6])
    field[20, 5] = 0.9
    # From 0.6 straight down to 0: 0.5 is crossed a sixth of a band further out, on both sides.
    assert bandwidth(field, EVEN).item() == pytest.approx(2 * (1 + 1 / 6) / 8)


def test_bandwidth_that_the_bands_do_not_hold_is_nan():
    assert bandwidth(gaussian(1.0, 20.0, 4.0, 2.0), EVEN).isnan()
    assert bandwidth(gaussian(32.0, 20.0, 4.0, 2.0), EVEN).isnan()
    assert bandwidth(torch.ones(F, T), EVEN).isnan()


def test_peaks_at_the_ends_are_taken_as_they_are():
    field = torch.zeros(F, T)
    field[0, T - 1], field[1, T - 1], field[0, T - 2] = 3.0, 2.0, 2.0
    assert best_frequency(field, CF).item() == pytest.approx(500)
    assert latency(field, DT).item() == 0


def test_a_parabola_where_a_neighbour_is_not_positive():
    field = torch.zeros(F, T)
    field[9:12, 20] = torch.tensor([0.0, 4.0, 2.0])
    # Vertex of the parabola through 0, 4, 2: 0.5 (0 - 2) / (0 - 8 + 2) = 1/6 of a band above.
    expected = 2 ** (EVEN.log2()[10] + 1 / 6 / 8)
    assert best_frequency(field, EVEN).item() == pytest.approx(expected.item())


def test_one_band_and_one_tap():
    field = torch.tensor([[2.0]])
    assert best_frequency(field, torch.tensor([700.0])).item() == pytest.approx(700)
    assert latency(field, DT).item() == 0
    assert bandwidth(field, torch.tensor([700.0])).isnan()


def test_vectorised_over_any_leading_axes():
    fields = torch.stack([gaussian(5 + i, 10 + i, 1 + 0.1 * i, 2.0) for i in range(6)]).view(3, 2, F, T)
    for measure in (
        lambda h: best_frequency(h, CF),
        lambda h: latency(h, DT),
        lambda h: bandwidth(h, CF),
        separability_index,
    ):
        together = measure(fields)
        assert together.shape == (3, 2)
        alone = torch.stack([measure(h) for h in fields.reshape(6, F, T)])
        torch.testing.assert_close(together.flatten(), alone)
        strided = fields.transpose(-1, -2).contiguous().transpose(-1, -2)
        torch.testing.assert_close(measure(strided), together)
        assert measure(fields.float()).dtype == torch.float32
        assert measure(fields.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    "measure", [lambda h: best_frequency(h, CF), lambda h: latency(h, DT), lambda h: bandwidth(h, CF)]
)
def test_no_excitation_is_no_tuning(measure):
    fields = torch.stack([torch.zeros(F, T), -gaussian(9, 9, 2, 2).float(), gaussian(9, 9, 2, 2).float()])
    assert measure(fields).isnan().tolist() == [True, True, False]


def test_separability():
    assert separability_index(gaussian(9, 9, 2, 3)).item() == pytest.approx(1)
    # Two Gaussians without overlap and of energies 4 and 1: singular values squared in that proportion.
    far = gaussian(5, 5, 1, 1, 2.0) + gaussian(28, 34, 1, 1, 1.0)
    assert separability_index(far).item() == pytest.approx(0.8, abs=1e-6)
    field = torch.randn(F, T, generator=torch.Generator().manual_seed(0))
    s = np.linalg.svd(field.numpy(), compute_uv=False) ** 2
    assert separability_index(field).item() == pytest.approx(s[0] / s.sum(), rel=1e-5)
    assert separability_index(1e-25 * field).item() == pytest.approx(s[0] / s.sum(), rel=1e-4)
    assert separability_index(torch.zeros(F, T)).isnan()


def test_on_off():
    on, off = gaussian(9, 20, 1, 2, 3.0), gaussian(20, 20, 1, 2, 1.0)
    assert on_off_index(torch.stack([on, off])).item() == pytest.approx(0.5)  # (3 - 1) / (3 + 1)
    assert on_off_index(torch.stack([on, -off])).item() == pytest.approx(1)  # inhibition by OFF is not an OFF response
    assert on_off_index(torch.stack([0 * on, off])).item() == pytest.approx(-1)
    assert on_off_index(torch.stack([-on, -off])).isnan()
    assert on_off_index(torch.stack([torch.stack([on, off]), torch.stack([off, on])])).shape == (2,)


class TestErrors:
    @pytest.mark.parametrize("measure", [lambda h: best_frequency(h, CF), lambda h: latency(h, DT), separability_index])
    def test_fields(self, measure):
        with pytest.raises(ValueError, match=r"strf must have shape \(\.\.\., F, T\) without empty axes, got \(34,\)"):
            measure(torch.zeros(F))
        with pytest.raises(ValueError, match=r"without empty axes, got \(0, 34, 40\)"):
            measure(torch.zeros(0, F, T))
        with pytest.raises(ValueError, match="strf must be finite, got 1 values that are not"):
            measure(gaussian(3, 3, 1, 1).index_put((torch.tensor(0), torch.tensor(0)), torch.tensor(math.nan).double()))
        with pytest.raises(TypeError, match=r"strf must be a floating-point tensor, got torch\.int64"):
            measure(torch.zeros(F, T, dtype=torch.long))
        with pytest.raises(TypeError, match="strf must be a tensor or an array of numbers, got str"):
            measure("field.npy")

    @pytest.mark.parametrize("measure", [best_frequency, bandwidth])
    def test_centre_frequencies(self, measure):
        with pytest.raises(ValueError, match=r"cf_hz must have shape \(F,\) with F = 34, got \(33,\)"):
            measure(torch.ones(F, T), CF[1:])
        with pytest.raises(ValueError, match="cf_hz must be positive and ascending"):
            measure(torch.ones(F, T), CF.flip(0))
        with pytest.raises(TypeError, match="cf_hz must be a tensor or an array of numbers, got str"):
            measure(torch.ones(F, T), "mel")

    def test_numbers(self):
        with pytest.raises(ValueError, match=r"dt_ms must be positive \(ms\), got 0"):
            latency(torch.ones(F, T), 0)
        with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 1\.5"):
            bandwidth(torch.ones(F, T), CF, level=1.5)

    def test_channels(self):
        with pytest.raises(ValueError, match=r"2 channels, ON and OFF.* got \(3, 34, 40\)"):
            on_off_index(torch.ones(3, F, T))
        with pytest.raises(ValueError, match=r"strf must have shape \(\.\.\., 2, F, T\)"):
            on_off_index(torch.ones(F, T))


# -- bands without sound ----------------------------------------------------------------------------------------------


def test_readouts_leave_out_what_has_met_no_sound():
    """A bump in the middle, and larger weights in the highest bands and the longest lags, where nothing was played."""
    f, t = torch.arange(12.0)[:, None], torch.arange(10.0)
    bump = torch.exp(-((f - 4) ** 2) / 4 - (t - 6) ** 2 / 3)
    hz = 500 * 2 ** (torch.arange(12.0) / 3)
    field = bump.clone()
    field[9:] = 5.0
    field[:, :2] = -7.0
    heard = torch.ones(12, 10, dtype=torch.bool)
    heard[9:], heard[:, :2] = False, False
    kept = torch.where(heard, bump, 0.0)
    for readout in (
        lambda x, **k: best_frequency(x, hz, **k),
        lambda x, **k: latency(x, 5.0, **k),
        lambda x, **k: bandwidth(x, hz, **k),
        lambda x, **k: separability_index(x, **k),
    ):
        assert readout(field, heard=heard).item() == pytest.approx(readout(kept).item(), rel=1e-6)
        assert readout(field).item() != pytest.approx(readout(kept).item(), rel=1e-3)
    pair = torch.stack([field, bump])
    both = torch.stack([heard, torch.zeros_like(heard)])
    assert on_off_index(pair, heard=both).item() == 1.0
    assert best_frequency(pair, hz, heard=both)[1].isnan()


def test_a_bandwidth_that_leaves_the_bands_with_sound_is_undefined():
    f = torch.arange(12.0)[:, None]
    field = torch.exp(-((f - 6) ** 2) / 18).expand(12, 3)
    hz = 500 * 2 ** (torch.arange(12.0) / 3)
    heard = torch.ones(12, 1, dtype=torch.bool)
    assert bandwidth(field, hz, heard=heard).isfinite()
    heard[8:] = False
    assert bandwidth(field, hz, heard=heard).isnan()
    assert bandwidth(field, hz).isfinite()


def test_heard_is_a_mask_of_the_field():
    field = torch.ones(4, 3)
    hz = torch.tensor([1e3, 2e3, 4e3, 8e3])
    with pytest.raises(TypeError, match=r"heard must be a bool tensor, got torch\.float32"):
        best_frequency(field, hz, heard=torch.ones(4, 3))
    with pytest.raises(ValueError, match=r"broadcasts to that of strf, \(4, 3\), got \(3, 3\)"):
        latency(field, 5.0, heard=torch.ones(3, 3, dtype=torch.bool))
