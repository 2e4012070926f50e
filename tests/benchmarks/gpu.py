"""Whether everything of `deepstrf` runs on a GPU and gives there what it gives on the CPU, and how fast.

    python tests/benchmarks/gpu.py [--device cuda] [--quick]

First the answers: every model with every prefilter, forward and gradients, the metrics and a fit, against the CPU. Then
the times of AdapTrans, a field of Gaussians, an epoch of StateNet, a fit of 119 neurons, and 32 LN fits at once, on
both. It ends with a status of 1 if an answer differs. ``--device cpu --quick`` tries the script itself. Below 8 minutes
on a GPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import Tensor, nn

from deepstrf.datasets import Recording
from deepstrf.metrics import corrcoef, fve, normalized_corrcoef, poisson_loss
from deepstrf.models import ConvNet2D, DNet, Linear, LinearNonlinear, NetworkReceptiveField, StateNet, Transformer
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.training import FitRecipe, Fitter, fit_jobs, fit_many, predict, ridge

F, TAPS, DT_MS = 34, 20, 5.0
PREFILTERS = (None, "adaptrans", "icadaptation")
TOLERANCE = 2e-3
"""Of the largest value: float32 sums of some thousand terms in another order, TF32 switched off."""


def prefilter(kind: str | None) -> nn.Module | None:
    return None if kind is None else make_prefiltering(kind, F, DT_MS)


def models(n: int, kind: str | None) -> dict[str, Callable[[], nn.Module]]:
    channels = 2 if kind == "adaptrans" else 1
    lags = {"temporal_window_size": TAPS}
    common = {"out_neurons": n, "prefiltering": prefilter(kind)}
    made: dict[str, Callable[[], nn.Module]] = {
        "Linear": lambda: Linear(F, **lags, **common),
        "LN": lambda: LinearNonlinear(F, **lags, **common),
        "LN, Gaussians": lambda: LinearNonlinear(F, **lags, **common, kernel=ParametricSTRF(F, TAPS, channels, n, 8)),
        "LN, separable": lambda: LinearNonlinear(F, **lags, **common, kernel=SeparableSTRF(F, TAPS, channels, n)),
        "NRF": lambda: NetworkReceptiveField(F, **lags, **common),
        "DNet": lambda: DNet(F, **lags, **common),
        "ConvNet2D": lambda: ConvNet2D(F, **common),
        "Transformer": lambda: Transformer(F, **common),
    }
    for rnn in ("GRU", "LSTM", "RNN", "LMU"):
        made[f"StateNet {rnn}"] = lambda rnn=rnn: StateNet(F, rnn_type=rnn, **common)
    return made


def answer(model: nn.Module, x: Tensor, seed: int) -> dict[str, Tensor]:
    """Response, and gradients by each parameter, on the CPU."""
    model.eval()
    model.zero_grad()
    y = model(x)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed)).to(y.device)
    # cuDNN's recurrent layers have gradients in training mode only.
    with torch.backends.cudnn.flags(enabled=False):
        (model(x) * weights).sum().backward()
    grads = {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}
    return {"response": y.detach().cpu(), **grads}


def furthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> tuple[float, str]:
    """Largest difference relative to the largest value of a tensor, and that tensor's name."""
    return max(
        ((one[name] - other[name]).abs().max().item() / max(one[name].abs().max().item(), 1e-6), name) for name in one
    )


def check_answers(device: str, prefilters: tuple[str | None, ...]) -> list[str]:
    wrong = []
    for kind in prefilters:
        for name, make in models(5, kind).items():
            torch.manual_seed(0)
            model, x = make(), torch.rand(2, 1, F, 300)
            here = answer(model, x, 1)
            there = answer(model.to(device), x.to(device), 1)
            off, where = furthest(here, there)
            print(f"{name:16} {kind or 'no prefilter':13} differs by {off:.1e} ({where})", flush=True)
            if off > TOLERANCE:
                wrong.append(f"{name}, {kind}: {where} differs by {off:.1e}")
    pred, repeats = torch.rand(3, 5, 1, 400), torch.rand(3, 5, 4, 400)
    for metric in (corrcoef, fve, normalized_corrcoef, poisson_loss):
        args = (pred, repeats if metric is normalized_corrcoef else repeats[:, :, :1])
        here, there = metric(*args), metric(*(x.to(device) for x in args))
        off = (here - there.cpu()).abs().item()
        print(f"{metric.__name__:30} differs by {off:.1e}")
        if not off <= TOLERANCE:
            wrong.append(f"{metric.__name__} differs by {off:.1e}")
    return wrong


def population(n: int, sounds: int, bins: int) -> tuple[Tensor, Tensor]:
    """Sounds (B, 1, F, T) and counts (B, N, 4, T) of LN neurons."""
    torch.manual_seed(0)
    x, field = torch.rand(sounds, 1, F, bins), torch.randn(n, 1, F, TAPS) / 30
    drive = nn.functional.conv2d(nn.functional.pad(x, (TAPS - 1, 0)), field)
    rate = nn.functional.softplus(4 * (drive - drive.mean((0, 3), keepdim=True)))
    return x, torch.poisson(rate.expand(sounds, n, 4, bins) if rate.shape[2] == 4 else rate.repeat(1, 1, 4, 1))


