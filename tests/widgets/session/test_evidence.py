"""What has met no sound: left out of read-outs and colour scales, and counted on screen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepstrf.models import LinearNonlinear
from deepstrf.training import FieldBand
from deepstrf_widgets import LiveSession, explore, gallery
from deepstrf_widgets.figures.neuron_figure import neuron_figure
from deepstrf_widgets.session.evidence import heard_by, silence_text

N, F, T, FRAMES = 3, 6, 5, 200


@pytest.fixture
def half_silent():
    """A session whose recording leaves the two highest of six bands silent, where the largest weights are."""
    torch.manual_seed(0)
    model = LinearNonlinear(F, T, out_neurons=N).eval()
    with torch.no_grad():
        model.readout.strf.kernel.weight.mul_(0.1)
        model.readout.strf.kernel.weight[:, 0, 1, 2] = 1.0
        model.readout.strf.kernel.weight[:, 0, 5, 0] = 9.0
    sound = torch.rand(1, 1, F, FRAMES)
    sound[:, :, 4:] = 0.0
    responses = torch.poisson(torch.full((1, N, 2, FRAMES), 0.5))
    hz = 500 * 2 ** np.arange(F)
    return LiveSession(model, sound, responses, dt_ms=5.0, cf_hz=hz)


def test_the_mask_and_its_description(half_silent):
    heard = heard_by(half_silent)
    assert heard[0].any(1).tolist() == [True] * 4 + [False] * 2
    assert silence_text(half_silent) == silence_text(half_silent.snapshot()) == "2 of 6 bands without sound"


@pytest.mark.parametrize(("recorded", "text"), [(True, ""), (False, "2 of 6 bands without sound")])
def test_of_several_sounds_those_count_to_which_something_was_recorded(half_silent, recorded, text):
    """The second has sound in all bands; where no response to it is there, the fit has never met it."""
    sounds = torch.cat([half_silent.first_stimulus, torch.rand(1, 1, F, FRAMES)])
    responses = half_silent.first_responses.repeat(2, 1, 1, 1)
    if not recorded:
        responses[1] = torch.nan
    several = LiveSession(half_silent.model, sounds, responses, dt_ms=5.0, cf_hz=half_silent.cf_hz)
    assert silence_text(several) == text


def test_without_a_recording_the_sound_says_nothing_about_the_fit(half_silent):
    plain = LiveSession(half_silent.model, half_silent.stimulus, dt_ms=5.0, cf_hz=half_silent.cf_hz)
    assert heard_by(plain) is None
    assert silence_text(plain) == ""


def test_another_sound_later_changes_nothing(half_silent):
    half_silent.set_stimulus(torch.rand(1, 1, F, FRAMES))
    assert silence_text(half_silent) == "2 of 6 bands without sound"


def test_gallery_and_figure_leave_it_out_and_say_so(half_silent):
    shown = gallery(half_silent)
    assert "2 of 6 bands without sound" in repr(shown)
    read = shown.readouts()
    assert read["peak"].tolist() == pytest.approx([1.0] * N)
    assert (read["best_frequency_hz"] < 1500).all()
    assert not shown.kernels[:, :, 4:].any()
    assert np.abs(shown.kernels).max() == 127
    figure = neuron_figure(half_silent, 1)
    assert figure.layout.title.text.endswith("2 of 6 bands without sound")
    (field,) = (trace for trace in figure.data if trace.name == "STRF")
    assert (field.zmin, field.zmax) == (-1.0, 1.0)
    shown.close()


def test_the_bench_shows_what_was_silent(half_silent):
    bench = explore(half_silent, figures=False).bench
    assert bench.info["unheard"] == {"rows": [4, 5], "frames": 0, "text": "2 of 6 bands without sound"}
    plain = LiveSession(half_silent.model, half_silent.stimulus, dt_ms=5.0, cf_hz=half_silent.cf_hz)
    assert explore(plain, figures=False).bench.info["unheard"] == {"rows": [], "frames": 0, "text": ""}


def test_a_gallery_fades_what_may_be_zero_and_has_intervals(half_silent):
    estimate = half_silent.live.kernels(range(N)).detach()
    estimate = estimate / estimate.flatten(1).norm(dim=1)[:, None, None, None]
    error = torch.full_like(estimate, 1.0)
    error[:, 0, 1, 2] = 1e-3

    class Fixed:
        estimate = torch.full((N, 1), 1000.0)

        def interval(self, level=0.95):
            return torch.full((N, 1), 900.0), torch.full((N, 1), 1100.0)

    bands = {"strf": FieldBand(estimate, error), "best_frequency": Fixed()}
    plain, shown = gallery(half_silent), gallery(half_silent, confidence=bands)
    assert np.array_equal(shown.kernels[:, 0, 1, 2], plain.kernels[:, 0, 1, 2])
    rest = np.delete(plain.kernels.reshape(N, -1), 1 * T + 2, axis=1).astype(float)
    pale = np.delete(shown.kernels.reshape(N, -1), 1 * T + 2, axis=1)
    assert np.abs(pale - 0.3 * rest).max() <= 1
    read = shown.readouts()
    assert read["best_frequency_hz_low"].tolist() == [900.0] * N
    assert read["best_frequency_hz_high"].tolist() == [1100.0] * N
    assert "latency_ms_low" not in read
    half_silent.set("strf.kernel", 0.5, (0, 0, 0, 0))
    shown.refresh()
    assert np.abs(shown.kernels[0] - 0.3 * plain.kernels[0]).max() > 5  # an edited field is drawn in full
    with pytest.raises(ValueError, match="confidence must be None where kernels are given"):
        gallery(half_silent, kernels=torch.ones(N, 1, F, T), confidence=bands)
    explorer = explore(half_silent, figures=False, gallery=True, confidence=bands)
    assert np.array_equal(explorer.gallery.kernels[1], shown.kernels[1])
    for one in (explorer, plain, shown):
        one.close()
