"""A sound, six simulated neurons and a model fitted to them: something to look at without any data."""

from deepstrf.demo.loading import Demo, load_demo

__all__ = ["Demo", "load_demo"]
