"""Table of all that may be edited: one row per parameter, in natural units, joined to its raw tensor.

Editors, keyboard, undo and messages use this table; a new layer becomes editable by adding rows to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from deepstrf.models import NeuralModel
from deepstrf.models.layers.constraints import POSITIVE, Constraint, NaturalProperty
from deepstrf.models.readouts import STRFReadout
from deepstrf.models.registry import OUTPUT_CURVES, PREFILTERS, Layer, Scale, kernel_entry
from deepstrf.models.switches import SWITCH

from .units import band_to_hz, frame_to_lag_ms, hz_to_band, lag_ms_to_frame, octaves_per_band

__all__ = ["ABLATION", "TENSORS", "Index", "Parameter", "channel_names", "other_tensors", "parameter_table"]

Array = NDArray[np.float64]
Index = tuple[int, ...]
Convert = Callable[[Array, Index], Array]

SLACK, LEAST_SLACK = 1e-5, 1e-12
"""Fraction of a limit by which float32 values from the browser may exceed it; of a limit of 0 the smallest slack."""

SMALLEST_POSITIVE = 1e-6


def _same(values: Array, _index: Index) -> Array:
    return values


ABLATION = "ablation"
"""First part of the names of parameters that switch parts of a model off."""

TENSORS = "tensors"
"""First part of the names of tensors that no editor shows, such as the gain of a batch norm; a fit moves them."""

LARGEST = 1e9
"""Limit of parameters that have none of their own: up to it every response stays finite in float32."""


@dataclass(frozen=True)
class Parameter:
    """One editable parameter of a model, in natural units.

    Attributes
    ----------
    name : str
        For example ``strf.center_hz``.
    unit : str
        Unit of the values, ``""`` when dimensionless.
    stage : {"prefilter", "drive", "rate"}
        The first stage of the model that reads it.
    shape : tuple of int
        Shape of the values. The first axis is the neuron, except for the prefilter (bands).
    tensor : str
        Name of the raw tensor in the model's state dict; ``prefix`` is the part of its index that the row fixes.
    limits : callable
        ``limits(index) -> (low, high)``: lowest and highest valid value there, both included.
    by_row : bool
        Whether it is painted with a brush: a full index may then be where a run of values along the last axis begins,
        and undo keeps whole rows, so that runs that overlap do not hide one another.
    on_grid : Parameter, optional
        The same values in bands and frames, as the browser holds and sends them; None where they have no place on the
        grid and natural units are the browser's too.
    """

    name: str
    unit: str
    stage: str
    shape: tuple[int, ...]
    tensor: str
    raw: Tensor = field(repr=False)
    limits: Callable[[Index], tuple[Any, Any]] = field(repr=False)
    from_raw: Convert = field(default=_same, repr=False)
    to_raw: Convert = field(default=_same, repr=False)
    prefix: Index = ()
    by_row: bool = False
    on_grid: Parameter | None = field(default=None, repr=False)

    @property
    def grid(self) -> Parameter:
        """The same parameter in units of the grid, under the name that the browser uses; itself where it has none."""
        return self.on_grid or self

    @property
    def per_neuron(self) -> bool:
        """Whether the first axis of the values is the neuron."""
        return self.stage != "prefilter"

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of its leading axes, of neuron, channel and Gaussian."""
        if not self.per_neuron:
            return ()
        named = ("neuron", "channel") if self.by_row else ("neuron", "channel", "gaussian")
        return named[: len(self.shape)]

    def check_index(self, index: Index) -> Index:
        """Return the index as a tuple of ints; IndexError where it does not fit the parameter's shape."""
        if not isinstance(index, (tuple, list)):
            raise TypeError(f"index of {self.name} must be a tuple of whole numbers, got {index!r}")
        index = tuple(index)
        fits = len(index) <= len(self.shape) and all(
            isinstance(i, (int, np.integer)) and not isinstance(i, bool) and 0 <= i < n
            for i, n in zip(index, self.shape, strict=False)
        )
        if not fits:
            raise IndexError(f"index of {self.name} must lie within its shape {self.shape}, got {index}")
        return tuple(int(i) for i in index)

    def read(self, index: Index = ()) -> Array:
        """Values in natural units at a (partial) index, float64."""
        index = self.check_index(index)
        raw = self.raw[self.prefix + index].detach().to("cpu", torch.float64).numpy()
        return np.array(self.from_raw(raw, index))  # a copy: no caller may hold a view of the model

    def encode(self, values: ArrayLike, index: Index = ()) -> Tensor:
        """Raw values that give ``values`` at ``index``, shaped as that part of the raw tensor; sets nothing.

        Where a parameter is kept ``by_row``, several values at a full index are those from there on.

        Raises
        ------
        IndexError
            ``index`` does not fit the shape.
        TypeError, ValueError
            ``values`` are not numbers, have another shape, are not finite or lie outside the limits.
        """
        index = self.check_index(index)
        shape = self.shape[len(index) :]
        if isinstance(values, Tensor):
            values = values.detach().cpu()
        try:
            v = np.asarray(values)
            if v.dtype.kind not in "iuf":
                raise TypeError(f"dtype {v.dtype}")
            v = v.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{self.name} must be a number or an array of numbers, got {values!r}") from error
        if self.by_row and not shape and v.ndim == 1 and 0 < v.size <= self.shape[-1] - index[-1]:
            shape = v.shape
        if v.shape != shape:
            if v.shape != ():
                raise ValueError(f"{self.name} at index {index} must have shape {shape}, got {v.shape}")
            v = np.full(shape, v)
        if not np.isfinite(v).all():
            raise ValueError(f"{self.name} must be finite, got {float(v[~np.isfinite(v)].flat[0])}")
        low, high = self.limits(index)
        least, most = (limit + side * (SLACK * abs(limit) + LEAST_SLACK) for limit, side in ((low, -1), (high, 1)))
        outside = (v < least) | (v > most)
        if outside.any():
            unit = f" {self.unit}" if self.unit else ""
            raise ValueError(
                f"{self.name} must lie in [{np.min(low):.6g}, {np.max(high):.6g}]{unit}, "
                f"got {float(v[outside].flat[0]):.6g}"
            )
        raw = np.array(self.to_raw(np.minimum(np.maximum(v, low), high), index))
        largest = torch.finfo(self.raw.dtype).max
        if not (np.abs(raw) <= largest).all():
            raise ValueError(f"{self.name} must stay finite in {self.raw.dtype} (up to {largest:.3g}), got {values!r}")
        return torch.as_tensor(raw, dtype=self.raw.dtype, device=self.raw.device)

    def in_place(self, new: Tensor, index: Index) -> tuple[Index, Tensor]:
        """Index and raw values of what an edit replaces: of a parameter kept ``by_row`` the whole row it lies in."""
        if not self.by_row or len(index) < len(self.shape):
            return index, new
        row = self.raw[self.prefix + index[:-1]].detach().clone()
        row[index[-1] : index[-1] + new.numel()] = new
        return index[:-1], row


