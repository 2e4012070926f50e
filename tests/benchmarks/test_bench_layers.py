"""Layers against the plain forms of the same quantities: equal always, and how many times faster.

``pytest tests/benchmarks/test_bench_layers.py --benchmark-only`` measures, asserts the bars and prints the table of
ratios; any other run only checks that the two agree. Both are timed in turns in one process, in processor time of one
thread, and the quickest turn of each counts: a busy machine then disturbs the ratio little.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from deepstrf.models.layers import (
    LearnableExponentialDecay,
    LocallyConnected1d,
    ParametricSTRF,
    build_causal_window_mask,
    locally_connected,
    windowed_attention,
)
from deepstrf.models.prefiltering import AdapTrans
from tests.models.layers import plain
from tests.tolerances import TOLERANCES, assert_close

NEVER_SLOWER = 0.9
TURN_S = 2e-3
FEWEST_TURNS, MOST_SECONDS = 5, 6.0
MOST_MEMORY_MB = 60
ROOT = Path(__file__).resolve().parents[2]


class Comparison(NamedTuple):
    """Two computations of one quantity, what they are differentiated by, and how much faster the first must be."""

    ours: Callable[[], Tensor]
    plain: Callable[[], Tensor]
    leaves: list[Tensor]
    forward_bar: float = NEVER_SLOWER
    training_bar: float = NEVER_SLOWER


def adaptrans(B: int, F: int, T: int, K: int, *bars: float) -> Comparison:
    layer = AdapTrans(torch.exp(-1 / torch.linspace(10, 43, F)), torch.full((F,), 0.75), K)
    x = torch.rand(B, 1, F, T)
    d_on, d_off, p = leaves = list(layer.parameters())
    return Comparison(lambda: layer(x), lambda: plain.adaptrans_by_convolution(x, d_on, d_off, p, K), leaves, *bars)


def decay(B: int, F: int, T: int, K: int, *bars: float) -> Comparison:
    layer = LearnableExponentialDecay(F, K, init_tau=max(2.0, K / 7))
    x = torch.rand(B, F, T, requires_grad=True)
    return Comparison(lambda: layer(x), lambda: plain.decay_by_convolution(x, layer.d, K), [x, layer.d], *bars)


def gaussians(F: int, T: int, C_in: int, C_out: int, G: int, *bars: float) -> Comparison:
    layer = ParametricSTRF(F, T, C_in, C_out, G)
    leaves = [layer.P, layer.SIG, layer.weight]
    return Comparison(layer.build_kernel, lambda: plain.gaussian_mixture_on_dense_grid(*leaves, F, T), leaves, *bars)


def local(
    B: int, C_in: int, size: int, C_out: int, K: int, stride: int, *bars: float, products: bool = False
) -> Comparison:
    layer = LocallyConnected1d(size, C_in, C_out, K, stride)
    x = torch.randn(B, C_in, size, requires_grad=True)
    form = plain.locally_connected_by_products if products else plain.locally_connected_by_copies
    parameters = (layer.weights, layer.biases)
    return Comparison(
        lambda: locally_connected(x, *parameters, kernel_size=K, stride=stride),
        lambda: form(x, *parameters, K, stride),
        [x, *parameters],
        *bars,
    )


def attention(B: int, heads: int, L: int, d: int, window: int, *bars: float) -> Comparison:
    leaves = [torch.randn(B, heads, L, d, requires_grad=True) for _ in range(3)]
    return Comparison(
        lambda: windowed_attention(*leaves, window),
        lambda: plain.attention_by_dense_scores(*leaves, window),
        leaves,
        *bars,
    )


COMPARISONS: dict[str, Callable[[], Comparison]] = {
    "AdapTrans B16 F34 T1000 K651": lambda: adaptrans(16, 34, 1000, 651, 4, 15),
    "AdapTrans B1 F34 T1000 K651": lambda: adaptrans(1, 34, 1000, 651),
    "AdapTrans B1 F34 T8000 K651": lambda: adaptrans(1, 34, 8000, 651),
    "AdapTrans B1 F34 T200 K651": lambda: adaptrans(1, 34, 200, 651),
    "AdapTrans B1 F34 T20 K651": lambda: adaptrans(1, 34, 20, 651),
    "AdapTrans B4 F34 T300 K100": lambda: adaptrans(4, 34, 300, 100),
    "AdapTrans B16 F34 T1000 K64": lambda: adaptrans(16, 34, 1000, 64),
    "AdapTrans B16 F34 T1000 K65": lambda: adaptrans(16, 34, 1000, 65),
    "AdapTrans B16 F34 T1000 K10": lambda: adaptrans(16, 34, 1000, 10),
    "AdapTrans B1 F1 T300 K20": lambda: adaptrans(1, 1, 300, 20),
    "Decay B16 F20 T1000 K14": lambda: decay(16, 20, 1000, 14),
    "Decay B16 F34 T1000 K129": lambda: decay(16, 34, 1000, 129),
    "Decay B16 F34 T1000 K130": lambda: decay(16, 34, 1000, 130),
    "Decay B1 F20 T300 K14": lambda: decay(1, 20, 300, 14),
    "Gaussians F34 T40 C2-119 G8": lambda: gaussians(34, 40, 2, 119, 8, 10, 5),
    "Gaussians F34 T9 C1-5 G1": lambda: gaussians(34, 9, 1, 5, 1),
    "Gaussians F34 T40 C2-1 G8": lambda: gaussians(34, 40, 2, 1, 8),
    "Local B1600 F34 C1-7 K7": lambda: local(1600, 1, 34, 7, 7, 3, 10, 5),
    "Local B16 F34 C1-7 K7": lambda: local(16, 1, 34, 7, 7, 3),
    "Local B31 F34 C2-7 K7": lambda: local(31, 2, 34, 7, 7, 3),
    "Local B32 F34 C2-7 K7": lambda: local(32, 2, 34, 7, 7, 3),
    "Local B1 F34 C1-7 K7": lambda: local(1, 1, 34, 7, 7, 3),
    "Local B1 F1000 C8-8 K9": lambda: local(1, 8, 1000, 8, 9, 1),
    "Local B31 F1000 C8-8 K9": lambda: local(31, 8, 1000, 8, 9, 1),
    "Local B256 F128 C16-16 K5": lambda: local(256, 16, 128, 16, 5, 1),
    "Local (products) B1600 F34 C1-7 K7": lambda: local(1600, 1, 34, 7, 7, 3, products=True),
    "Local (products) B1 F34 C1-7 K7": lambda: local(1, 1, 34, 7, 7, 3, products=True),
    "Attention L1000 W32": lambda: attention(4, 4, 1000, 12, 32),
    "Attention L300 W32": lambda: attention(4, 4, 300, 12, 32),
    "Attention L64 W32": lambda: attention(1, 1, 64, 12, 32),
    "Attention L300 W4": lambda: attention(1, 4, 300, 12, 4),
    "Attention L500 W128": lambda: attention(4, 4, 500, 12, 128),
}


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Lines that are printed when the module is done."""
    rows: list[str] = []
    yield rows
    if not rows:
        return
    header = f"{'times faster than the plain form':<42}{'ours ms':>10}{'plain ms':>10}{'ratio':>8}{'bar':>6}"
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n", header, *rows, sep="\n")


