"""The model card: what a checkpoint is, how to load it, what goes in and what comes out."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from ..protocols import Savable

__all__ = ["write_model_card"]

FRONT_MATTER = """---
library_name: deepstrf-lab
tags:
- neuroscience
- auditory
- encoding-model
- strf
---
"""


def write_model_card(model: Savable, config: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
    """Markdown text that describes a checkpoint of ``model``.

    Parameters
    ----------
    model : NeuralModel
    config : mapping
        Content of config.json.
    metadata : mapping, optional
        Content of metadata.json.

    Returns
    -------
    str
    """
    cls = type(model)
    trainable = model.count_trainable_params()
    total = sum(parameter.numel() for parameter in model.parameters())
    arguments = {name: value for name, value in config.items() if not name.startswith("_")}
    arguments.update({name: _described(spec) for name, spec in config.get("_modules", {}).items()})
    again = ", ".join(f"{name!r}: ..." for name in config.get("_unsaved", ()))
    extra = f", extra_kwargs={{{again}}}" if again else ""
    sections = [
        FRONT_MATTER + f"\n# {cls.__name__}, {model.O} neuron{'s' if model.O > 1 else ''}",
        f"{_summary(cls)}\n\nMade with the Python package deepstrf-lab.",
        "## Load\n\n```python\n"
        f"from {_import_path(cls)} import {cls.__name__}\n\n"
        f'model = {cls.__name__}.from_pretrained("<this folder or owner/name>"{extra})\n```',
        "## Input and output\n\n" + _input_and_output(model),
        f"## Parameters\n\n{trainable} trainable of {total} in all. Built with:\n\n" + _table(arguments),
    ]
    if metadata:
        sections.append("## Metadata\n\n" + _table(metadata))
    sections.append("## Citation\n\n" + _citation(cls))
    return "\n\n".join(sections) + "\n"


def _summary(cls: type) -> str:
    """First paragraph of the docstring, its own or inherited."""
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split()).replace("`", "")


def _citation(cls: type) -> str:
    """The references of the class's docstring, or of the class it extends."""
    for base in cls.__mro__:
        for part in (base.__doc__ or "").split("\n\n"):
            words = " ".join(part.split())
            if words.startswith("References ---"):
                return words.split("- ", 1)[-1].strip("- ")
    return "Name the study that the model comes from."


def _import_path(cls: type) -> str:
    """Public module of a class of the zoo, own module of any other."""
    return "deepstrf.models.audio" if cls.__module__.startswith("deepstrf.models.audio.") else cls.__module__


def _input_and_output(model: Savable) -> str:
    F, T = getattr(model, "F", None), getattr(model, "T", None)
    lines = [f"- output: response of each neuron, shape (B, {model.O}, 1, T), one value per input time bin"]
    if F is not None:
        lines.insert(0, f"- input: spectrogram, shape (B, 1, {F}, T), {F} frequency bands from low to high")
    if T is not None:
        lines.append(f"- temporal window: {T} bins, the current one included")
    return "\n".join(lines)


def _described(spec: Mapping[str, Any]) -> str:
    """A module argument in a few words: class name and short arguments."""
    if "modules" in spec:
        return f"{spec['class']}({', '.join(_described(part) for part in spec['modules'])})"
    short = [f"{name}={value}" for name, value in spec["kwargs"].items() if not isinstance(value, list)]
    return f"{spec['class']}({', '.join(short)})"


def _table(values: Mapping[str, Any]) -> str:
    rows = []
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        rows.append(f"| {_cell(str(name))} | {_cell(text)} |")
    return "\n".join(["| name | value |", "| --- | --- |", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
