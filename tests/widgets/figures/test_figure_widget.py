"""The figure as a widget: whole in its first message, and no button of it sends anything away."""

import ipywidgets
import plotly.graph_objects as go
import pytest

from deepstrf_widgets.figures.figure_widget import figure_widget


@pytest.fixture
def announced(monkeypatch):
    """The state with which each widget was announced to the browser."""
    states = []
    announce = ipywidgets.Widget.open

    def record(widget):
        states.append(widget.get_state())
        announce(widget)

    monkeypatch.setattr(ipywidgets.Widget, "open", record)
    return states


def test_the_first_message_holds_traces_and_layout(announced):
    figure = go.Figure([go.Scatter(y=[1.0, 3.0], name="rate"), go.Heatmap(z=[[1.0]])], {"title": {"text": "neuron 1"}})
    widget = figure_widget(figure)
    of_figure = [state for state in announced if "_widget_data" in state]
    assert [trace["type"] for trace in of_figure[0]["_widget_data"]] == ["scatter", "heatmap"]
    assert of_figure[0]["_widget_layout"]["title"]["text"] == "neuron 1"
    assert len(of_figure) == 1
    assert isinstance(widget, go.FigureWidget)
    widget.close()


def test_no_button_shares_the_chart(announced):
    widget = figure_widget(go.Figure())
    config = next(state["_config"] for state in announced if "_config" in state)
    assert config["showSendToCloud"] is False
    assert (config["plotlyServerURL"], config["displaylogo"]) == ("", False)
    assert set(config["modeBarButtonsToRemove"]) == {"sendChartToCloud", "sendDataToCloud"}
    widget.close()


def test_changes_afterwards_reach_the_browser(monkeypatch):
    widget = figure_widget(go.Figure([go.Scatter(y=[1.0, 3.0])]))
    sent = []
    monkeypatch.setattr(widget, "_send_restyle_msg", lambda data, **rest: sent.append(data))
    widget.data[0].y = [2.0, 4.0]
    assert list(sent[0]["y"][0]) == [2.0, 4.0]
    widget.close()