@pytest.fixture
def measuring(request: pytest.FixtureRequest) -> bool:
    """Whether this run is for figures; otherwise equality is all that is checked."""
    return bool(request.config.getoption("benchmark_only"))


def seconds_of(function: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls


def quickest(ours: Callable[[], object], other: Callable[[], object], bar: float) -> tuple[float, float]:
    """Processor seconds of the quickest turn of each; taken in turns until the bar is met or the time is over."""
    threads = torch.get_num_threads()
    functions = (ours, other)
    best = [float("inf"), float("inf")]
    end = time.perf_counter() + MOST_SECONDS
    turn = 0
    torch.set_num_threads(1)
    gc.disable()
    try:
        calls = [max(1, round(TURN_S / max(1e-6, *(seconds_of(f, 1) for _ in range(2))))) for f in functions]
        while turn < FEWEST_TURNS or (best[1] / best[0] < bar and time.perf_counter() < end):
            for i, function in enumerate(functions):
                best[i] = min(best[i], seconds_of(function, calls[i]))
            turn += 1
    finally:
        gc.enable()
        torch.set_num_threads(threads)
    return best[0], best[1]


@pytest.mark.parametrize("training", [False, True], ids=["forward", "training"])
@pytest.mark.parametrize("name", COMPARISONS)
def test_equal_to_the_plain_form_and_faster(
    benchmark, table: list[str], measuring: bool, name: str, training: bool
) -> None:
    ours, other, leaves, *bars = COMPARISONS[name]()
    bar = bars[training]
    if training:
        upstream = torch.randn_like(ours())

        def differentiated(function: Callable[[], Tensor]) -> Callable[[], tuple[Tensor, ...]]:
            return lambda: torch.autograd.grad(function(), leaves, upstream)

        run_ours, run_other = differentiated(ours), differentiated(other)
    else:
        run_ours, run_other = torch.no_grad()(ours), torch.no_grad()(other)
    result, expected = run_ours(), run_other()
    for value, plain_value in zip(_tuple(result), _tuple(expected), strict=True):
        # Gradients are long sums that cancel in part, so what counts is the error relative to the largest.
        assert (value - plain_value).abs().max() <= TOLERANCES[torch.float32][0] * plain_value.abs().max()
    if not measuring:
        benchmark.pedantic(run_ours, rounds=1)
        return
    ours_s, plain_s = quickest(run_ours, run_other, bar)
    ratio = plain_s / ours_s
    benchmark.extra_info["times faster than plain"] = ratio
    benchmark.pedantic(run_ours, rounds=3)
    label = f"{name}{' +grad' if training else ''}"
    table.append(f"{label:<42}{ours_s * 1e3:>10.3f}{plain_s * 1e3:>10.3f}{ratio:>8.2f}{bar:>6}")
    assert ratio >= bar, f"{label}: {ratio:.2f} times the speed of the plain form, must be {bar}"


def _tuple(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


MEMORY_SCRIPT = """
import pathlib, sys, torch
from deepstrf.models.layers import windowed_attention
from tests.models.layers.plain import attention_by_dense_scores
form = {{"ours": windowed_attention, "plain": attention_by_dense_scores}}["{form}"]
signals = [torch.randn(1, {heads}, {L}, {d}) for _ in range(3)]
form(*(x[:, :, :1000] for x in signals), {window})
def mb(field):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = mb("VmRSS")
form(*signals, {window})
print(mb("VmHWM") - before)
"""


@pytest.mark.parametrize(
    ("form", "L", "heads", "bar"),
    [("ours", 8000, 4, MOST_MEMORY_MB), ("ours", 100_000, 4, MOST_MEMORY_MB), ("plain", 8000, 1, None)],
)
def test_memory_of_windowed_attention(
    benchmark, table: list[str], measuring: bool, form: str, L: int, heads: int, bar: int | None
) -> None:
    """Largest resident memory in a fresh interpreter, as Linux counts it, above the one before the call."""
    if not measuring or not Path("/proc/self/clear_refs").exists():
        pytest.skip("measured on Linux with --benchmark-only")
    script = MEMORY_SCRIPT.format(form=form, L=L, heads=heads, d=12, window=32)

    def measure() -> float:
        result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        return float(result.stdout)

    extra_mb = benchmark.pedantic(measure, rounds=1)
    label = f"Attention L{L} W32 heads {heads}, {form}: peak extra MB"
    table.append(f"{label:<52}{extra_mb:>10.1f}{bar or '':>16}")
    assert bar is None or extra_mb <= bar, label


def test_attention_over_a_hundred_thousand_frames(benchmark) -> None:
    L, window, d = 100_000, 32, 12
    q, k, v = (torch.randn(1, 4, L, d) for _ in range(3))
    y = benchmark.pedantic(lambda: windowed_attention(q, k, v, window), rounds=1)
    last, seen = slice(L - 40, L), slice(L - 40 - window, L)
    mask = build_causal_window_mask(40 + window, window)[window:]
    scores = (q[:, :, last] @ k[:, :, seen].transpose(-1, -2) / d**0.5).masked_fill(mask, -torch.inf)
    assert_close(y[:, :, last], scores.softmax(-1) @ v[:, :, seen])
