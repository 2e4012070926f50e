"""The axes of a receptive field: their checks, and places between their samples."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.arguments import as_tensor, check_floating, check_numbers


def check_strf(strf: Tensor | ArrayLike, *, min_ndim: int = 2) -> Tensor:
    """The receptive fields (..., F, T) detached and at least in float32.

    Raises
    ------
    TypeError
        Not a tensor or an array of floating-point numbers.
    ValueError
        Too few axes, an empty one, or values that are not finite.
    """
    strf = as_tensor("strf", strf)
    check_floating(strf=strf)
    if strf.ndim < min_ndim or 0 in strf.shape:
        wanted = "(..., F, T)" if min_ndim == 2 else "(..., 2, F, T)"
        raise ValueError(f"strf must have shape {wanted} without empty axes, got {tuple(strf.shape)}")
    if not bool(strf.isfinite().all()):
        raise ValueError(f"strf must be finite, got {int((~strf.isfinite()).sum())} values that are not")
    strf = strf.detach()
    return strf.float() if strf.dtype in (torch.float16, torch.bfloat16) else strf


def check_heard(heard: Tensor | ArrayLike | None, strf: Tensor) -> Tensor | None:
    """``heard`` in the shape of ``strf`` (..., F, T) on its device, or None.

    Raises
    ------
    TypeError, ValueError
        Not a bool tensor, or of a shape that does not broadcast to that of the fields.
    """
    if heard is None:
        return None
    heard = as_tensor("heard", heard)
    if heard.dtype != torch.bool:
        raise TypeError(f"heard must be a bool tensor, got {heard.dtype}")
    try:
        return heard.to(strf.device).expand(strf.shape)
    except RuntimeError:
        raise ValueError(
            f"heard must have a shape that broadcasts to that of strf, {tuple(strf.shape)}, got {tuple(heard.shape)}"
        ) from None


def octaves_of(cf_hz: Tensor | ArrayLike, strf: Tensor) -> Tensor:
    """``log2(cf_hz)`` (F,) in float64, on the device of the receptive fields.

    Raises
    ------
    TypeError
        Not a tensor or an array of numbers.
    ValueError
        Another length than the F of ``strf``, or not positive and ascending.
    """
    cf_hz = as_tensor("cf_hz", cf_hz)
    if cf_hz.shape != strf.shape[-2:-1]:
        raise ValueError(f"cf_hz must have shape (F,) with F = {strf.shape[-2]}, got {tuple(cf_hz.shape)}")
    if not (bool((cf_hz > 0).all()) and bool((cf_hz.diff() > 0).all())):
        raise ValueError(f"cf_hz must be positive and ascending (Hz), got {cf_hz.tolist()}")
    return cf_hz.detach().to(strf.device, torch.float64).log2()


def check_dt(dt_ms: float) -> None:
    """Raise TypeError or ValueError unless ``dt_ms`` is a positive number."""
    check_numbers("must be positive (ms)", lambda width: 0 < width < float("inf"), dt_ms=dt_ms)


def sub_bin_peak(profile: Tensor, index: Tensor, *, reach: float = 0.5) -> tuple[Tensor, Tensor]:
    """Place (...) in bins and height (...) of the peak of ``profile`` (..., K) whose highest sample is at ``index``.

    A Gaussian through the sample and its two neighbours, or a parabola when one of the three is not positive: a
    sampled Gaussian is recovered exactly. At the ends of the axis, the sample itself. The place is at most ``reach``
    bins from ``index``.
    """
    last = profile.shape[-1] - 1
    inside = (index > 0) & (index < last)
    left, middle, right = (
        profile.gather(-1, (index + step).clamp(0, last).unsqueeze(-1)).squeeze(-1) for step in (-1, 0, 1)
    )
    gaussian = (left > 0) & (middle > 0) & (right > 0)
    a, b, c = (torch.where(gaussian, y.clamp(min=torch.finfo(y.dtype).tiny).log(), y) for y in (left, middle, right))
    curvature = a - 2 * b + c
    usable = inside & (curvature < 0)
    offset = torch.where(usable, (a - c) / torch.where(usable, 2 * curvature, 1.0), 0.0).clamp(-reach, reach)
    top = b - offset * (a - c) / 4
    height = torch.where(usable, torch.where(gaussian, top.exp(), top), middle)
    return index + offset, height


def at_bin(values: Tensor, place: Tensor) -> Tensor:
    """``values`` (K,) at fractional bins (...), straight lines between them."""
    low = place.floor().long().clamp(0, max(len(values) - 2, 0))
    high = (low + 1).clamp(max=len(values) - 1)
    return values[low] + (place.to(values.dtype) - low) * (values[high] - values[low])
