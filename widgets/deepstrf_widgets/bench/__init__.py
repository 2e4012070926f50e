"""The bench: an anywidget that shows and edits one neuron of a session, and the same as an HTML file."""

from .html_export import save_html, save_module
from .widget import ActivationEditor, AdapTransEditor, BenchWidget, ResponseView, STRFEditor

__all__ = [
    "ActivationEditor",
    "AdapTransEditor",
    "BenchWidget",
    "ResponseView",
    "STRFEditor",
    "save_html",
    "save_module",
]
