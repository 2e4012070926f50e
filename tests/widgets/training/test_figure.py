"""The figure of a fit: what it writes."""

import numpy as np
import torch

from deepstrf.training import EpochRecord, History
from deepstrf_widgets.training.figure import FigureState, TrainingFigure
from tests.training.conftest import new_model, simulate


def test_a_name_with_html_in_it_appears_as_text():
    names = ["<b>A1</b> & co", "b", "c"]
    picture = TrainingFigure(new_model(), simulate(), names, scores=False)
    title = picture.figure(FigureState(0, 0, None, History())).layout.title.text
    assert title == "&lt;b&gt;A1&lt;/b&gt; &amp; co · before the first epoch"


def test_median_stands_beside_the_mean_and_the_undefined_are_counted():
    """Two of four neurons have no score: one never had one, one has died and counts as 0 in the mean."""
    loss, counted = torch.ones(4), torch.tensor([True, True, True, False])
    scores = torch.tensor([0.8, 0.6, torch.nan, torch.nan])
    whole = EpochRecord(1, loss, loss, torch.tensor([0.8, 0.6, 0.1, 0.2]), 0.01, 1.0)
    history = History([whole, EpochRecord(2, loss, loss, scores, 0.01, 1.0, counted)], 1)
    picture = TrainingFigure(new_model(out_neurons=4), simulate(), list("abcd"), scores=True)
    figure = picture.figure(FigureState(0, 2, None, history))
    shown = {trace.name: trace for trace in figure.data}
    np.testing.assert_allclose(shown["mean score"].y, [0.425, 1.4 / 3], atol=1e-4)
    np.testing.assert_allclose(shown["median score"].y, [0.4, 0.7], atol=1e-4)
    titles = [axis.title.text for axis in figure.select_xaxes()]
    assert "epoch · 2 of 4 neurons without a score" in titles
    before = picture.layout(FigureState(0, 1, None, history))
    assert "epoch" in before.values()
    assert before.keys() == picture.layout(FigureState(0, 2, None, history)).keys()
