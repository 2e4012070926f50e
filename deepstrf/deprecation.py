"""Old names that still work, with a warning, and keywords that no function has, refused with the nearest right one."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

__all__ = ["did_you_mean", "keywords", "moved_modules", "renamed", "warn_renamed"]

GONE_IN = "0.3"
Function = TypeVar("Function", bound=Callable[..., Any])


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn the caller's caller that ``old`` is called ``new`` now."""
    warnings.warn(f"{old} is called {new} now and goes in {GONE_IN}", DeprecationWarning, stacklevel=stacklevel)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``": did you mean 'lock'?"`` where one of the choices looks like the word, else empty.

    Examples
    --------
    >>> did_you_mean("locked", ["neuron", "lock"]), did_you_mean("dt", ["dt_ms"]), did_you_mean("x", ["neuron"])
    (": did you mean 'lock'?", ": did you mean 'dt_ms'?", '')
    """
    lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), lower, n=1) or [x for x in lower if x.startswith(word.lower())]
    return f": did you mean {lower[close[0]]!r}?" if close else ""


def keywords(*takers: Callable[..., Any], **old_names: str) -> Callable[[Function], Function]:
    """Decorator for a public function, whose keywords are then checked by name.

    Parameters
    ----------
    *takers : callable
        Functions to which the decorated one gives what its ``**keywords`` take up: their keyword-only arguments are
        then the ones that it has. Without any, ``**keywords`` take up all.
    **old_names : str
        Old name of a keyword to the present one: it still works, with a DeprecationWarning.

    Raises
    ------
    TypeError
        (On calls) there is no such keyword; the message names the nearest one.

    Examples
    --------
    >>> @keywords(folded="with_gain")
    ... def show(neuron, *, with_gain=False):
    ...     return with_gain
    >>> show(0, with_gains=True)
    Traceback (most recent call last):
    TypeError: show() has no argument 'with_gains': did you mean 'with_gain'?
    """

    def decorate(function: Function) -> Function:
        parameters = inspect.signature(function).parameters.values()
        names = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
        names += [p.name for f in takers for p in inspect.signature(f).parameters.values() if p.kind is p.KEYWORD_ONLY]
        is_open = not takers and any(p.kind is p.VAR_KEYWORD for p in parameters)
        called = function.__qualname__.removesuffix(".__init__").rpartition(".<locals>.")[2]

        @functools.wraps(function)
        def checked(*args: Any, **given: Any) -> Any:
            for old in given.keys() & old_names.keys():
                new = old_names[old]
                if new in given:
                    raise TypeError(f"{called}() takes {new} or its old name {old}, got both")
                warn_renamed(f"{called}({old}=)", f"{called}({new}=)")
                given[new] = given.pop(old)
            for name in given:
                if name not in names and not is_open:
                    raise TypeError(f"{called}() has no argument {name!r}{did_you_mean(name, names)}")
            return function(*args, **given)

        return checked  # type: ignore[return-value]

    return decorate


class renamed:  # noqa: N801 - reads as what it says of an attribute: hear = renamed("play")
    """A class attribute under its old name: stands for the attribute ``new``, with a DeprecationWarning."""

    def __init__(self, new: str) -> None:
        self.new = new

    def __set_name__(self, owner: type, name: str) -> None:
        self.old, self.owner = name, owner.__name__

    def _warn(self) -> None:
        warn_renamed(f"{self.owner}.{self.old}", f"{self.owner}.{self.new}", stacklevel=4)

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self  # documentation tools and HasTraits read every attribute of a class
        self._warn()
        return getattr(instance, self.new)

    def __set__(self, instance: Any, value: Any) -> None:
        self._warn()
        setattr(instance, self.new, value)


def moved_modules(homes: Mapping[str, str]) -> None:
    """Make modules importable under their old paths, as aliases that warn when a name is taken from them.

    Parameters
    ----------
    homes : mapping of str to str
        Old path of each module to the module or package that has its names now.
    """
    sys.meta_path.append(_OldPaths(homes))  # last, so that no module that exists is looked for here


class _OldPaths:
    """Finder and loader of the aliases."""

    def __init__(self, homes: Mapping[str, str]) -> None:
        self.homes = homes

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in self.homes:
            return None
        return ModuleSpec(name, self, is_package=any(other.startswith(f"{name}.") for other in self.homes))  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        old, new = module.__name__, self.homes[module.__name__]

        def __getattr__(name: str) -> Any:  # noqa: N807 - the hook of PEP 562
            if f"{old}.{name}" in self.homes:
                return importlib.import_module(f"{old}.{name}")
            if name.startswith("__") and name != "__all__":
                raise AttributeError(f"module {old!r} has no attribute {name!r}")
            value = getattr(importlib.import_module(new), name)
            if name != "__all__":
                warn_renamed(f"{old}.{name}", f"{new}.{name}")
            return value

        module.__getattr__ = __getattr__  # type: ignore[method-assign]