def check_fit(device: str, n: int, sounds: int, bins: int) -> list[str]:
    """A fit of a population and ridge: seconds and held-out scores on both devices."""
    x, counts = population(n, sounds, bins)
    half, scores = sounds * 3 // 4, {}
    for where in ("cpu", device):
        data = [
            (part[0].to(where), part[1].to(where)) for part in ((x[:half], counts[:half]), (x[half:], counts[half:]))
        ]
        torch.manual_seed(1)
        model = LinearNonlinear(F, TAPS, out_neurons=n).to(where)
        start = time.perf_counter()
        Fitter(epochs=20, progress=False).fit(model, *data)
        took = time.perf_counter() - start
        scores[where] = corrcoef(predict(model, data[1][0]).cpu(), counts[half:]).item()
        print(f"fit of {n} neurons on {where}: {took:.1f} s, r = {scores[where]:.3f}")
        linear = ridge(data[0], n_lags=TAPS, smoothness=None)
        print(f"ridge of {n} neurons on {where}: r = {corrcoef(predict(linear, x[half:]), counts[half:]).item():.3f}")
    off = abs(scores["cpu"] - scores[device])
    return [f"a fit of {n} neurons scores {off:.3f} apart"] if off > 0.02 else []


def check_many_fits(device: str, fits: int, sounds: int, bins: int) -> list[str]:
    """Alike LN fits at once, `fit_many` without an executor, and one after the other: predictions on both devices."""
    x, counts = population(1, sounds, bins)
    wrong, scores = [], {}
    for where in ("cpu", device):
        data = Recording.from_arrays(
            list(x[:, 0].to(where)), list(counts.to(where)), dt_ms=DT_MS, cf_hz=torch.logspace(2.7, 4.3, F).tolist()
        )
        build = partial(linear_nonlinear_on, where)
        jobs = fit_jobs({"LN": FitRecipe(build, Fitter(epochs=20, progress=False))}, data, seeds=range(fits))
        jobs = [replace(job, left_out=data.stimulus_names[:2]) for job in jobs]
        took, found = {}, {}
        for together in (fits, 1):
            start = time.perf_counter()
            found[together] = fit_many(jobs, together=together, progress=False)
            took[together] = time.perf_counter() - start
        for result in found[fits].failed:
            return [f"a fit on {where} fails: {result.error}"]
        pairs = [
            (a, b) for one, other in zip(found[fits], found[1], strict=True)
            for a, b in zip(one.predictions, other.predictions, strict=True)
        ]  # fmt: skip
        off = max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)
        scores[where] = torch.stack([one.scores["r"] for one in found[fits]]).mean().item()
        print(
            f"{fits} LN fits on {where}: {took[fits]:.1f} s at once, {took[1]:.1f} s one after the other, "
            f"{took[1] / took[fits]:.1f} x; predictions differ by {off:.1e}; r = {scores[where]:.3f}",
            flush=True,
        )
        if not off <= TOLERANCE:
            wrong.append(f"{fits} fits at once on {where} differ by {off:.1e} from those alone")
    off = abs(scores["cpu"] - scores[device])
    return wrong + ([f"{fits} fits at once score {off:.3f} apart"] if off > 0.02 else [])


def linear_nonlinear_on(device: str) -> nn.Module:
    return LinearNonlinear(F, TAPS, out_neurons=1).to(device)


def milliseconds(work: Callable[[], object], device: str, rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return median(times[1:])


def speeds(device: str, rounds: int) -> None:
    def passes(make: Callable[[], nn.Module], x: Tensor) -> dict[str, float]:
        found = {}
        for where in ("cpu", device):
            module, sound = make().to(where).train(), x.to(where)
            found[where] = milliseconds(lambda m=module, s=sound: m(s).sum().backward(), where, rounds)
        return found

    x = torch.rand(8, 1, F, 2000)
    for name, make in {
        "AdapTrans": lambda: make_prefiltering("adaptrans", F, DT_MS),
        "8 Gaussians, 119 neurons": lambda: LinearNonlinear(
            F, TAPS, out_neurons=119, kernel=ParametricSTRF(F, TAPS, 1, 119, 8)
        ),
        "StateNet GRU, 119 neurons": lambda: StateNet(F, out_neurons=119),
    }.items():
        torch.manual_seed(0)
        found = passes(make, x)
        ratio = found["cpu"] / found[device]
        print(
            f"{name:28} forward and gradients {found['cpu']:8.1f} ms on the CPU, {found[device]:8.1f} ms, {ratio:.1f} x"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    quick = options.quick
    wrong = check_answers(options.device, PREFILTERS[:2] if quick else PREFILTERS)
    wrong += check_fit(options.device, 5 if quick else 119, 8, 300 if quick else 2000)
    wrong += check_many_fits(options.device, 4 if quick else 32, 8, 300 if quick else 2000)
    speeds(options.device, 1 if quick else 10)
    print("\n".join(wrong) or "All answers agree")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
