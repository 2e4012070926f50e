"""Many fits in a notebook: a live table of them, of which each opens on the bench."""

from .table import FitTable

__all__ = ["FitTable"]
