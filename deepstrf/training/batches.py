"""Stimuli and responses of a fit, in mini-batches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from deepstrf.arguments import as_tensor, check_has_values
from deepstrf.datasets import Recording
from deepstrf.metrics.pooling import check_responses
from deepstrf.models.prediction import predict
from deepstrf.models.readouts import STRFReadout
from deepstrf.stimuli import Spectrogram
from deepstrf.stimuli.evidence import moving_bands
from deepstrf.user_warning import warn_user

Data = Recording | tuple[Any, Any]
"""A recording, or stimuli (B, 1, F, T), a Spectrogram for one, with responses (B, N, R, T), as tensors or arrays."""


MOST_NAMED = 5
SMALLEST, LARGEST = 1e-15, 1e15
"""Size of levels, and of responses; their squares and the sums of them must lie between 1e-38 and 3e38."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Data of a fit: the stimuli with a recorded response, and the responses averaged over repeats.

    Attributes
    ----------
    stimuli : Tensor, shape (B, 1, F, T)
    responses : Tensor, shape (B, N, R, T)
        As recorded.
    target : Tensor, shape (B, N, 1, T)
        Mean over the repeats that are there, NaN without any.
    judged : Tensor, shape (B, N, R or 1, T)
        What the loss is given: ``responses`` where bins differ in their number of trials, else ``target``.
    bins : tuple of int
        Up to the last bin of each stimulus in which any neuron was recorded.
    """

    stimuli: Tensor
    responses: Tensor
    target: Tensor
    judged: Tensor
    bins: tuple[int, ...]

    @classmethod
    def of(cls, data: Data, name: str, *, skip_bins: int = 0) -> Examples:
        """Examples of a recording or a pair of arrays, which errors call ``name``.

        Responses to the first ``skip_bins`` of each sound are left out.

        Raises
        ------
        TypeError, ValueError
            Not a recording or two arrays of floating point, shapes that do not fit together, stimuli that are not
            finite, or no response at all.
        """
        stimuli, responses = stimuli_and_responses(data, name)
        check_responses(responses, f"responses of {name}")
        if stimuli.ndim < 2 or (len(stimuli), stimuli.shape[-1]) != (len(responses), responses.shape[-1]):
            raise ValueError(
                f"stimuli of {name} must have the B and T of its responses, {tuple(responses.shape)}, "
                f"got {tuple(stimuli.shape)}"
            )
        if not bool(stimuli.isfinite().all()):
            raise ValueError(f"stimuli of {name} must be finite, got {int((~stimuli.isfinite()).sum())} that are not")
        infinite = responses.isinf().any(0).flatten(1).any(1)
        if bool(infinite.any()):
            first = ", ".join(str(n) for n in infinite.nonzero().flatten().tolist()[:MOST_NAMED])
            raise ValueError(
                f"{name}: responses must be finite, or NaN where nothing was recorded, got infinite ones of "
                f"{int(infinite.sum())} of {len(infinite)} neurons ({first})"
            )
        for what, values in (("stimuli", stimuli), ("responses", responses)):
            if (largest := values.nan_to_num().abs().max().item()) > LARGEST:
                raise ValueError(
                    f"{what} of {name} must lie within {LARGEST:g} of 0, since float32 holds no squares of larger "
                    f"numbers, got {largest:.3g}: give them in another unit"
                )
        if 0 < (largest := stimuli.abs().max().item()) < SMALLEST:
            raise ValueError(
                f"stimuli of {name} must not all lie within {SMALLEST:g} of 0, since float32 holds no squares of such "
                f"numbers, got {largest:.3g}: give levels in dB, or in another unit"
            )
        # Tensors that were made in inference mode can be saved for no gradient; their copies can.
        stimuli, responses = (x.clone() if x.is_inference() else x for x in (stimuli, responses))
        if skip_bins:
            if skip_bins >= responses.shape[-1]:
                raise ValueError(
                    f"skip_bins must leave bins of {name}, whose longest sound has {responses.shape[-1]}, got "
                    f"{skip_bins}"
                )
            responses = responses.clone()
            responses[..., :skip_bins] = torch.nan
            if bool(responses.isnan().all()):
                raise ValueError(f"skip_bins must leave recorded bins of {name}, got {skip_bins}, beyond all of them")
        recorded = (~responses.isnan()).flatten(1, 2).any(1)
        there = recorded.any(-1)
        if not bool(there.any()):
            raise ValueError(f"{name} must hold responses, got NaN only")
        if not bool(there.all()):
            stimuli, responses, recorded = stimuli[there], responses[there], recorded[there]
        bins = (recorded * torch.arange(1, recorded.shape[-1] + 1, device=recorded.device)).amax(-1)
        trials = (~responses.isnan()).sum(2).transpose(0, 1).flatten(1)
        most = trials.amax(1, keepdim=True)
        target = responses.nanmean(2, keepdim=True)
        alike = bool(((trials == 0) | (trials == most)).all())
        return cls(stimuli, responses, target, target if alike else responses, tuple(bins.tolist()))

    def __len__(self) -> int:
        return len(self.bins)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Stimuli and what the loss judges, of ``size`` examples at a time, cut to the longest of them.

        In the order that they have, or in a random one: then examples of similar length share a batch, so that little
        of it is padding.
        """
        if generator is None:
            order = list(range(len(self)))
        else:
            shuffled = torch.randperm(len(self), generator=generator).tolist()
            order = sorted(shuffled, key=lambda b: self.bins[b])  # stable: random among equals
        groups = [order[i : i + size] for i in range(0, len(order), size)]
        if generator is not None:
            groups = [groups[i] for i in torch.randperm(len(groups), generator=generator).tolist()]
        for group in groups:
            T = max(self.bins[b] for b in group)
            yield self.stimuli[group][..., :T], self.judged[group][..., :T]


