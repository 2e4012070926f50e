"""Bad arguments, one at a time: each must be refused by an error that names the argument and what arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

NAN, INF = float("nan"), float("inf")
NO_NUMBERS: tuple[Any, ...] = ("many", None, [], True, object(), np.ones(2), torch.ones(2), 1j)
AXES: tuple[Any, ...] = (
    [1.0, 1.0, 1.0],
    ["low", "middle", "high"],
    np.ones(3),
    torch.ones(3),
    torch.tensor([4.0, 2.0, 1.0]),
    torch.ones(3, 3),
    torch.ones(0),
    torch.tensor([1.0, NAN, 2.0]),
)

#: What an argument of each kind must refuse, whatever its range.
BAD: dict[str, tuple[Any, ...]] = {
    "size": (0, -1, 1.5, NAN, *NO_NUMBERS),
    "optional size": (0, -1, 1.5, NAN, *(value for value in NO_NUMBERS if value is not None)),
    "whole": (1.5, NAN, *NO_NUMBERS),
    "number": (NAN, *NO_NUMBERS),
    "positive": (0, -1.0, NAN, INF, *NO_NUMBERS),
    "above 1": (1.0, 0, -3.0, NAN, INF, *NO_NUMBERS),
    "probability": (-0.1, 1.5, NAN, *NO_NUMBERS),
    "fraction": (0, -0.5, 1.5, NAN, INF, *NO_NUMBERS),
    "inside 0 and 1": (0, 1, -0.5, NAN, *NO_NUMBERS),
    "frequency": (0, -5.0, 60000.0, NAN, INF, *NO_NUMBERS),
    "decays": ([0.5, 0.0], [0.5, 1.5], [NAN, 0.5], "many", None, object(), [[0.5]], [], 0.5),
    "values": ("many", None, [1.0], True, object(), NAN, -INF),
    "choice": ("?", "", None, 3, ["mel"], np.ones(2)),
    "module": (3, "ReLU", torch.nn.ReLU, [torch.nn.ReLU()]),
    "tensor": (None, 3.0, [1.0], np.ones((2, 3)), torch.ones(2, 3, dtype=torch.long)),
    "field": (
        None,
        3.0,
        [1.0],
        "many",
        np.ones((2, 3), dtype=int),
        np.ones((2, 3)) * 1j,
        torch.ones(2, 3, dtype=torch.long),
    ),
    "axis": (None, 3.0, *AXES),
    "optional axis": (3.0, *AXES),
    "mask": (True, 1, [True], np.ones(2, dtype=bool), torch.ones(2), torch.ones(17, dtype=torch.bool)),
}


Cases = dict[Callable[..., Any], tuple[dict[str, Any], dict[str, str]]]
"""Function: arguments that it accepts, and the kind (a key of BAD) of each argument to spoil."""


def refusals(cases: Cases) -> list[Any]:
    """Test parameters (function, good arguments, name of the bad one, its bad values) from a table."""
    return [
        pytest.param(function, good, name, BAD[kind], id=f"{function.__name__}-{name}")
        for function, (good, kinds) in cases.items()
        for name, kind in kinds.items()
    ]


def assert_refused(function: Callable[..., Any], good: dict[str, Any], name: str, values: tuple[Any, ...]) -> None:
    """Fail unless each bad value, and it alone, makes ``function`` raise an error that names the argument."""
    function(**good)
    for value in values:
        with pytest.raises((ValueError, TypeError, NotImplementedError)) as caught:
            function(**{**good, name: value})
        message = str(caught.value)
        assert message.startswith((f"{name} ", "min_freq, max_freq must")), (value, message)
        assert " must " in message, (value, message)
        assert ", got " in message, (value, message)
