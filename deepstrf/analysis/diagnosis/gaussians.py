"""Checks of receptive fields made of Gaussians: centres off the grid, and two Gaussians where one would do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepstrf.analysis.diagnosis.finding import Finding
from deepstrf.analysis.diagnosis.tensors import neuron_axes, parametric_fields
from deepstrf.models.layers import ParametricSTRF

OFF_GRID_BINS = 0.5
"""How far a centre may lie beyond the outermost bin: a bin reaches half its width."""

SAME_SHAPE = 0.99
"""Cosine of two Gaussians from which on they are one: the second then adds less than sqrt(1 - 0.99^2) = 14 % of its
size that the first cannot draw."""

LEAST_SHARE = 0.01
"""Share of the field's summed absolute weights under which a Gaussian is not in use, and may lie anywhere."""

POLARITIES = ("ON", "OFF")


def off_grid(model: nn.Module, dt_ms: float | None) -> list[Finding]:
    """A finding for each Gaussian whose centre lies beyond the bands and taps of its field."""
    found = []
    for name, field in parametric_fields(model):
        last = torch.tensor([field.F - 1, field.T - 1], dtype=torch.float64)[:, None, None, None]
        centre = field.P.detach().double().cpu()
        beyond = torch.maximum(-centre, centre - last)
        for o, c, g in (beyond > OFF_GRID_BINS).any(0).nonzero().tolist():
            bands, taps = (float(x) for x in beyond[:, o, c, g])
            band, tap = (float(x) for x in centre[:, o, c, g])
            where = []
            if bands > OFF_GRID_BINS:
                where.append(f"{bands:.2g} bands {'below' if band < 0 else 'above'} the {field.F} bands")
            if taps > OFF_GRID_BINS:
                ms = "" if dt_ms is None else f" ({taps * dt_ms:.2g} ms)"
                where.append(f"{taps:.2g} bins{ms} beyond {'the longest lag' if tap < 0 else 'lag 0'}")
            sentence = (
                f"Gaussian {g + 1}{_channel(field, c)}{_unit(model, name, o)} is centred "
                f"{' and '.join(where)} of its field; its whole mass is pressed against the edge. "
                "Move it back onto the grid, or set its weight to 0."
            )
            evidence = {"channel": c, "gaussian": g, "band": band, "tap": tap}
            evidence |= {"bands_beyond": max(bands, 0.0), "bins_beyond": max(taps, 0.0)}
            found.append(_finding("off_grid", model, name, o, sentence, evidence))
    return found


def overlapping(model: nn.Module) -> list[Finding]:
    """A finding for each pair of Gaussians of one field that have the same place and the same widths."""
    found = []
    for name, field in parametric_fields(model):
        centre, sigma = field.P.detach().double().cpu(), field.sigma.detach().double().cpu()
        weight = field.weight.detach().double().cpu()
        cosine = same_shape(centre, sigma)
        total = weight.abs().sum((1, 2), keepdim=True)
        used = weight.abs() >= LEAST_SHARE * total
        used &= weight != 0
        both = used[..., :, None] & used[..., None, :]
        pairs = ((cosine > SAME_SHAPE) & both).triu(diagonal=1)
        for o, c, g, h in pairs.nonzero().tolist():
            distance = (centre[:, o, c, g] - centre[:, o, c, h]).abs()
            sentence = (
                f"Gaussians {g + 1} and {h + 1}{_channel(field, c)}{_unit(model, name, o)} lie on top of "
                f"each other: {float(distance[0]):.2g} bands and {float(distance[1]):.2g} bins apart, of the "
                f"same widths (cosine {float(cosine[o, c, g, h]):.4f}). One does the work of both: set one weight "
                "to their sum and the other to 0, or fit fewer Gaussians."
            )
            evidence = {"channel": c, "gaussian": g, "other": h, "cosine": float(cosine[o, c, g, h])}
            evidence |= {"bands_apart": float(distance[0]), "bins_apart": float(distance[1])}
            found.append(_finding("overlapping", model, name, o, sentence, evidence))
    return found


def same_shape(centre: Tensor, sigma: Tensor) -> Tensor:
    r"""Cosine (..., G, G) of the angle between Gaussians on the plane, of centres and widths (2, ..., G).

    Along one axis :math:`\sqrt{2 s_1 s_2 / (s_1^2 + s_2^2)} \exp(-(m_1 - m_2)^2 / (2 (s_1^2 + s_2^2)))`, and the
    product of both: 1 for the same Gaussian, 0 for two that do not meet.
    """
    s, t = sigma[..., :, None], sigma[..., None, :]
    squares = s.square() + t.square()
    apart = centre[..., :, None] - centre[..., None, :]
    return ((2 * s * t / squares).sqrt() * (-apart.square() / (2 * squares)).exp()).prod(0)


def _finding(kind: str, model: nn.Module, name: str, unit: int, sentence: str, evidence: dict[str, float]) -> Finding:
    neuron = _neuron(model, name, unit)
    return Finding(kind, neuron, sentence, evidence if neuron is not None else {"unit": unit, **evidence}, f"{name}.P")


def _neuron(model: nn.Module, name: str, unit: int) -> int | None:
    """The neuron that a field belongs to; None for a hidden unit's."""
    return unit if f"{name}.weight" in neuron_axes(model) else None


def _unit(model: nn.Module, name: str, unit: int) -> str:
    return "" if _neuron(model, name, unit) is not None else f" of unit {unit + 1} of {name}"


def _channel(field: ParametricSTRF, channel: int) -> str:
    if field.C_in == 1:
        return ""
    return f" of {POLARITIES[channel]}" if field.C_in == 2 else f" of channel {channel + 1}"
