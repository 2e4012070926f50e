"""Write the reference values that Python and the browser share: float64 results of the torch and NumPy functions.

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
# name: (prefilter, kernel, activation); seeded parameters, pushed to an edge where the name says so.
FORWARDS: dict[str, tuple[str, str, str]] = {
    "AdapTrans, Gaussians, softplus": ("adaptrans", "gaussians", "softplus"),
    "AdapTrans, Gaussians, sigmoid": ("adaptrans", "gaussians", "sigmoid"),
    "AdapTrans, full, double exponential": ("adaptrans", "full", "double_exponential"),
    "AdapTrans with one slow and one fast band, separable, ReLU": ("adaptrans edge", "separable", "plain_relu"),
    "IC adaptation, Gaussians, softplus so sharp that it is linear": ("ic", "gaussians", "softplus edge"),
    "nothing, Gaussians with one of no weight, sigmoid without width": ("none", "gaussians edge", "sigmoid edge"),
    "nothing, full, sigmoid of torch": ("none", "full", "plain_sigmoid"),
    "IC adaptation, full, softplus of torch": ("ic", "full", "plain_softplus"),
    "nothing, full, tanh": ("none", "full", "plain_tanh"),
    "nothing, full, identity": ("none", "full", "plain_identity"),
    "depression, Gaussians, softplus": ("plasticity", "gaussians", "softplus"),
    "depression with a band that never recovers, full, double exponential": (
        "plasticity edge",
        "full",
        "double_exponential",
    ),
    "IC adaptation, full, double exponential that overflows": ("ic", "full", "double_exponential edge"),
}

BANDS = [-3.5, -0.5, 0.0, 0.27, 0.5, 1.0, 1.999, 2.5, 4.0, 4.6, 9.25]
LAGS = [(40, 5.0, 2.5), (1, 5.0, 0.0), (9, 10.0, -2.5), (7, 2.5, 0.0)]
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
    """Values of the functions of ``deepstrf_widgets.session.units`` on every axis above."""
    from deepstrf_widgets.session.units import (
        band_to_hz,
        frame_to_lag_ms,
        hz_to_band,
        lag_ms_to_frame,
        octaves_per_band,
    )

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
    for T, dt_ms, delay_ms in LAGS:
        lag_ms = frame_to_lag_ms(FRAMES, T, dt_ms, delay_ms)
        back = lag_ms_to_frame(lag_ms, T, dt_ms, delay_ms)
        lag.append(
            {
                "T": T,
                "dt_ms": dt_ms,
                "delay_ms": delay_ms,
                "frame": FRAMES,
                "frame_to_lag_ms": lag_ms.tolist(),
                "lag_ms_to_frame": np.asarray(back).tolist(),
            }
        )
    return {"frequency": frequency, "lag": lag}


def forward_model(prefilter: str, kernel: str, activation: str, F: int, T: int, N: int) -> Any:
    """LN model in float64 with seeded parameters, a batch norm that has seen something, and the edges asked for."""
    from torch import nn

    from deepstrf.models import LinearNonlinear
    from deepstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
    from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
    from deepstrf.models.prefiltering import AdapTrans, ICAdaptation, ShortTermPlasticity

    a, w = torch.linspace(0.3, 0.9, F), torch.linspace(0.2, 1.0, F)
    if prefilter.endswith("edge"):
        a[0], a[-1], w[-1] = 1.0, 1e-5, 1e-3
    slot: dict[str, Any] = {
        "adaptrans": lambda: AdapTrans(a, w, 9),
        "ic": lambda: ICAdaptation(a, 4),
        "plasticity": lambda: ShortTermPlasticity(a, torch.logspace(-3, 0.5, F)),
        "none": nn.Identity,
    }
    fields: dict[str, Any] = {
        "gaussians": lambda C: ParametricSTRF(F, T, C, N, num_gaussians=3),
        "full": lambda C: None,
        "separable": lambda C: SeparableSTRF(F, T, C, N),
    }
    curves: dict[str, Any] = {
        "softplus": lambda: ParametricSoftplus(N),
        "sigmoid": lambda: ParametricSigmoid(N, non_negative_output=False),
        "double_exponential": lambda: ParametricDoubleExponential(N),
        "plain_relu": nn.ReLU,
        "plain_sigmoid": nn.Sigmoid,
        "plain_softplus": nn.Softplus,
        "plain_tanh": nn.Tanh,
        "plain_identity": nn.Identity,
    }
    before = slot[prefilter.split()[0]]()
    channels = getattr(before, "out_channels", 1)
    model = LinearNonlinear(
        F,
        T,
        out_neurons=N,
        prefiltering=before,
        kernel=fields[kernel.split()[0]](channels),
        output_activation=curves[activation.split()[0]](),
    ).double()
    norm, field, curve = model.readout.bn, model.readout.strf.kernel, model.readout.activation
    with torch.no_grad():
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
        norm.weight.uniform_(-1.5, 1.5)
        norm.bias.uniform_(-1, 1)
        if kernel.endswith("edge"):
            field.weight[:, :, 1] = 0.0
        if activation == "softplus edge":
            curve._raw_beta.fill_(200.0)
        elif activation == "sigmoid edge":
            curve.d.fill_(-1e-6)
        elif activation == "double_exponential edge":
            curve.k.fill_(900.0)
    return model.eval()


def forwards() -> list[dict[str, Any]]:
    """Every step of the forward pass of each model above, for its second neuron, with what the kernel sends of it."""
    from deepstrf_widgets import LiveSession
    from deepstrf_widgets.bench.page_state import model_info
    from deepstrf_widgets.session.staged_forward import affine_of

    F, T, N, n, neuron = 5, 6, 2, 24, 1
    made = []
    for seed, (name, (prefilter, kernel, activation)) in enumerate(FORWARDS.items()):
        torch.manual_seed(seed)
        model = forward_model(prefilter, kernel, activation, F, T, N)
        stimulus = 3 * torch.rand(F, n, dtype=torch.float64) - 0.5
        session = LiveSession(model, stimulus, dt_ms=5.0, cf_hz=np.geomspace(500, 8000, F))
        names = session.parameters
        info = model_info(session, (), 0)
        columns = ("center_hz", "center_ms", "sigma_oct", "sigma_ms", "weight")
        gaussians = (
            [session.value(f"strf.{c}", (neuron,), grid=True) for c in columns] if "strf.weight" in names else []
        )
        made.append(
            {
                "name": name,
                "F": F,
                "T": T,
                "dt_ms": 5.0,
                "cf_hz": session.cf_hz.tolist(),
                **{name: info[name] for name in ("kind", "columns", "prefilter", "activation")},
                "n_channels": int(session.live.kernel(neuron).shape[0]),
                "n_gaussians": int(gaussians[0].shape[1]) if gaussians else 0,
                "stimulus": stimulus.flatten().tolist(),
                "rows": [min(v, 1e308) for row in info["prefilter"]["rows"] for v in session.value(row).tolist()],
                "curve": [float(session.value(f"activation.{c}", (neuron,))) for c in info["activation"]["names"]],
                "gaussians": np.stack(gaussians, axis=-1).ravel().tolist() if gaussians else [],
                "factors": [
                    float(v) for c in info["columns"] for v in session.value(c["name"], (neuron,), grid=True).flat
                ],
                "kernel": session.live.kernel(neuron).flatten().tolist(),
                "affine": affine_of(session.model, neuron).tolist(),
                "adapted": session.live.prefiltered().flatten().tolist(),
                "drive": session.live.drive(neuron).flatten().tolist(),
                "rate": session.rate(neuron).flatten().tolist(),
                "explained": [explained(session, neuron, frame) for frame in (0, T // 2, n - 1)],
            }
        )
    return made


def explained(session: Any, neuron: int, frame: int) -> dict[str, Any]:
    """Why the response is as high as it is in a bin; null for the sound before it begins."""
    found = session.explain(neuron, (frame + 0.5) * session.dt_ms)
    return {
        "frame": frame,
        "stretch": [None if value != value else value for value in found.stretch.flatten().tolist()],
        "products": found.products.flatten().tolist(),
        "sums": list(found.sums),
        "terms": [found.bias, found.gain, found.offset, found.drive],
    }


def tunings() -> list[dict[str, Any]]:
    """Best frequency, latency and separability of every channel of the fields above and of some without a peak."""
    from deepstrf.analysis import best_frequency, latency, separability_index

    shapes = [(one["name"], one["F"], one["T"], one["kernel"]) for one in fields()]
    shapes += [
        ("nothing", 3, 4, [0.0] * 12),
        ("nothing but inhibition", 2, 3, [-1.0, -2.0, -0.5, -1.0, -4.0, -1.0]),
        ("a peak between negative neighbours", 3, 3, [-1.0, -0.5, 0.0, -0.25, 2.0, 1.0, 0.5, -2.0, 0.0]),
        ("a peak at the latest bin", 2, 4, [0.0, 0.1, 0.5, 0.9, 0.0, 0.0, 0.0, 0.2]),
        ("a peak at the latest bin, not falling off", 1, 4, [0.5, 0.1, 0.2, 0.9]),
        ("two peaks apart", 4, 4, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]),
    ]
    made = []
    for name, F, T, values in shapes:
        cf_hz = torch.logspace(2.7, 4.2, F, dtype=torch.float64) if F > 1 else torch.tensor([1500.0]).double()
        for channel, field in enumerate(torch.tensor(values, dtype=torch.float64).reshape(-1, F, T)):
            delay_ms = 6.25 if "latest" in name else (0.0, 6.25, -1.0)[len(made) % 3]
            late = latency(field, 2.5, delay_ms=delay_ms)
            found = best_frequency(field, cf_hz), late, separability_index(field)
            best, lag, separable = (None if v.isnan() else v.item() for v in found)
            made.append(
                {
                    "name": f"{name}, {channel}",
                    "F": F,
                    "T": T,
                    "dt_ms": 2.5,
                    "delay_ms": delay_ms,
                    "cf_hz": cf_hz.tolist(),
                    "field": field.flatten().tolist(),
                    "best_hz": best,
                    "latency_ms": lag,
                    "separability": separable,
                }
            )
    return made


def compute() -> dict[str, Any]:
    """Content of every file, by file name."""
    files = {"gaussians": fields, "units": units, "forward": forwards, "tuning": tunings}
    return {f"{name}.json": make() for name, make in files.items()}


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "widgets")]
    for file_name, content in compute().items():
        (HERE / file_name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
