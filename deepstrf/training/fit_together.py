"""Several alike fits at once: one `torch.func.vmap` over their models, each with sounds and an end of its own.

A step of a small model costs mostly calls, not arithmetic; the same calls then serve all of them. The loss is a sum
over models that share nothing, and the optimizer treats each weight by itself, so that every fit is what it is alone,
but for rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.neural_model import NeuralModel
from deepstrf.models.prediction import as_model_takes
from deepstrf.models.readouts import STRFReadout, biases_without_effect
from deepstrf.models.registry import KERNELS, OUTPUT_CURVES, PREFILTERS
from deepstrf.training.identity import described
from deepstrf.training.output_units import OutputUnits
from deepstrf.training.priors import penalty
from deepstrf.training.progress import NonFiniteLossError, Progress
from deepstrf.training.run import Run
from deepstrf.training.starts import strf_readout

__all__ = ["alike", "fit_together"]

ELEMENTWISE_OPTIMIZERS = (torch.optim.Adam, torch.optim.AdamW)
MOST_VALUES = 2**22
"""Of sounds and responses of one fit: beyond, arithmetic outweighs calls, and nothing is gained."""
SOUNDS = 4
"""That each model sees at a time outside training."""


def alike(run: Run) -> tuple[Any, ...] | None:
    """What two fits must have in common to run together; None for one that can only run alone."""
    model, optimizer = run.model, run.optimizer
    readout = strf_readout(model)
    normed = None if readout is None else readout.bn
    if (
        readout is None
        or type(readout.strf.kernel) not in KERNELS
        or type(readout.activation) not in OUTPUT_CURVES
        or type(getattr(model, "prefiltering", nn.Identity())) not in PREFILTERS
        or type(getattr(model, "wav2spec", nn.Identity())) is not nn.Identity
        or normed is None
        or normed.momentum is None
        or normed.running_mean is None
        or type(optimizer) not in ELEMENTWISE_OPTIMIZERS
        or run.schedule is not None
        or run.checkpoint is not None
        or run.first_layer is not None
        or run.settings.callbacks
        or run.settings.progress
    ):
        return None
    parts = [run.train, *([] if run.validation is None else [run.validation])]
    if sum(part.stimuli.numel() + part.responses.numel() for part in parts) > MOST_VALUES:
        return None
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = [
        [sorted(names[id(p)] for p in group["params"]), described({k: v for k, v in group.items() if k != "params"})]
        for group in optimizer.param_groups
    ]
    shapes = [tuple(x.shape) for part in parts for x in (part.stimuli, part.responses, part.judged)]
    tensors = [
        (name, tuple(x.shape), str(x.dtype), str(x.device), x.requires_grad)
        for name, x in {**dict(model.named_parameters()), **dict(model.named_buffers())}.items()
    ]
    about = [run.loss, run.settings.score, run.settings.epochs, run.settings.batch_size, run.patience, run.smoothness]
    axes = () if run.axes is None else (tuple(run.axes[0].tolist()), run.axes[1])
    return (
        type(model), repr(model), type(optimizer), repr(groups), tuple(shapes), tuple(tensors), described(about),
        run.settings.sparsity, axes,
    )  # fmt: skip


def fit_together(runs: Sequence[Run]) -> Iterator[tuple[int, BaseException | None, float]]:
    """Index of each fit as it ends, the error that ended it (None: its model is fitted), and its share of the seconds.

    Parameters
    ----------
    runs : sequence of Run
        Of which `alike` says the same, none of them begun.
    """
    yield from _Together(runs).to_the_end()


class _Together:
    """Fits under way, with the tensors of all models stacked along a first axis K."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = list(runs)
        self.active = list(range(len(runs)))
        self.progress = [Progress(run.model, run.settings.epochs, run.history) for run in runs]
        self.template = runs[0].model
        self.readout: STRFReadout = strf_readout(self.template)  # type: ignore[assignment]
        self.names = {id(parameter): name for name, parameter in self.template.named_parameters()}
        self.free = {name for name, p in self.template.named_parameters() if p.requires_grad}
        models = [dict([*run.model.named_parameters(), *run.model.named_buffers()]) for run in runs]
        self.tensors = {name: torch.stack([one[name].detach() for one in models]) for name in models[0]}
        for name in self.free:
            self.tensors[name].requires_grad_()
        self.optimizer = self._optimizer_of(runs[0].optimizer)
        self.unit = torch.stack([run.null_loss[1] for run in runs])
        self.output_units = OutputUnits.stacked([run.output_units for run in runs])
        self.loss_unit = torch.tensor([run.loss_unit for run in runs])
        self.zeroed = self._zeroed()
        self.validation: tuple[Tensor, Tensor, Tensor] | None = None
        if runs[0].validation is not None:
            held_out = [run.validation for run in runs if run.validation is not None]
            self.validation = (
                torch.stack([one.stimuli for one in held_out]),
                torch.stack([one.judged for one in held_out]),
                torch.stack([one.responses for one in held_out]),
            )
        self.sounds = torch.stack([run.train.stimuli for run in runs])
        self.recorded = torch.stack([~run.train.target[:, :, 0].isnan() for run in runs])
        self.seconds = [0.0] * len(runs)

    def to_the_end(self) -> Iterator[tuple[int, BaseException | None, float]]:
        """See `fit_together`."""
        while self.active:
            began = time.perf_counter()
            ended: dict[int, BaseException | None] = {}
            epoch = len(self.runs[self.active[0]].history) + 1
            losses, broken = self._train_epoch(epoch)
            self._leave(broken, ended)
            self._settle()
            for k, error in self._record(epoch, losses, began).items():
                broken[k] = error
            self._leave(broken, ended)
            share = (time.perf_counter() - began) / max(len(self.active) + len(ended), 1)
            for k in [*self.active, *ended]:
                self.seconds[k] += share
            self._leave({k: None for k in self.active if self._reason(k)}, ended)
            for k, error in ended.items():
                yield k, error, self.seconds[k]

    def _reason(self, k: int) -> str:
        self.runs[k].history.stopped = self.runs[k]._reason_to_stop(self.progress[k])
        return self.runs[k].history.stopped

    def _leave(self, which: dict[int, Any], ended: dict[int, BaseException | None]) -> None:
        """Take fits out of the stack; their models get their best weights."""
        leaving = {k: error for k, error in which.items() if k in self.active}
        if not leaving:
            return
        for k, error in leaving.items():
            self.runs[k].model.load_state_dict(self.runs[k].best)
            self.runs[k].model.eval()
            ended[k] = error
        rows = torch.tensor([row for row, k in enumerate(self.active) if k not in leaving], dtype=torch.long)
        self.active = [k for k in self.active if k not in leaving]
        kept = {name: tensor.detach()[rows.to(tensor.device)] for name, tensor in self.tensors.items()}
        state = self.optimizer.state
        old = {name: state.get(tensor, {}) for name, tensor in self.tensors.items() if name in self.free}
        for name in self.free:
            kept[name].requires_grad_()
        groups = self.optimizer.param_groups
        names = {id(tensor): name for name, tensor in self.tensors.items()}
        for group in groups:
            group["params"] = [kept[names[id(p)]] for p in group["params"]]
        state.clear()
        for name, values in old.items():
            state[kept[name]] = {
                key: value[rows.to(value.device)] if isinstance(value, Tensor) and value.dim() else value
                for key, value in values.items()
            }
        self.tensors = kept
        self.unit, self.sounds, self.recorded = (
            self.unit[rows.to(self.unit.device)],
            self.sounds[rows],
            self.recorded[rows],
        )
        self.output_units, self.loss_unit = self.output_units.rows(rows), self.loss_unit[rows]
        self.zeroed = {name: keep[rows.to(keep.device)] for name, keep in self.zeroed.items()}
        if self.validation is not None:
            x, judged, responses = self.validation
            self.validation = x[rows], judged[rows], responses[rows]

    def _optimizer_of(self, given: torch.optim.Optimizer) -> torch.optim.Optimizer:
        groups = [
            {**group, "params": [self.tensors[self.names[id(p)]] for p in group["params"]]}
            for group in given.param_groups
        ]
        make: Any = type(given)
        return make(groups)

    def _zeroed(self) -> dict[str, Tensor]:
        """Factor 0 for weights of which no response says anything, else 1, by the name of their tensor."""
        found: dict[str, Tensor] = {}
        for k, run in enumerate(self.runs):
            names = {id(parameter): name for name, parameter in run.model.named_parameters()}
            for weight, unmoved in run.without_evidence:
                name = names[id(weight)]
                keep = found.setdefault(name, torch.ones_like(self.tensors[name].detach()))
                keep[k][unmoved] = 0.0
        return found

    # -- one epoch -----------------------------------------------------------------------------------------------

    def _train_epoch(self, epoch: int) -> tuple[dict[int, Tensor], dict[int, BaseException | None]]:
        """Mean loss (N,) of each fit over its batches, as `Run` has it, and those whose loss was not finite."""
        settings, N = self.runs[self.active[0]].settings, self.unit.shape[1]
        total = torch.zeros(len(self.active), N, dtype=torch.float64)
        bins = torch.zeros_like(total)
        broken: dict[int, BaseException | None] = {}
        batches = [
            self.runs[k].train.batches(settings.batch_size, self.runs[k].generator_of(epoch)) for k in self.active
        ]
        for members in zip(*batches, strict=True):
            # What is added to the shorter and to the smaller batches is not recorded, so it counts nowhere.
            x = _stacked([one for one, _ in members], 0.0)
            y = _stacked([one for _, one in members], torch.nan)
            losses = self._step(as_model_takes(self.template, x), as_model_takes(self.template, y))
            recorded = (~y.isnan()).sum((1, 3, 4)).cpu()
            bad = ~losses.isfinite() & (recorded > 0)
            for row, k in enumerate(self.active):
                if bool(bad[row].any()) and k not in broken:
                    broken[k] = self._not_finite(k, epoch, bad[row], "training")
            total += torch.where(recorded > 0, losses.double(), 0.0) * recorded
            bins += recorded
        means = torch.where(bins > 0, total / bins.clamp(min=1), torch.nan).float()
        return dict(zip(self.active, means, strict=True)), broken

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        """One step of the optimizer for all fits; their losses (K, N) before it."""
        run = self.runs[self.active[0]]
        self.optimizer.zero_grad()
        counted = (~y.isnan()).any(3)
        self.template.train()
        pred = self._mapped(_Counted(self.template, self.readout), x, counted)
        losses = self._per_neuron(run.loss, pred, y)
        wanted = (~y.isnan()).flatten(3).any(-1).any(1) & losses.isfinite()
        unit = self.loss_unit.to(losses)
        total = (losses / unit[:, None])[wanted].sum()
        if run.has_priors:
            cost = _Cost(
                self.template, lambda model, unit: penalty(model, run.smoothness, run.settings.sparsity, unit, run.axes)
            )
            costs = self._mapped(cost, self.unit.to(losses))
            total = total + (costs / unit)[wanted.any(1)].sum()
        total.backward()
        for bias in biases_without_effect(self.template):
            if bias.requires_grad:
                self.tensors[self.names[id(bias)]].grad.zero_()  # type: ignore[union-attr]
        with self.output_units.taken(self.tensors):
            self.optimizer.step()
        with torch.no_grad():
            for name, keep in self.zeroed.items():
                self.tensors[name].mul_(keep)
            kernel = self.readout.strf.kernel
            if isinstance(kernel, ParametricSTRF):
                name = self.names[id(kernel.P)]
                self.tensors[name][:, 0].clamp_(0, kernel.F - 1)
                self.tensors[name][:, 1].clamp_(0, kernel.T - 1)
        return losses.detach().cpu()

    def _settle(self) -> None:
        """Statistics of the batch norms over all recorded bins, as `settle_batch_norms` has them."""
        if not self.active:
            return
        K, B = self.sounds.shape[:2]
        sums = torch.zeros(3, K, self.unit.shape[1], dtype=torch.float64)
        self.template.eval()
        with torch.no_grad():
            for part in torch.arange(B).split(SOUNDS):
                x = as_model_takes(self.template, self.sounds[:, part])
                drive = self._mapped(_Drive(self.template, self.readout), x)[:, :, :, 0].double().cpu()
                there = self.recorded[:, part].cpu()
                drive = torch.where(there, drive, 0.0)
                sums += torch.stack([there.sum((1, -1)), drive.sum((1, -1)), drive.square().sum((1, -1))])
            n, total, squares = sums
            mean = total / n.clamp(min=1)
            variance = (squares / n.clamp(min=1) - mean.square()).clamp(min=0)
            names = {id(buffer): name for name, buffer in self.template.named_buffers()}
            for buffer, value in ((self.readout.bn.running_mean, mean), (self.readout.bn.running_var, variance)):
                stacked = self.tensors[names[id(buffer)]]
                stacked.copy_(torch.where((n > 0).to(stacked.device), value.to(stacked), stacked))

    def _record(self, epoch: int, losses: dict[int, Tensor], began: float) -> dict[int, BaseException | None]:
        """Evaluate, note the epoch, keep the best weights; the fits that are not finite any more."""
        broken: dict[int, BaseException | None] = {}
        if not self.active:
            return broken
        finite = torch.stack([self.tensors[name].detach().flatten(1).isfinite().all(1).cpu() for name in self.free])
        validation_loss = scores = None
        run = self.runs[self.active[0]]
        if self.validation is not None:
            stimuli, judged, responses = self.validation
            self.template.eval()
            with torch.no_grad():
                x = as_model_takes(self.template, stimuli)
                pred = self._mapped(self.template, x).to(judged.device)
                validation_loss = self._per_neuron(run.loss, pred, judged).cpu()
                scores = self._per_neuron(run.settings.score, pred, responses).cpu()
        for row, k in enumerate(self.active):
            if not bool(finite.all(0)[row]):
                broken[k] = self._not_finite(k, epoch, self.recorded[row].any(0).any(-1).cpu(), "training")
                continue
            if validation_loss is not None and self.validation is not None:
                there = (~self.validation[1][row].isnan()).sum((0, 2, 3)).cpu() > 0
                bad = ~validation_loss[row].isfinite() & there
                if bool(bad.any()):
                    broken[k] = self._not_finite(k, epoch, bad, "validation")
                    continue
            is_best = self.runs[k].note(
                epoch,
                losses[k],
                None if validation_loss is None else validation_loss[row],
                None if scores is None else scores[row],
                began,
            )
            if is_best:
                self.runs[k].best = {name: tensor.detach()[row].clone() for name, tensor in self._state().items()}
        return broken

    def _state(self) -> dict[str, Tensor]:
        return {name: self.tensors[name] for name in self.template.state_dict()}

    def _not_finite(self, k: int, epoch: int, bad: Tensor, where: str) -> NonFiniteLossError:
        rate = self.runs[k].optimizer.param_groups[0]["lr"]
        return NonFiniteLossError(epoch, bad.nonzero().flatten().tolist(), where, rate)

    def _mapped(self, module: nn.Module, *arguments: Tensor) -> Tensor:
        """``module``, which holds the template, with the tensors of each model in turn: (K, ...)."""
        prefix = "" if module is self.template else "model."
        named = {prefix + name: tensor for name, tensor in self.tensors.items()}

        def one(tensors: dict[str, Tensor], *values: Tensor) -> Tensor:
            return functional_call(module, tensors, values)

        return vmap(one)(named, *arguments)

    def _per_neuron(self, metric: Callable[..., Tensor], pred: Tensor, gt: Tensor) -> Tensor:
        """A loss or score (K, N), of the neurons of all models side by side."""
        K, B, N = pred.shape[:3]
        beside = [x.transpose(0, 1).reshape(B, K * N, *x.shape[3:]) for x in (pred, gt)]
        return metric(*beside, reduction="none").view(K, N)