def channel_names(n_channels: int) -> list[str]:
    """Name of each channel after the prefilter: ON and OFF where there are two."""
    if n_channels == 2:
        return ["ON", "OFF"]
    return ["input"] if n_channels == 1 else [f"channel {channel}" for channel in range(n_channels)]


def _between(low: float, high: float) -> Callable[[Index], tuple[float, float]]:
    return lambda _index: (low, high)


def _conversions(constraint: Constraint | None, scale: Scale | None, dt_ms: float) -> tuple[Convert, Convert]:
    """From the raw tensor of a column to what is shown, and back."""

    def from_raw(values: Array, _index: Index) -> Array:
        if constraint is not None:
            values = constraint.to_natural(torch.from_numpy(values)).numpy()
        return values if scale is None else scale[0](values, dt_ms)

    def to_raw(values: Array, _index: Index) -> Array:
        if scale is not None:
            values = scale[1](values, dt_ms)
        return values if constraint is None else constraint.to_raw(torch.from_numpy(np.array(values)), "values").numpy()

    return from_raw, to_raw


def _rows(layer: Layer, module: nn.Module, stage: str, table: str, where: str, dt_ms: float) -> Iterator[Parameter]:
    """Rows ``table.name`` of the columns of a registered layer, but for those that the module was built without."""
    for column in layer.columns:
        attribute, constraint = column.attribute or column.name, None
        natural = getattr(type(module), attribute, None)
        if isinstance(natural, NaturalProperty):
            attribute, constraint = natural.raw_name, natural.constraint_of(module)
        raw = getattr(module, attribute)
        if raw is None:
            continue
        raw = raw if column.view is None else column.view(raw)
        limits = column.limits(module, dt_ms) if callable(column.limits) else column.limits
        if limits is None:
            limits = SMALLEST_POSITIVE if constraint is POSITIVE else -LARGEST, LARGEST
        prefix = () if column.part is None else (column.part,)
        yield Parameter(
            f"{table}.{column.name}",
            column.unit,
            stage,
            tuple(raw[prefix].shape),
            f"{where}.{attribute}",
            raw,
            _between(*limits),
            *_conversions(constraint, column.scale, dt_ms),
            prefix,
            column.by_row,
        )


