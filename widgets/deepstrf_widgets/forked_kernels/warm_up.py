"""What every lesson does first, done once before the forks."""

from __future__ import annotations

import sys

from deepstrf.demo import load_demo

from ..explorer import explore
from ..pictures import spectrogram_picture

__all__ = ["warm_up"]

STEPS = 3


def warm_up() -> None:
    """Import every room, open the demo's bench with its panels, draw pictures, play some steps, and close it."""
    rooms = sys.modules[__name__.partition(".")[0]]
    for name in rooms.__all__:
        getattr(rooms, name)
    demo = load_demo()
    bench = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names)
    try:
        bench._repr_mimebundle_()
        for name in bench.can_open:
            bench.panel(name)
        spectrogram_picture(demo.stimulus).png()
        bench.step(STEPS)
        bench.undo()
    finally:
        bench.close()
