"""The explorer: a bench with its sounds, figure, gallery and diagnosis, as explore() opens it."""

from .explorer import Explorer, explore

__all__ = ["Explorer", "explore"]
