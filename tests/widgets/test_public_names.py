"""What a user types most stands at the top of the package."""

import deepstrf_widgets
from deepstrf_widgets import (
    bench,
    explorer,
    figures,
    fits,
    neuron_gallery,
    pictures,
    play,
    prediction,
    session,
    stimulus,
    training,
)

ROOMS = (bench, explorer, figures, fits, neuron_gallery, pictures, play, prediction, session, stimulus, training)


def test_names_at_the_top_are_those_of_the_rooms():
    for name in deepstrf_widgets.__all__:
        value = getattr(deepstrf_widgets, name)
        assert value is pictures or any(getattr(room, name, None) is value for room in ROOMS), name
    wanted = {"explore", "gallery", "train", "LiveSession", "save_html", "neuron_figure", "strf_picture"}
    assert wanted <= set(dir(deepstrf_widgets))