def check_same_axes(train: Recording, validation: Recording) -> None:
    """Raise ValueError unless bins, bands and neurons of ``validation`` are those of ``train``.

    Neurons that have other names altogether are taken for the same: numbers, for instance, where names were not given.
    """
    if not math.isclose(validation.dt_ms, train.dt_ms, rel_tol=1e-6):
        raise ValueError(
            f"validation must have the bins of train, {train.dt_ms:g} ms, got {validation.dt_ms:g} ms; "
            "Recording.rebin makes bins wider"
        )
    if len(train.cf_hz) == len(validation.cf_hz) and not torch.allclose(
        validation.cf_hz.double().cpu(), train.cf_hz.double().cpu(), rtol=1e-3
    ):
        raise ValueError(
            f"validation must have the bands of train, {_ends(train)}, got {_ends(validation)}: read both with the "
            "same bands"
        )
    ours, others = train.neuron_names, validation.neuron_names
    if ours != others and set(ours) & set(others) and len(ours) == len(others):
        n = next(n for n, (one, other) in enumerate(zip(ours, others, strict=True)) if one != other)
        raise ValueError(
            f"validation must have the neurons of train in the same order, got {others[n]!r} in place of {ours[n]!r} "
            f"as neuron {n + 1}: validation.select(neurons=train.neuron_names) brings them into it"
        )


def warn_of_unmoving_sounds(examples: Examples) -> None:
    """Warn where no band of any sound moves: a fit then knows each neuron's mean response, and its field is chance."""
    stimuli = examples.stimuli
    if stimuli.ndim == 4 and not bool(moving_bands(stimuli, examples.bins).any()):
        warn_user(
            "no band of the stimuli moves: the fit finds the mean response of each neuron and no receptive field; look "
            "at the levels, and at floor_db and calibration where they were computed from sound files"
        )


def _ends(recording: Recording) -> str:
    """First and last band, in words."""
    return f"{recording.cf_hz[0].item():.0f} to {recording.cf_hz[-1].item():.0f} Hz"


def time_blocks(target: Tensor, blocks: int) -> Tensor:
    """Block of each bin, (B, T), from 0; -1 where no neuron was recorded.

    Parameters
    ----------
    target : Tensor, shape (B, N, 1, T)
        NaN where nothing was recorded.
    blocks : int
        At least 2, at most the number of recorded bins.
    """
    recorded = (~target.isnan()).flatten(1, 2).any(1)
    bins = int(recorded.sum())
    if not 2 <= blocks <= bins:
        raise ValueError(f"blocks must lie in [2, {bins}], the number of recorded bins, got {blocks}")
    block = torch.full(recorded.shape, -1, device=recorded.device)
    block[recorded] = torch.arange(bins, device=recorded.device) * blocks // bins
    return block


def settle_batch_norms(model: nn.Module, examples: Examples) -> None:
    """Set the running statistics of every `STRFReadout` to those of all recorded bins of each neuron, exactly.

    What an epoch leaves in them is an average over batches of some sounds each, with weights that have moved on since.
    """
    recorded = ~examples.target[:, :, 0].isnan()
    readouts = [
        module
        for module in model.modules()
        if isinstance(module, STRFReadout) and module.bn.num_features == recorded.shape[1]
    ]
    sums = {readout: torch.zeros(3, recorded.shape[1], dtype=torch.float64) for readout in readouts}

    def add(strf: nn.Module, _: object, drive: Tensor, *, readout: STRFReadout) -> None:
        counted = recorded[part][..., : drive.shape[-1]]
        values = torch.where(counted, drive[:, :, 0].double().cpu(), 0.0)
        sums[readout] += torch.stack([counted.sum((0, 2)), values.sum((0, 2)), values.square().sum((0, 2))])

    hooks = [readout.strf.register_forward_hook(partial(add, readout=readout)) for readout in readouts]
    try:
        for b, T in enumerate(examples.bins if readouts else ()):
            part = slice(b, b + 1)
            predict(model, examples.stimuli[part, ..., :T])
    finally:
        for hook in hooks:
            hook.remove()
    for readout, (n, total, squares) in sums.items():
        mean = total / n.clamp(min=1)
        variance = (squares / n.clamp(min=1) - mean.square()).clamp(min=0)
        for buffer, value in ((readout.bn.running_mean, mean), (readout.bn.running_var, variance)):
            if buffer is not None:
                buffer.copy_(torch.where(n > 0, value, buffer.double().cpu()))


def stimuli_and_responses(data: Data, name: str) -> tuple[Tensor, Tensor]:
    """Both tensors of ``data``; TypeError where there are no two of them."""
    if isinstance(data, Recording):
        return data.stimuli, data.responses
    if not (isinstance(data, tuple) and len(data) == 2):
        raise TypeError(f"{name} must be a Recording or (stimuli, responses), got {type(data).__name__}")
    sound, responses = data[0], as_tensor(f"responses of {name}", data[1]).detach()
    if isinstance(sound, Spectrogram):
        return sound.values[None, None], responses[None] if responses.ndim == 3 else responses
    stimuli = as_tensor(f"stimuli of {name}", sound).detach()
    for what, values in (("stimuli", stimuli), ("responses", responses)):
        check_has_values(f"{what} of {name}", values)
    return stimuli, responses
