"""A sound, six simulated neurons and a model fitted to them, for examples without any data of one's own."""

from deepstrf.demo.loading import Demo, load_demo

__all__ = ["Demo", "load_demo"]
