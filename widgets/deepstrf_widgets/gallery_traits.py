"""What the gallery's page and kernel share: the traits, and what each may hold."""

from __future__ import annotations

import math
from typing import Any

import anywidget
import traitlets

from .files import page_file
from .tuning_table import MEASURES, SORTS

__all__ = ["WRITTEN", "GalleryTraits", "TraitValueError"]

WRITTEN = ("selected", "channel", "sort", "descending", "search", "ranges", "trained", "folded")
"""The traits that a page may set."""

MAX_COLUMNS = 100


class TraitValueError(traitlets.TraitError, ValueError):
    """A trait was given a wrong value: an error of the trait, which takes it back, and of the value."""


class GalleryTraits(anywidget.AnyWidget):
    """The traits of a :class:`~deepstrf_widgets.Gallery`, which has their meaning; a wrong value is refused."""

    _esm = page_file("gallery.js")
    _css = page_file("bench.css")

    view = traitlets.Unicode("gallery").tag(sync=True)
    info = traitlets.Dict().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    cf_hz = traitlets.Bytes().tag(sync=True)
    # Arrays that change in place: a page that asks for the state gets all of them, a change sends only its rows.
    kernels = traitlets.Any().tag(sync=True, to_json=lambda array, _widget: array.tobytes())
    table = traitlets.Any().tag(sync=True, to_json=lambda array, _widget: array.tobytes())
    selected = traitlets.Int(0).tag(sync=True)
    channel = traitlets.Int(None, allow_none=True).tag(sync=True)
    columns = traitlets.Int(0).tag(sync=True)
    sort = traitlets.Unicode("index").tag(sync=True)
    descending = traitlets.Bool(False).tag(sync=True)
    search = traitlets.Unicode("").tag(sync=True)
    ranges = traitlets.Dict().tag(sync=True)
    trained = traitlets.Bool(False).tag(sync=True)
    folded = traitlets.Bool(False).tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take over what a page sets; what may not be is told in ``error``, and the page gets the old value back."""
        try:
            forbidden = ", ".join(sorted(set(sync_data) - set(WRITTEN)))
            if forbidden:
                raise TraitValueError(f"a page may set {', '.join(WRITTEN)}, got {forbidden[:80]}")
            super().set_state(sync_data)
            self.error = ""
        except traitlets.TraitError as error:
            self.error = str(error)
            self.send_state([name for name in sync_data if name in self.keys])

    @traitlets.validate("selected")
    def _check_selected(self, proposal: Any) -> int:
        return _whole("selected", proposal["value"], self.info["n_neurons"] - 1)

    @traitlets.validate("channel")
    def _check_channel(self, proposal: Any) -> int | None:
        value = proposal["value"]
        return None if value is None else _whole("channel", value, self.info["n_channels"] - 1)

    @traitlets.validate("columns")
    def _check_columns(self, proposal: Any) -> int:
        return _whole("columns", proposal["value"], MAX_COLUMNS)

    @traitlets.validate("sort")
    def _check_sort(self, proposal: Any) -> str:
        if proposal["value"] not in SORTS:
            raise TraitValueError(f"sort must be one of {', '.join(SORTS)}, got {proposal['value']!r}")
        return str(proposal["value"])

    @traitlets.validate("ranges")
    def _check_ranges(self, proposal: Any) -> dict[str, list[float | None]]:
        checked: dict[str, list[float | None]] = {}
        for name, ends in proposal["value"].items():
            if name not in MEASURES:
                raise TraitValueError(f"ranges must name read-outs ({', '.join(MEASURES)}), got {name!r}")
            if not isinstance(ends, (list, tuple)) or len(ends) != 2 or not all(_is_end(end) for end in ends):
                raise TraitValueError(f"ranges[{name!r}] must be two finite numbers, or None for no end, got {ends!r}")
            if None not in ends and ends[0] > ends[1]:
                raise TraitValueError(f"ranges[{name!r}] must hold the lowest value first, got {ends!r}")
            checked[name] = [None if end is None else float(end) for end in ends]
        return checked

    @traitlets.validate("trained", "folded")
    def _check_shown(self, proposal: Any) -> bool:
        name, value = proposal["trait"].name, proposal["value"]
        if value and self.info["given"]:
            raise TraitValueError(f"{name} must be False where kernels are given, got {value}")
        return bool(value)


def _whole(name: str, value: Any, high: int) -> int:
    if isinstance(value, bool) or not 0 <= value <= high:
        raise TraitValueError(f"{name} must be a whole number in [0, {high}], got {value!r}")
    return int(value)


def _is_end(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value))