def _stacked(parts: Sequence[Tensor], fill: float) -> Tensor:
    """(K, b, ..., T), of parts with the same axes but the first and the last."""
    b, T = max(len(one) for one in parts), max(one.shape[-1] for one in parts)
    stacked = parts[0].new_full((len(parts), b, *parts[0].shape[1:-1], T), fill)
    for row, one in zip(stacked, parts, strict=True):
        row[: len(one), ..., : one.shape[-1]] = one
    return stacked


class _Counted(nn.Module):
    """A model in training mode whose batch norm takes its statistics from some bins only."""

    def __init__(self, model: nn.Module, readout: STRFReadout) -> None:
        super().__init__()
        self.model = model
        self.held = (readout,)

    def forward(self, x: Tensor, counted: Tensor) -> Tensor:
        """Response (b, N, 1, T) to x (b, 1, F, T), with ``counted`` (b, N, T) bool."""
        (readout,) = self.held
        readout._counted = counted
        try:
            return self.model(x)
        finally:
            readout._counted = None


class _Drive(nn.Module):
    """What the receptive fields of a model give, before the batch norm."""

    def __init__(self, model: nn.Module, readout: STRFReadout) -> None:
        super().__init__()
        self.model = model
        self.held = (readout,)

    def forward(self, x: Tensor) -> Tensor:
        """(b, N, 1, T)."""
        (readout,) = self.held
        heard = self.model.prefiltered(x) if isinstance(self.model, NeuralModel) else x
        return readout.strf(heard)


class _Cost(nn.Module):
    """What the priors cost of a model."""

    def __init__(self, model: nn.Module, cost: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.model = model
        self.cost = cost

    def forward(self, unit: Tensor) -> Tensor:
        """()."""
        return self.cost(self.model, unit)
