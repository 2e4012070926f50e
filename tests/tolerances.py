"""How closely two computations of one quantity must agree: the one table, by dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

#: dtype -> (relative, absolute). Room for some hundred roundings of the type (eps 2e-16, 1e-7, 8e-3).
TOLERANCES: dict[torch.dtype, tuple[float, float]] = {
    torch.float64: (1e-10, 1e-12),
    torch.float32: (2e-5, 2e-6),
    torch.bfloat16: (5e-2, 5e-2),
}


def assert_close(actual: Any, expected: Any, dtype: torch.dtype | None = None) -> None:
    """Fail unless both agree in shape and, by the table of ``dtype`` (default: the actual one's), in value."""
    actual, expected = _tensor(actual), _tensor(expected)
    rtol, atol = TOLERANCES[dtype or actual.dtype]
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol, check_dtype=False)


def _tensor(values: Any) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values.detach()
    return torch.as_tensor(np.asarray(values, dtype=None if isinstance(values, np.ndarray) else np.float64))
