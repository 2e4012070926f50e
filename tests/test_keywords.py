"""A misspelt keyword of any public function, class or method is refused with the right one."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

ROOMS = [
    *("deepstrf", "deepstrf.models", "deepstrf.models.layers", "deepstrf.models.scales", "deepstrf.training"),
    *("deepstrf.datasets", "deepstrf.metrics", "deepstrf.analysis", "deepstrf.stimuli", "deepstrf.simulate"),
    *("deepstrf.demo", "deepstrf_widgets", "deepstrf_widgets.pictures"),
]
FROM_A_NAME = {"fetch"}
"""Functions that first need a data set that exists."""


def longest(function: Callable[..., Any]) -> str:
    """The longest name of an argument that may be given by keyword, or empty."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]
    return max((name for name in names if name not in ("self", "cls")), key=len, default="")


def is_open(function: Callable[..., Any]) -> bool:
    """Whether it takes keywords beyond those of its signature: of another function, or traits."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())


def public() -> Iterator[Any]:
    """A case for each function, constructor and method that is public and has named arguments."""
    seen = set()
    for room in ROOMS:
        module = importlib.import_module(room)
        for name in module.__all__:
            thing = getattr(module, name)
            if id(thing) in seen or not getattr(thing, "__module__", "").startswith("deepstrf"):
                continue
            seen.add(id(thing))
            members: list[tuple[str, Any]] = [(name, thing)] if inspect.isfunction(thing) else []
            if (
                inspect.isclass(thing)
                and not issubclass(thing, Exception)
                and not getattr(thing, "_is_protocol", False)
            ):
                own = ((at, getattr(member, "__func__", member)) for at, member in vars(thing).items())
                methods = [(at, f) for at, f in own if inspect.isfunction(f) and not at.startswith("_")]
                members = [(f"{name}.{at}", f) for at, f in methods if at != "forward"]
                if "__init__" in vars(thing):
                    members.append((name, thing))
            for label, member in members:
                if len(longest(member)) > 2 and not is_open(member):
                    yield pytest.param(member, id=label)


CASES = list(public())


def test_there_are_many() -> None:
    assert len(CASES) > 200


@pytest.mark.parametrize("function", CASES)
def test_a_misspelt_keyword_names_the_right_one(function: Callable[..., Any]) -> None:
    name = longest(function)
    misspelt = f"{name[:-2]}{name[-1]}{name[-2]}_" if len(name) > 4 else f"{name}_"
    if function.__name__ in FROM_A_NAME:
        pytest.skip("needs a name first")
    first = (None,) if next(iter(inspect.signature(function).parameters), "") in ("self", "cls") else ()
    with pytest.raises(TypeError, match=rf"has no argument '{misspelt}': did you mean '\w+'\?"):
        function(*first, **{misspelt: 1})
