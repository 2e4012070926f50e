"""Receptive fields that were estimated elsewhere, as models."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.arguments import as_tensor, check_choice
from deepstrf.datasets.array_files import load_arrays
from deepstrf.deprecation import keywords
from deepstrf.models.audio import Linear
from deepstrf.paths import as_path

__all__ = ["linear_from_field"]

NEMS_WEIGHTS, NEMS_FIR, NEMS_LEVEL = (
    "nems.modules.weight_channels.basic",
    "nems.modules.fir.basic",
    "nems.modules.levelshift.levelshift",
)


@keywords()
def linear_from_field(
    field: Tensor | ArrayLike | str | os.PathLike[str],
    *,
    lag_zero: Literal["first", "last"] | None = None,
    baseline: float | ArrayLike = 0.0,
    name: str | None = None,
) -> Linear:
    """Linear model with a receptive field that was estimated elsewhere: ``explore(linear_from_field(...), recording)``.

    Parameters
    ----------
    field : array (F, T) or (N, F, T), or path
        Weights, bands from low to high. A path leads to an .npy, .npz or .mat file with the array, or to a model
        specification of NEMS (.json) with a FIR filter, after a matrix of channel weights or not.
    lag_zero : {"first", "last"}
        Which end of the time axis is the present: "first" in MNE, NEMS and strfpak, "last" here. Needed but for a NEMS
        specification, which says so itself.
    baseline : float or array (N,)
        What is added, in the unit of the responses.
    name : str, optional
        Of the array in an .npz or .mat file; None takes the only one.

    Returns
    -------
    Linear
        In evaluation mode. It answers sum_{f,j} field[f, j] x[f, t - j] + baseline.

    Raises
    ------
    FileNotFoundError, ImportError
        As of `deepstrf.datasets.read_arrays`.
    TypeError
        ``field`` is no array of real numbers.
    ValueError
        A shape is another one, a weight is not finite, ``lag_zero`` is missing, or a NEMS model is of another kind.

    Examples
    --------
    >>> model = linear_from_field([[0.0, 2.0, 0.0], [0.0, 0.0, 1.0]], lag_zero="first")
    >>> impulse = torch.zeros(1, 1, 2, 4)
    >>> impulse[..., 0] = 1
    >>> model(impulse).flatten().tolist()
    [0.0, 2.0, 1.0, 0.0]
    """
    where = "field"
    if isinstance(field, (str, bytes, os.PathLike)):
        file = as_path("field", field)
        where = str(file)
        if file.suffix.lower() == ".json":
            field, level = _nems(file)
            lag_zero, baseline = "first", level + np.asarray(baseline, dtype=np.float64)
        else:
            field = _only(file, name)
    if lag_zero is None:
        raise ValueError("lag_zero must be 'first' (MNE, NEMS, strfpak) or 'last', the end at which lag 0 is; got None")
    check_choice(("first", "last"), lag_zero=lag_zero)
    weights = as_tensor(where, field).float()
    weights = weights[None] if weights.ndim == 2 else weights
    if weights.ndim == 4 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.ndim != 3 or 0 in weights.shape:
        raise ValueError(f"{where} must have shape (F, T) or (N, F, T), got {tuple(weights.shape)}")
    if not bool(weights.isfinite().all()):
        raise ValueError(f"{where} must be finite, got {int((~weights.isfinite()).sum())} weights that are not")
    N, F, T = weights.shape
    levels = as_tensor("baseline", baseline).float()
    if levels.ndim > 1 or levels.numel() not in (1, N):
        raise ValueError(f"baseline must be one number or ({N},), got {tuple(levels.shape)}")
    with torch.random.fork_rng(devices=[]):
        model = Linear(F, T, out_neurons=N)
    with torch.no_grad():
        readout = model.readout
        readout.strf.kernel.get_parameter("weight").copy_(
            (weights.flip(-1) if lag_zero == "first" else weights)[:, None]
        )
        readout.strf.kernel.get_parameter("bias").zero_()
        readout.bn.weight.fill_((1 + readout.bn.eps) ** 0.5)
        readout.bn.bias.copy_(levels.expand(N))
    return model.eval()


def _only(path: Path, name: str | None) -> Any:
    found = load_arrays(path)
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        raise ValueError(f"name must be that of an array in {path}, {sorted(found)}, got {name!r}")
    return found[name]


def _nems(path: Path) -> tuple[np.ndarray, float]:
    """Field (F, T) of a NEMS specification, lag 0 first, and its level."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))
        steps = [(str(one["fn"]), one["phi"]) for one in modules if "phi" in one]
        weights = fir = None
        level = 0.0
        for step, phi in steps:
            if step == NEMS_WEIGHTS and weights is fir is None:
                weights = _array(phi["coefficients"])
            elif step == NEMS_FIR and fir is None:
                fir = _array(phi["coefficients"])
            elif step == NEMS_LEVEL and fir is not None:
                level += float(_array(phi["level"]).sum())
            else:
                raise ValueError(
                    f"{path}: the field of a NEMS model with {step} is not known here: give the array (F, T)"
                )
    except (OSError, KeyError, TypeError, AttributeError, UnicodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no model specification of NEMS: {error}") from error
    if fir is None:
        raise ValueError(f"{path}: the NEMS model must have {NEMS_FIR}, got {[step for step, _ in steps]}")
    if weights is not None and weights.shape[0] != fir.shape[0]:
        raise ValueError(f"{path}: channel weights {weights.shape} and FIR {fir.shape} must have as many rows")
    return (fir if weights is None else weights.T @ fir), level


def _array(values: Any) -> np.ndarray:
    """Numbers as NEMS writes them: plain lists, or a dict with ``data`` or ``value``."""
    if isinstance(values, dict):
        values = values.get("data", values.get("value"))
    return np.asarray(values, dtype=np.float64)
