"""Checks of a model's tensors: not finite, far larger than expected, of the wrong sign."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from deepstrf.analysis.diagnosis.finding import Finding
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.readouts import LinearReadout, STRFReadout
from deepstrf.models.registry import KERNELS, neuron_axes_of

EXPLODED_AMONG_OTHERS = 100.0
"""Times the median of the other neurons. Firing rates, and with them gains, are spread like a lognormal with a standard
deviation of about half a decade (Buzsáki & Mizuseki 2014, Nat. Rev. Neurosci. 15:264): two decades above the median are
four standard deviations, one neuron in 30,000."""

EXPLODED_FROM_START = 1000.0
"""Times the largest initial value. Adam moves a weight by about its learning rate in a step: from 0.03, the bound of a
kernel of 34 bands and 30 taps, a thousandfold takes 3,000 steps of 0.01, all in one direction."""


def neuron_axes(model: nn.Module) -> dict[str, int]:
    """Axis that counts the neurons, for each tensor of the model (parameters and buffers) that has one."""
    readout = getattr(model, "readout", None)
    owners: dict[str, nn.Module] = {}
    if isinstance(readout, STRFReadout):
        owners = {"readout.bn": readout.bn, "readout.activation": readout.activation}
        if isinstance(readout.strf.kernel, tuple(KERNELS)):
            owners["readout.strf.kernel"] = readout.strf.kernel
        N = readout.bn.num_features
    elif isinstance(readout, LinearReadout):
        last = readout.fc[-1] if isinstance(readout.fc, nn.Sequential) else readout.fc
        name = f"readout.fc.{len(readout.fc) - 1}" if isinstance(readout.fc, nn.Sequential) else "readout.fc"
        owners = {name: last, "readout.activation": readout.activation}
        N = int(last.out_features)  # type: ignore[arg-type, unused-ignore]
    axes = {}
    for prefix, owner in owners.items():
        axes.update({f"{prefix}.{name}": axis for name, axis in neuron_axes_of(owner, N).items()})
    return axes


def not_finite_tensors(model: nn.Module) -> list[Finding]:
    """A finding for each neuron, or for the model, whose tensors hold NaN or infinity."""
    axes = neuron_axes(model)
    bad: dict[int | None, dict[str, int]] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if not tensor.is_floating_point():
            continue
        wrong = ~tensor.detach().isfinite().cpu()
        counts = _rows(wrong, axes.get(name)).sum(1)
        for n in counts.nonzero()[:, 0].tolist():
            bad.setdefault(n if name in axes else None, {})[name] = int(counts[n])
    return [
        Finding(
            "not_finite",
            neuron,
            f"{_listed(names)} {'holds' if len(names) == 1 else 'hold'} {_count(sum(names.values()), 'value')} that "
            f"{'is' if sum(names.values()) == 1 else 'are'} NaN or infinite, and no later step of a fit mends that. "
            "Go back to an earlier checkpoint, and fit with a lower learning rate.",
            {"values": sum(names.values()), "tensors": len(names)},
            next(iter(names)),
        )
        for neuron, names in bad.items()
    ]


def exploding(model: nn.Module) -> list[Finding]:
    """Findings about parameters that are far larger than those of the other neurons, or than they began.

    Centres of Gaussians are left to `off_grid`. A parameter without a known start is compared with the others alone.
    """
    axes, start, centres = neuron_axes(model), initial_peaks(model), _centres(model)
    found = []
    for name, tensor in model.named_parameters():
        if name in centres:
            continue
        values = tensor.detach().abs().double().cpu()
        per_neuron = name in axes
        peaks = _rows(values, axes.get(name)).amax(1)
        began = start.get(name, 0.0)
        for n in (peaks > EXPLODED_AMONG_OTHERS * began).nonzero()[:, 0].tolist():
            peak = float(peaks[n])
            others = torch.cat([peaks[:n], peaks[n + 1 :]])
            others = others[others.isfinite()]
            typical = float(others.median()) if len(others) else 0.0
            if not peak < float("inf"):
                continue  # `not_finite_tensors` has it
            neuron, evidence = n if per_neuron else None, {"largest": peak}
            if typical > 0 and peak > EXPLODED_AMONG_OTHERS * max(typical, began):
                evidence |= {"median_of_others": typical, "ratio": peak / typical}
                compared = f"{peak / typical:.2g} times the median of the other neurons ({typical:.2g})"
            elif began > 0 and peak > EXPLODED_FROM_START * began:
                evidence |= {"at_start": began, "ratio": peak / began}
                compared = f"{peak / began:.2g} times the largest value it begins with ({began:.2g})"
            else:
                continue
            sentence = (
                f"{name} reaches {peak:.2g}, {compared}. Fit with a lower learning rate or a prior, or set it back."
            )
            found.append(Finding("exploding", neuron, sentence, evidence, name))
    return found


def initial_peaks(model: nn.Module) -> dict[str, float]:
    """Largest absolute value that each parameter begins with, 1 where it begins with zeros.

    (Zeros are shifts of batch and layer norms and the like, which stand beside values of unit variance.) Only modules
    that say how they begin are listed: by torch's ``reset_parameters``, or by ``config()``, their constructor's
    arguments.
    """
    peaks = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for prefix, module in model.named_modules():
            if next(module.parameters(recurse=False), None) is None:
                continue
            if callable(getattr(module, "reset_parameters", None)):
                fresh = copy.deepcopy(module).cpu()  # an accelerator's random numbers stay as they are
                fresh.reset_parameters()
            elif callable(getattr(module, "config", None)):
                fresh = type(module)(**module.config())
            else:
                continue
            for name, parameter in fresh.named_parameters(recurse=False):
                peak = float(parameter.detach().abs().max())
                peaks[f"{prefix}.{name}" if prefix else name] = peak if peak > 0 else 1.0
    return peaks


def flipped_sign(model: nn.Module) -> list[Finding]:
    """A finding for each receptive field that its batch norm turns into its negative."""
    readout = getattr(model, "readout", None)
    if not isinstance(readout, STRFReadout) or readout.bn.weight is None:
        return []
    gain = readout.bn.weight.detach().cpu()
    return [
        Finding(
            "flipped_sign",
            n,
            f"The batch norm multiplies its drive by {float(gain[n]):.2g}: what its STRF shows as excitation inhibits. "
            "Look at effective_STRF(), or change the sign of the gain, of the running mean, of the kernel and of its "
            "bias together.",
            {"gain": float(gain[n])},
            "readout.bn.weight",
        )
        for n in (gain < 0).nonzero()[:, 0].tolist()
    ]


def _rows(tensor: Tensor, axis: int | None) -> Tensor:
    """The values of each neuron in a row, (N, values); one row of all of them where no axis counts neurons."""
    return tensor.reshape(1, -1) if axis is None else tensor.movedim(axis, 0).reshape(tensor.shape[axis], -1)


def _centres(model: nn.Module) -> set[str]:
    """Names of the tensors that hold the centres of Gaussians."""
    return {f"{name}.P" for name, _ in parametric_fields(model)}


def parametric_fields(model: nn.Module) -> Iterator[tuple[str, ParametricSTRF]]:
    """Name and module of every receptive field that is made of Gaussians."""
    for name, module in model.named_modules():
        if isinstance(module, ParametricSTRF):
            yield name, module


def _listed(names: dict[str, int]) -> str:
    first = list(names)[:3]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
