"""The picture that stands for a bench where no kernel is."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from deepstrf_widgets import BenchWidget, STRFEditor, explore
from deepstrf_widgets.bench.still import COOL, HEIGHT, WARM, WIDTH, still


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("kernel", ["gaussians", "full", "separable"])
def test_the_picture_follows_edits_and_neurons(make_session, kernel):
    session = make_session(kernel)
    before = pixels(still(session, 0))
    assert before.shape == (HEIGHT, WIDTH, 3)
    assert (before == pixels(still(session, 0))).all()
    assert (before != pixels(still(session, 1))).any()
    name = {"gaussians": "strf.weight", "full": "strf.kernel", "separable": "strf.factor_t"}[kernel]
    index = (0,) * len(session.parameters[name].shape)
    session.set(name, 5.0, index)
    assert (before != pixels(still(session, 0))).any()


def test_a_session_without_responses_or_fields_has_a_picture_too(make_session, make_stimulus):
    from deepstrf.models import StateNet

    session = make_session()
    session.set_stimulus(make_stimulus())
    assert pixels(still(session, 0)).std() > 0
    model = StateNet(n_frequency_bands=5, out_neurons=2, kernel_size=3)
    net = explore(model, make_stimulus(), dt_ms=4.0, cf_hz=session.cf_hz)
    assert pixels(still(net.session, 1)).std() > 0
    net.close()


@pytest.mark.parametrize("make", [BenchWidget, STRFEditor, explore])
def test_outputs_hold_the_picture_beside_the_widget(session, make):
    shown = make(session)
    bundle = shown._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert base64.b64decode(data["image/png"]) == still(session, 0)
    assert len(data["image/png"]) < 60_000
    assert data["text/plain"] == repr(shown)
    assert "application/vnd.jupyter.widget-view+json" in data
    shown.close()


def test_the_largest_weights_have_the_colours_of_excitation_and_inhibition(session):
    """Which a palette chosen from the pixels gave to the sound, that fills more of them."""
    for sign, colour in ((1.0, WARM), (-1.0, COOL)):
        session.set("strf.weight", sign, (0, 0, 0))
        assert (pixels(still(session, 0)) == colour).all(-1).any()
    assert len(Image.open(io.BytesIO(still(session, 0))).getpalette("RGB")) == 3 * 256
