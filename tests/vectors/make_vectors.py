"""Write the reference values that Python and the page share: float64 results of the torch and NumPy functions.

``python tests/vectors/make_vectors.py`` rewrites the JSON files beside it. ``tests/widgets/test_vectors.py`` recomputes
them, so they cannot go stale; the vitest of ``widgets/src/math`` reads the same files.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# name: (F, T, centres (2, n, G) in bands and frames, raw widths (2, n, G), weights (n, G))
FIELDS: dict[str, tuple[int, int, list[Any], list[Any], list[Any]]] = {
    "one gaussian inside the grid": (7, 9, [[[2.3]], [[6.1]]], [[[1.0]], [[1.4]]], [[0.8]]),
    "two kernels of three gaussians": (
        6,
        8,
        [[[0.0, 2.5, 5.0], [1.0, 3.3, 4.9]], [[7.0, 3.5, 0.0], [6.2, 1.1, 4.4]]],
        [[[1.0, -0.6, 2.0], [0.3, 0.9, 1.1]], [[0.7, 1.0, -3.0], [2.2, 0.4, 0.1]]],
        [[1.0, -0.5, 0.25], [-2.0, 0.125, 3.0]],
    ),
    "centres off the grid": (5, 6, [[[-3.0, 9.5]], [[-2.5, 12.0]]], [[[0.5, 1.0]], [[0.2, 0.8]]], [[1.0, -1.0]]),
    "centres so far off that a plain exponential underflows": (
        4,
        5,
        [[[-400.0, 2.0]], [[2.0, 900.0]]],
        [[[0.0, 0.5]], [[0.5, 0.0]]],
        [[1.0, 1.0]],
    ),
    "widths at their smallest": (5, 5, [[[2.0, 1.5]], [[4.0, 2.5]]], [[[0.0, 0.0]], [[0.0, 0.0]]], [[1.0, 0.5]]),
    "one band": (1, 6, [[[0.4]], [[3.0]]], [[[1.0]], [[1.0]]], [[1.5]]),
    "one frame": (6, 1, [[[3.0]], [[-0.7]]], [[[1.0]], [[1.0]]], [[-1.5]]),
    "one band and one frame": (1, 1, [[[2.0]], [[-5.0]]], [[[0.0]], [[0.0]]], [[0.75]]),
    "weights of zero": (4, 4, [[[1.0, 2.0]], [[1.0, 2.0]]], [[[1.0, 1.0]], [[1.0, 1.0]]], [[0.0, 0.0]]),
    "the default grid of a model": (
        34,
        40,
        [[[12.25, 30.0]], [[33.0, 38.75]]],
        [[[2.0, 0.6]], [[3.5, 1.2]]],
        [[0.4, -0.3]],
    ),
}

AXES: dict[str, list[float]] = {
    "octaves": [500.0, 1000.0, 2000.0, 4000.0, 8000.0],
    "uneven": [310.0, 420.0, 1000.0, 1100.0, 5000.0, 20000.0],
    "two bands": [1000.0, 3000.0],
    "one band": [1500.0],
}
BANDS = [-3.5, -0.5, 0.0, 0.27, 0.5, 1.0, 1.999, 2.5, 4.0, 4.6, 9.25]
LAGS = [(40, 5.0), (1, 5.0), (9, 10.0), (7, 2.5)]
FRAMES = [-2.0, 0.0, 3.3, 6.0, 39.0, 45.5]


def fields() -> list[dict[str, Any]]:
    """Kernels of ``gaussian_mixture_kernel`` for every field above, flattened in C order."""
    from deepstrf.models.layers.strf import gaussian_mixture_kernel

    made = []
    for name, (F, T, P, SIG, weight) in FIELDS.items():
        p, sig, w = (torch.tensor(values, dtype=torch.float64) for values in (P, SIG, weight))
        # (2, n, G) -> (2, C_out = 1, C_in = n, G)
        kernel = gaussian_mixture_kernel(p.unsqueeze(1), sig.unsqueeze(1), w.unsqueeze(0), F, T)
        made.append(
            {
                "name": name,
                "F": F,
                "T": T,
                "G": w.shape[-1],
                "P": p.flatten().tolist(),
                "SIG": sig.flatten().tolist(),
                "weight": w.flatten().tolist(),
                "kernel": kernel.flatten().tolist(),
            }
        )
    return made


def units() -> dict[str, list[dict[str, Any]]]:
    """Values of the functions of ``deepstrf_widgets.units`` on every axis above."""
    from deepstrf_widgets.units import band_to_hz, frame_to_lag_ms, hz_to_band, lag_ms_to_frame, octaves_per_band

    frequency = []
    for name, cf_hz in AXES.items():
        hz = band_to_hz(BANDS, cf_hz)
        frequency.append(
            {
                "name": name,
                "cf_hz": cf_hz,
                "band": BANDS,
                "band_to_hz": hz.tolist(),
                "hz_to_band": hz_to_band(hz, cf_hz).tolist(),
                "octaves_per_band": octaves_per_band(BANDS, cf_hz).tolist(),
            }
        )
    lag = []
    for T, dt_ms in LAGS:
        lag_ms = frame_to_lag_ms(FRAMES, T, dt_ms)
        back = lag_ms_to_frame(lag_ms, T, dt_ms)
        lag.append(
            {
                "T": T,
                "dt_ms": dt_ms,
                "frame": FRAMES,
                "frame_to_lag_ms": lag_ms.tolist(),
                "lag_ms_to_frame": np.asarray(back).tolist(),
            }
        )
    return {"frequency": frequency, "lag": lag}


def compute() -> dict[str, Any]:
    """Content of every file, by file name."""
    return {"gaussians.json": fields(), "units.json": units()}


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "widgets")]
    for file_name, content in compute().items():
        (HERE / file_name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
