"""What all Plotly figures share: colours, ticks, rounding, and loading Plotly ahead of the first figure."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

__all__ = ["BLUE", "CLEAR", "DIGITS", "DIVERGING", "FAINT", "GREY", "ORANGE", "TICKS_KHZ", "load_plotly", "rounded"]

DIGITS = 5
# Zero is clear, so that the figure reads on light and dark themes.
BLUE, ORANGE = "46,125,200", "200,80,28"
DIVERGING = [
    [0.0, f"rgba({BLUE},1)"],
    [0.5, f"rgba({BLUE},0)"],
    [0.5, f"rgba({ORANGE},0)"],
    [1.0, f"rgba({ORANGE},1)"],
]
TICKS_KHZ = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
CLEAR = "rgba(0,0,0,0)"
GREY = "#7d8590"
FAINT = "rgba(128,128,128,0.25)"


def load_plotly() -> None:
    """Load Plotly's classes and check its template once: what makes the first figure slow. Reads no session."""
    figure = make_subplots(rows=2, cols=1, subplot_titles=["a", "b"])
    figure.add_trace(go.Heatmap(z=[[0.0]], colorscale=DIVERGING, colorbar={"len": 0.2}), row=1, col=1)
    figure.add_trace(go.Scatter(y=[0.0], line={"width": 1}), row=2, col=1)
    figure.update_layout(template="plotly_white", legend={"orientation": "h"})
    go.Figure(figure.to_dict())
    _ = go.FigureWidget  # imported when it is first named, in seconds


def rounded(values: Tensor) -> np.ndarray:
    """Values with five significant digits: enough to look at, and the same text on every machine."""
    array = values.detach().cpu().double().numpy()
    scale = float(np.abs(array).max(initial=0.0, where=np.isfinite(array)))
    return array.round(DIGITS - int(np.ceil(np.log10(scale)))) if scale > 0 else array
