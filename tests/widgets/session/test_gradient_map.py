"""The gradient map of a session does not depend on what was played before its steady sound."""

import pytest

from deepstrf.models import NetworkReceptiveField, StateNet
from deepstrf_widgets import LiveSession

CF_HZ = [500.0, 900.0, 2000.0, 7000.0, 16000.0]


@pytest.mark.parametrize("build", [NetworkReceptiveField, StateNet])
def test_the_map_is_that_after_a_longer_steady_sound(build, make_stimulus):
    sizes = {"kernel_size": 3, "stride": 1} if build is StateNet else {}
    model = build(5, temporal_window_size=4, out_neurons=3, **sizes).double().eval()
    stimulus = make_stimulus()
    found = LiveSession(model, stimulus, dt_ms=5.0, cf_hz=CF_HZ).live.gradient_map(1)
    steady = stimulus.mean((0, 3), keepdim=True).expand(-1, -1, -1, 2000)
    longer = model.STRF_gradmap(steady, neurons=[1], per_channel=True)[0]
    assert (found - longer).abs().max() < 1e-4 * longer.abs().max()
