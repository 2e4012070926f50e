"""No module with a learnable tensor may be forgotten by the batteries that check gradients."""

from __future__ import annotations

import importlib
import pkgutil

from torch import nn

import deepstrf.models
from deepstrf.models import NeuralModel
from deepstrf.models.audio import AudioEncodingModel
from deepstrf.models.layers.configured import Configured
from tests.models.audio.zoo import MAKERS, PREFILTERS, needs_mambapy
from tests.models.layers.test_battery import CASES

BASES = {NeuralModel, AudioEncodingModel, Configured}


def library_modules() -> set[type[nn.Module]]:
    """Every public module class of the library."""
    found = set()
    for info in pkgutil.walk_packages(deepstrf.models.__path__, "deepstrf.models."):
        for name, thing in vars(importlib.import_module(info.name)).items():
            ours = isinstance(thing, type) and issubclass(thing, nn.Module) and thing.__module__.startswith("deepstrf")
            if ours and not name.startswith("_"):
                found.add(thing)
    return found - BASES


@needs_mambapy
def test_every_module_has_its_gradients_checked() -> None:
    checked = [case.build() for case in CASES.values()]
    checked += [maker(prefiltering=prefilter()) for maker in MAKERS.values() for prefilter in PREFILTERS.values()]
    classes = {type(part) for module in checked for part in module.modules()}
    assert {cls.__name__ for cls in library_modules() - classes} == set()
    assert len(library_modules()) >= 20
