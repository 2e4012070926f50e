"""Old names that still work, with a warning, and keywords that no function has, refused with the nearest right one."""

from __future__ import annotations

import difflib
import functools
import inspect
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

__all__ = ["did_you_mean", "keywords", "renamed", "warn_renamed"]

GONE_IN = "0.3"
Function = TypeVar("Function", bound=Callable[..., Any])


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn the caller's caller that ``old`` is called ``new`` now."""
    warnings.warn(f"{old} is called {new} now and goes in {GONE_IN}", DeprecationWarning, stacklevel=stacklevel)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``": did you mean 'lock'?"`` where one of the choices looks like the word, else nothing.

    Examples
    --------
    >>> did_you_mean("locked", ["neuron", "lock", "sound"]), did_you_mean("xyz", ["neuron"])
    (": did you mean 'lock'?", '')
    """
    lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), lower, n=1)
    return f": did you mean {lower[close[0]]!r}?" if close else ""


def keywords(**old_names: str) -> Callable[[Function], Function]:
    """Decorator for a public function, whose keywords are then checked by name.

    Parameters
    ----------
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
        is_open = any(p.kind is p.VAR_KEYWORD for p in parameters)
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
