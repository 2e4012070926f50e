"""What of a file is wanted, by name, by pattern or by number."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

import numpy as np

from deepstrf.arguments import check_numbers
from deepstrf.datasets.assembly import shortened


def chosen(argument: str, wanted: Any, names: Sequence[str], where: str) -> list[int]:
    """Numbers of what is wanted, each once, in the order asked for; None is all.

    Raises
    ------
    TypeError
        Something is neither a name nor a number.
    ValueError
        Something is not there, or nothing is wanted. The message calls it ``argument`` and names the file ``where``.
    """
    if wanted is None:
        return list(range(len(names)))
    found: list[int] = []
    for one in [wanted] if isinstance(wanted, (str, int, np.integer)) else wanted:
        if isinstance(one, str):
            place = [names.index(one)] if one in names else []
            place = place or [i for i, name in enumerate(names) if fnmatch.fnmatchcase(name, one)]
        else:
            check_numbers(f"must be numbers below {len(names)}", lambda x: 0 <= x < len(names), **{argument: one})
            place = [int(one)]
        if not place:
            raise ValueError(f"{argument} must be among those of {where}, {shortened(names)}, got {one!r}")
        found += [i for i in place if i not in found]
    if not found:
        raise ValueError(f"{argument} must name at least one of {shortened(names)}, got none")
    return found