def _kernel_rows(kernel: Any, cf_hz: Array, dt_ms: float, delay_ms: float) -> Iterator[Parameter]:
    """Rows of a kernel, those on the grid in natural units with their twin."""
    entry = kernel_entry(kernel)
    rows = {row.name: row for row in _rows(entry, kernel, "drive", "strf", "readout.strf.kernel", dt_ms)}

    def slope(index: Index) -> Array:
        return octaves_per_band(rows["strf.band"].read(index), cf_hz)

    natural: dict[str, tuple[str, str, Convert, Convert]] = {
        "strf.band": ("center_hz", "Hz", lambda v, _i: band_to_hz(v, cf_hz), lambda v, _i: hz_to_band(v, cf_hz)),
        "strf.frame": (
            "center_ms",
            "ms",
            lambda v, _i: frame_to_lag_ms(v, kernel.T, dt_ms, delay_ms),
            lambda v, _i: lag_ms_to_frame(v, kernel.T, dt_ms, delay_ms),
        ),
        # Widths are kept in bands: in octaves they follow the centre, wherever it is moved.
        "strf.sigma_bands": ("sigma_oct", "oct", lambda v, i: v * slope(i), lambda v, i: v / slope(i)),
        "strf.sigma_frames": ("sigma_ms", "ms", lambda v, _i: v * dt_ms, lambda v, _i: v / dt_ms),
    }
    for row in rows.values():
        yield _in_natural_units(row, *natural[row.name]) if row.name in natural else row


def _in_natural_units(grid: Parameter, name: str, unit: str, to_natural: Convert, to_grid: Convert) -> Parameter:
    """A row with values on the grid in natural units, and that row as its twin."""

    def limits(index: Index) -> tuple[Array, Array]:
        first, last = (to_natural(np.asarray(end, dtype=np.float64), index) for end in grid.limits(index))
        return np.minimum(first, last), np.maximum(first, last)

    def to_raw(values: Array, index: Index) -> Array:
        return grid.to_raw(np.clip(to_grid(values, index), *grid.limits(index)), index)

    return replace(
        grid,
        name=f"strf.{name}",
        unit=unit,
        limits=limits,
        from_raw=lambda values, index: to_natural(grid.from_raw(values, index), index),
        to_raw=to_raw,
        on_grid=grid,
    )


def parameter_table(model: NeuralModel, *, cf_hz: Array, dt_ms: float, delay_ms: float = 0.0) -> dict[str, Parameter]:
    """Everything that can be edited in ``model``, by name.

    Parameters
    ----------
    model : NeuralModel
        The rows hold its tensors, not copies.
    cf_hz : ndarray, shape (F,)
        Centre frequency of each band in Hz.
    dt_ms : float
        Width of a time bin in ms.
    delay_ms : float
        Of the stimulus, as in :class:`~deepstrf.stimuli.Spectrogram`: lags in ms count from the sound itself.

    Returns
    -------
    dict of str to Parameter
        Empty for a model with nothing that this table knows.
    """
    prefilter, readout = model.prefiltering, model.readout
    layer = PREFILTERS.get(type(prefilter), Layer())
    rows = list(_rows(layer, prefilter, "prefilter", "prefilter", "prefiltering", dt_ms))
    if isinstance(readout, STRFReadout):
        # The frequency axis of a readout behind a core is the core's, not the cochlea's: then only the
        # output curve keeps its meaning.
        if isinstance(model.core, nn.Identity):
            rows += _kernel_rows(readout.strf.kernel, cf_hz, dt_ms, delay_ms)
        layer = OUTPUT_CURVES.get(type(readout.activation), Layer())
        rows += _rows(layer, readout.activation, "rate", "activation", "readout.activation", dt_ms)
    rows += _switch_rows(model)
    return {row.name: row for row in rows}


def _switch_rows(model: NeuralModel) -> Iterator[Parameter]:
    """Rows ``ablation.bands`` and so on of a model with switches: 1 where a part is on, 0 where it is off."""
    for tensor, raw in model.named_buffers():
        buffer = tensor.rpartition(".")[2]
        if buffer.startswith(SWITCH):
            name = f"{ABLATION}.{buffer.removeprefix(SWITCH)}"
            yield Parameter(name, "", "prefilter", tuple(raw.shape), tensor, raw, _between(0.0, 1.0))


def other_tensors(model: NeuralModel, named: dict[str, Parameter]) -> dict[str, Parameter]:
    """Rows ``tensors.readout.bn.weight`` and so on: all numbers of a model that stand in no row of its table."""
    shown = {parameter.tensor for parameter in named.values()}
    rows = {}
    for name, raw in (*model.named_parameters(), *model.named_buffers()):
        if name in shown or not raw.is_floating_point() or SWITCH in name:
            continue
        own = name.startswith("readout.bn.") and raw.ndim > 0
        row = Parameter(
            f"{TENSORS}.{name}",
            "",
            "drive" if own else "prefilter",
            tuple(raw.shape),
            name,
            raw.detach(),
            _between(-LARGEST, LARGEST),
        )
        rows[row.name] = row
    return rows
