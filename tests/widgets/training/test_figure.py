"""The figure of a fit: what it writes."""

from deepstrf.training import History
from deepstrf_widgets.training.figure import FigureState, TrainingFigure
from tests.training.conftest import new_model, simulate


def test_a_name_with_html_in_it_appears_as_text():
    names = ["<b>A1</b> & co", "b", "c"]
    picture = TrainingFigure(new_model(), simulate(), names, scores=False)
    title = picture.figure(FigureState(0, 0, None, History())).layout.title.text
    assert title == "&lt;b&gt;A1&lt;/b&gt; &amp; co · before the first epoch"
