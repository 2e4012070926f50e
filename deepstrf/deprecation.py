"""Old names that still work, with a warning, and keywords that no function has, refused with the nearest right one."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

from deepstrf.user_warning import warn_user

__all__ = [
    "did_you_mean",
    "keywords",
    "moved_modules",
    "named_arguments",
    "present_keywords",
    "renamed",
    "warn_renamed",
]

GONE_IN = "0.3"
Function = TypeVar("Function", bound=Callable[..., Any])


def warn_renamed(old: str, new: str) -> None:
    """Warn the user that ``old`` is called ``new`` now."""
    warn_user(f"{old} is called {new} now and goes in {GONE_IN}", DeprecationWarning)


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


def present_keywords(
    called: str, given: Mapping[str, Any], names: Iterable[str] | None, old_names: Mapping[str, str]
) -> dict[str, Any]:
    """The keywords of a call under their present names.

    Raises
    ------
    TypeError
        An argument is given under both names, or is not one of ``names`` (None: any); the message has the nearest one.
    """
    present = dict(given)
    for old in given.keys() & old_names.keys():
        new = old_names[old]
        if new in given:
            raise TypeError(f"{called}() takes {new} or its old name {old}, got both")
        warn_renamed(f"{called}({old}=)", f"{called}({new}=)")
        present[new] = present.pop(old)
    for word in present:
        if names is not None and word not in names:
            raise TypeError(f"{called}() has no argument {word!r}{did_you_mean(word, names)}")
    return present


def named_arguments(function: Callable[..., Any], *, but_open: bool = True) -> list[str] | None:
    """Names by which arguments can be given, without ``self``; None where ``but_open`` and it takes any."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
    if but_open and any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def keywords(*takers: Callable[..., Any], **old_names: str) -> Callable[[Function], Function]:
    """Decorator for a public function, whose keywords are then checked by name, or for a class: all its public methods.

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
        if inspect.isclass(function):
            return _checked_methods(function)  # type: ignore[return-value]
        taken = [p.name for f in takers for p in inspect.signature(f).parameters.values() if p.kind is p.KEYWORD_ONLY]
        names = named_arguments(function, but_open=not takers)
        if names is not None:
            names += taken
        called, constructs = function.__qualname__.rpartition(".<locals>.")[2], function.__name__ == "__init__"

        @functools.wraps(function)
        def checked(*args: Any, **given: Any) -> Any:
            if given:
                name = type(args[0]).__name__ if constructs and args else called
                given = present_keywords(name, given, names, old_names)
            return function(*args, **given)

        checked.checks_keywords = True  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate


def _checked_methods(cls: type) -> type:
    """The class, whose constructor and own public methods check their keywords."""
    for name, member in list(vars(cls).items()):
        function = getattr(member, "__func__", member)  # of a class method or a static one
        is_public = name == "__init__" or not (name.startswith("_") or name == "forward")
        if is_public and inspect.isfunction(function) and not hasattr(function, "checks_keywords"):
            checked = keywords()(function)
            setattr(cls, name, checked if member is function else type(member)(checked))
    return cls


class renamed:  # noqa: N801 - reads as what it says of an attribute: hear = renamed("play")
    """A class attribute under its old name: stands for the attribute ``new``, with a DeprecationWarning."""

    def __init__(self, new: str) -> None:
        self.new = new

    def __set_name__(self, owner: type, name: str) -> None:
        self.old, self.owner = name, owner.__name__

    def _warn(self) -> None:
        warn_renamed(f"{self.owner}.{self.old}", f"{self.owner}.{self.new}")

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
