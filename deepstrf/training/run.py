"""The loop over the epochs of a fit, with early stopping and checkpoints."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from math import isnan
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.memory import LIMIT_GB
from deepstrf.metrics import mse_loss, poisson_loss
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.neural_model import NeuralModel
from deepstrf.models.prediction import as_model_takes, predict
from deepstrf.models.readouts import STRFReadout, biases_without_effect, check_batch_norm, normalising_over
from deepstrf.stimuli.evidence import moving_bands, moving_bands_of_each
from deepstrf.training.batches import Examples, settle_batch_norms, warn_of_unmoving_sounds
from deepstrf.training.beside_ridge import ridge_scores
from deepstrf.training.checkpoint import (
    check_optimizer_state,
    check_schedule_state,
    check_weights,
    history_in,
    load_checkpoint,
    save_checkpoint,
)
from deepstrf.training.history import EpochRecord, History
from deepstrf.training.identity import (
    described,
    digest,
    identity_of_model,
    identity_of_optimizer,
    identity_of_settings,
)
from deepstrf.training.input_scale import standardised_layer, start_standardised
from deepstrf.training.linear_regression import RidgeFields
from deepstrf.training.output_units import OutputUnits, is_adaptive
from deepstrf.training.priors import kernels, penalty
from deepstrf.training.progress import NonFiniteLossError, Progress
from deepstrf.training.recipes import (
    check_can_follow,
    check_loss,
    recipe_for,
    warn_of_precision,
    warn_of_tiny_sounds,
)
from deepstrf.training.settings import FitSettings, Metric, NamesParameters
from deepstrf.training.starts import Axes, heard_by, is_untouched, start_from_data
from deepstrf.training.under_way import under_way
from deepstrf.user_warning import warn_user

LONGEST_ANSWER = 256
"""Bins."""
ROUNDING = 0.01
"""Of the largest response: half precision has no more."""

DRAWING = nn.RReLU, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d
"""Layers of torch's that draw random numbers, beside those with a share to drop."""


class _NotFinite(Exception):  # noqa: N818 - only ever travels out of an optimizer's step
    pass


LEFT_START = 0.02
"""Share of what a constant prediction loses that the training loss must have gained for a fit to have left its start:
until then epochs without a better score are a plateau, on which patience does not count."""

PLATEAU = 6
"""Times the patience after which a fit ends on a plateau."""


class Run:
    """One fit under way."""

    def __init__(
        self,
        settings: FitSettings,
        model: nn.Module,
        train: Examples,
        validation: Examples | None,
        checkpoint: Path | None,
        axes: Axes | None = None,
        *,
        max_gb: float = LIMIT_GB,
    ) -> None:
        check_fits(model, train, validation)
        self.model, self.train, self.validation = model, train, validation
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        if not named:
            raise ValueError("model must have a parameter that requires a gradient, got none")
        recipe = recipe_for(model, train.responses)
        self.loss: Metric = recipe.loss if settings.loss is None else settings.loss
        check_loss(self.loss, model, train.responses)
        if self.loss in (mse_loss, poisson_loss):
            check_can_follow(model, train.responses, train.target)
        warn_of_precision(model)
        warn_of_unmoving_sounds(train)
        self.patience = recipe.patience if settings.patience is None else settings.patience
        smoothness = recipe.smoothness if settings.smoothness is None else settings.smoothness
        along = np.broadcast_to(np.asarray(smoothness, dtype=float), 2)
        self.smoothness = (float(along[0]), float(along[1]))
        self.settings, self.axes = settings, axes
        self.has_priors = any(self.smoothness) or settings.sparsity > 0
        if self.has_priors:
            list(kernels(model))  # refuses kernels of unknown type before anything is fitted
        resumes = checkpoint is not None and os.path.lexists(checkpoint)
        from_data = settings.start == "data" or (settings.start == "auto" and is_untouched(model))
        self.without_evidence = list(_weights_without_evidence(model, train))
        self.first_layer = standardised_layer(model, train)
        if self.first_layer is None:
            warn_of_tiny_sounds(model, train.stimuli)
        self.ridge_fields: RidgeFields | None = None
        if from_data and not resumes:
            if self.first_layer is not None:
                start_standardised(self.first_layer)
            self.ridge_fields = start_from_data(
                model, train, axes, self._loss_in_its_unit, pooled=self.loss in (mse_loss, poisson_loss)
            )
        if self.first_layer is not None:
            named = [(name, self.first_layer.replaced(parameter)) for name, parameter in named]
        make = recipe.optimizer if settings.optimizer is None else settings.optimizer
        self.optimizer = (
            make.for_names(named) if isinstance(make, NamesParameters) else make([parameter for _, parameter in named])
        )
        # Step sizes that a user has given are those of the parameters as they are.
        by_recipe = recipe.is_of(make)
        in_units = is_adaptive(self.optimizer) and (isinstance(make, NamesParameters) or by_recipe)
        self.output_units = OutputUnits.of(model, train.target) if in_units else OutputUnits({})
        self.loss_unit = self._mean_unit() if in_units else 1.0
        schedule = recipe.schedule if settings.schedule is None and by_recipe else settings.schedule
        self.schedule = None if schedule is None else schedule(self.optimizer)
        self.history = History()
        self.settles = True
        parts = (*model.modules(), self.loss, self.optimizer, *settings.callbacks)
        self.draws = not all(_draws_nothing(part) for part in parts)
        self.checkpoint = checkpoint
        self.identity = {} if checkpoint is None else self._identity()
        if checkpoint is not None and os.path.lexists(checkpoint):
            self._resume(load_checkpoint(checkpoint, self.identity, max_gb=max_gb), checkpoint)
            return
        _set_to_zero(self.without_evidence)
        self.best = _state_of(model)
        if checkpoint is not None:
            save_checkpoint(checkpoint, self._state(), first=True)

    def to_the_end(self) -> History:
        """History after the remaining epochs."""
        settings, history = self.settings, self.history
        progress = Progress(self.model, settings.epochs, history, epoch=len(history))
        history.stopped = ""
        with under_way(self.model) as self.turns, torch.enable_grad():
            self._run_epochs(progress)
        history.stopped = self._reason_to_stop(progress)
        self._compare_with_ridge(progress)
        return history

    def _compare_with_ridge(self, progress: Progress) -> None:
        """Note what ridge regression reaches on the validation sounds, and warn where the fit stays below it."""
        history = self.history
        if not self.settings.baseline or self.validation is None or history.best is None:
            return
        history.ridge = ridge_scores(
            self.model, self.train, self.validation, self.axes, self.settings.score, self.ridge_fields
        )
        had_its_time = not progress.stopping and len(history) >= self.patience
        if history.is_below_ridge and had_its_time:
            name = type(self.model).__name__
            warn_user(
                f"this {name} predicts the validation sounds worse than a linear field does: score "
                f"{history.best.score:.3f}, ridge regression {history.ridge_score:.3f}. It may need more sound, other "
                "settings or other first values: compare it with deepstrf.training.ridge(train, n_lags), or leave the "
                "comparison out (baseline=False)",
            )

    def _run_epochs(self, progress: Progress) -> None:
        settings, history = self.settings, self.history
        try:
            with _epoch_bar(settings.epochs, len(history)) if settings.progress else nullcontext() as bar:
                while not self._reason_to_stop(progress):
                    started = time.perf_counter()
                    progress.epoch = len(history) + 1
                    train_loss = self._train_epoch(progress)
                    if progress.stopping:
                        continue
                    self._record(progress.epoch, train_loss, started)
                    self._step_schedule()
                    self._write_checkpoint()
                    if bar is not None:
                        bar.set_postfix(_shown(history), refresh=False)
                        bar.update()
                    for callback in settings.callbacks:
                        callback(progress)
        finally:
            with self.turns.take():
                self.model.load_state_dict(self.best)
                self.model.eval()

    def _reason_to_stop(self, progress: Progress) -> str:
        """Why there is no further epoch; empty when there is one."""
        done, settings = len(self.history), self.settings
        if progress.stopping:
            return progress.stopping
        if done >= settings.epochs:
            return "all epochs done"
        if self.validation is None:
            return ""
        idle = done - self.history.best_epoch
        if idle >= self.patience and (idle >= PLATEAU * self.patience or self._has_left_its_start()):
            return f"no better for {idle} epochs"
        return ""

    def _has_left_its_start(self) -> bool:
        """Whether the training loss of some epoch was clearly below that of each neuron's mean response."""
        null, unit = (x.double().cpu() for x in self.null_loss)
        for record in self.history.records:
            gained = (null - record.train_loss.double()) / unit
            if not gained[unit > 0].nanmean().item() < LEFT_START:
                return True
        return False

    def _loss_in_its_unit(self, pred: Tensor, target: Tensor) -> Tensor:
        """Loss (N,) over what a constant prediction loses; neurons without a response that varies count 0."""
        unit = as_model_takes(self.model, self.null_loss[1])
        values = self.loss(pred, target, reduction="none")
        return torch.where(unit > 0, values / unit.clamp(min=torch.finfo(unit.dtype).tiny), 0.0)

    def _train_epoch(self, progress: Progress) -> Tensor:
        """One pass over the stimuli: mean loss (N,) of its batches, weighted with their recorded bins."""
        total = torch.zeros(self.train.target.shape[1], dtype=torch.float64)
        bins = torch.zeros_like(total)
        progress.batches = -(-len(self.train) // self.settings.batch_size)
        device = next(self.model.parameters()).device
        number = _seed_of(self.settings.seed, progress.epoch)
        batches = self.train.batches(self.settings.batch_size, torch.Generator().manual_seed(number))
        with _seeded(number, device) if self.draws else nullcontext():
            for progress.batch, (stimuli, target) in enumerate(batches, start=1):
                self.model.train()  # again: a callback may have switched to evaluation mode
                losses = self._step(as_model_takes(self.model, stimuli), as_model_takes(self.model, target))
                recorded = (~target.isnan()).sum((0, 2, 3)).cpu()
                self._check_finite(losses, recorded, progress.epoch, "training")
                total += torch.where(recorded > 0, losses.double(), 0.0) * recorded
                bins += recorded
                for callback in self.settings.callbacks:
                    if hasattr(callback, "on_batch"):
                        with _own_random_numbers(device) if self.draws else nullcontext():
                            callback.on_batch(progress)
                if progress.stopping:
                    break
        return torch.where(bins > 0, total / bins.clamp(min=1), torch.nan).float()

    def _step(self, stimuli: Tensor, target: Tensor) -> Tensor:
        """One step of the optimizer; the losses (N,) before it. Where one is not finite, no step is taken."""
        seen: list[Tensor] = []
        recorded = (~target.isnan()).flatten(2).any(-1).any(0)

        def closure() -> float:
            self.optimizer.zero_grad()
            if self.first_layer is not None:
                self.first_layer.write()
                self.first_layer.clear_gradient()
            with normalising_over(self.model, (~target.isnan()).any(2)):
                pred = self.model(stimuli)
            losses = self._per_neuron(self.loss, pred, target, "loss")
            seen.append(losses.detach().cpu())
            if not bool(losses[recorded].isfinite().all()):
                raise _NotFinite
            # A sum, not a mean: neurons that share nothing are fitted alike in whatever company.
            total = losses[recorded].sum()
            if self.has_priors:
                total = total + penalty(
                    self.model, self.smoothness, self.settings.sparsity, self.null_loss[1], self.axes
                )
            (total / self.loss_unit).backward()
            for bias in biases_without_effect(self.model):
                if bias.grad is not None:
                    bias.grad.zero_()
            if self.first_layer is not None:
                self.first_layer.take_gradient()
            return total.item()

        with self.turns.take():
            try:
                if self.output_units.sizes:
                    closure()
                    with self.output_units.taken(dict(self.model.named_parameters())):
                        self.optimizer.step()
                else:
                    self.optimizer.step(closure)
            except _NotFinite:
                return seen[-1]
            if self.first_layer is not None:
                self.first_layer.write()
            _keep_gaussians_on_their_grid(self.model)
            _set_to_zero(self.without_evidence)
        return seen[0]

    def _step_schedule(self) -> None:
        """One step of the schedule; one that wants a value is given the score where more is better, else the loss."""
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            record = self.history.records[-1]
            loss = record.train_loss if record.validation_loss is None else record.validation_loss
            self.schedule.step(record.score if self.schedule.mode == "max" else loss.nanmean().item())
        elif self.schedule is not None:
            self.schedule.step()

    def _record(self, epoch: int, train_loss: Tensor, started: float) -> None:
        """Evaluate, and keep the weights if they are the best so far."""
        with self.turns.take():
            if self.settles:
                settle_batch_norms(self.model, self.train)
        validation_loss = scores = None
        if not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            # The last step of an epoch is seen by no training loss; half precision overflows there first.
            silent = (self.train.target.isnan()).all(-1).all(0)[:, 0]
            raise NonFiniteLossError(
                epoch, (~silent).nonzero().flatten().tolist(), "training", self.optimizer.param_groups[0]["lr"]
            )
        if self.validation is not None:
            pred = predict(self.model, self.validation.stimuli)
            with torch.no_grad():
                validation_loss = self._per_neuron(self.loss, pred, self.validation.judged, "loss").cpu()
                scores = self._per_neuron(self.settings.score, pred, self.validation.responses, "score").cpu()
            self._check_finite(
                validation_loss, (~self.validation.target.isnan()).sum((0, 2, 3)).cpu(), epoch, "validation"
            )
        if self.note(epoch, train_loss, validation_loss, scores, started):
            self.best = _state_of(self.model)

    def note(
        self, epoch: int, train_loss: Tensor, validation_loss: Tensor | None, scores: Tensor | None, started: float
    ) -> bool:
        """Add the record of an epoch; whether it is the best so far."""
        counted = None if scores is None else ~scores.isnan()
        if counted is not None and self.history.records and self.history.records[-1].counted is not None:
            counted = counted | self.history.records[-1].counted
        record = EpochRecord(
            epoch,
            train_loss,
            validation_loss,
            scores,
            self.optimizer.param_groups[0]["lr"],
            time.perf_counter() - started,
            counted,
        )
        best = self.history.best
        self.history.records.append(record)
        is_best = scores is None or best is None or isnan(best.score) or record.score > best.score_over(counted)
        if is_best:
            self.history.best_epoch = epoch
        return is_best

    def generator_of(self, epoch: int) -> torch.Generator:
        """Random numbers that decide the order of an epoch's stimuli."""
        return torch.Generator().manual_seed(_seed_of(self.settings.seed, epoch))

    def _per_neuron(self, metric: Metric, pred: Tensor, gt: Tensor, name: str) -> Tensor:
        """The loss or score, (N,)."""
        values = metric(pred, gt, reduction="none")
        if not isinstance(values, Tensor) or values.shape != gt.shape[1:2]:
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(
                f'{name}(..., reduction="none") must give one value for each neuron, (N,), got {got}: see those of '
                "deepstrf.metrics"
            )
        return values

    def _check_finite(self, losses: Tensor, recorded: Tensor, epoch: int, where: str) -> None:
        bad = (~losses.isfinite() & (recorded > 0)).nonzero().flatten().tolist()
        if bad:
            raise NonFiniteLossError(epoch, bad, where, self.optimizer.param_groups[0]["lr"])

    @cached_property
    def null_loss(self) -> tuple[Tensor, Tensor]:
        """Loss (N,) of a constant prediction, and by how much it exceeds a perfect one: the unit of the priors."""
        target, judged = self.train.target, self.train.judged
        mean = judged.nanmean((0, 2, 3), keepdim=True).expand_as(target)
        with torch.no_grad():
            constant, perfect = (self._per_neuron(self.loss, x, judged, "loss") for x in (mean, target))
        return constant, as_model_takes(self.model, (constant - perfect).nan_to_num(nan=0.0).clamp(min=0))

    def _mean_unit(self) -> float:
        """What a constant prediction loses, on average over the neurons whose responses vary."""
        unit = self.null_loss[1].double()
        varying = unit[unit > 0]
        return float(varying.mean()) if len(varying) else 1.0

    def _identity(self) -> dict[str, Any]:
        """Everything that must be the same for a fit to resume from a checkpoint, in texts."""
        parts = {"train": self.train, "validation": self.validation}
        return {
            **identity_of_settings(replace(self.settings, loss=self.loss)),
            "smoothness": described(self.smoothness),
            "model": identity_of_model(self.model),
            **identity_of_optimizer(self.optimizer, self.schedule),
            "data": {
                "title": "train" if self.validation is None else "train and validation",
                "parts": {
                    f"{what} of {name}": f"{tuple(values.shape)}, digest {digest(values)[:16]}"
                    for name, data in parts.items()
                    if data is not None
                    for what, values in (("stimuli", data.stimuli), ("responses", data.responses))
                }
                # Of these the prior's smoothness is a function.
                | ({} if self.axes is None else {"axes": _axes_text(*self.axes)}),
            },
        }

    def _state(self) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "model": self.model.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "history": self.history.state_dict(),
            "answer": self._answer(),
            "first_layer": [] if self.first_layer is None else self.first_layer.tensors(),
        }

    def _answer(self) -> Tensor:
        """Response to the beginning of the first sound, by which one sees that the model's code is still the same."""
        sound = self.train.stimuli[:1, ..., : min(self.train.bins[0], LONGEST_ANSWER)]
        with _seeded(0, sound.device) if self.draws else nullcontext():
            return predict(self.model, sound).float().cpu()

    def _resume(self, state: dict[str, Any], path: Path) -> None:
        """Go on from a checkpoint, or leave the model as it is and say what of the checkpoint is not of this fit."""
        before = _state_of(self.model)
        try:
            check_weights(before, state["model"], "its model")
            check_weights(before, state["best"], "its best model")
            self.history = history_in(state["history"], self.train.target.shape[1])
            check_optimizer_state(self.optimizer, state["optimizer"])
            check_schedule_state(self.schedule, state["schedule"])
            if self.first_layer is not None:
                self.first_layer.load(state.get("first_layer"))
            self.model.load_state_dict(state["model"])
            answer, was = self._answer(), state["answer"]
            if not isinstance(was, Tensor) or was.shape != answer.shape or not _close(answer, was):
                raise ValueError("with its weights this model gives other responses than it gave: its code was changed")
        except ValueError as error:
            self.model.load_state_dict(before)
            raise ValueError(
                f"checkpoint {path} is not one of this fit: {error}; delete the file to begin anew, or name another"
            ) from error
        self.best = dict(state["best"])

    def _write_checkpoint(self) -> None:
        if self.checkpoint is None:
            return
        try:
            save_checkpoint(self.checkpoint, self._state(), first=False)
        except OSError as error:
            warn_user(
                f"checkpoint {self.checkpoint} could not be written in epoch {len(self.history)} ({error}); the last "
                "good one stands",
            )


def check_can_learn(model: nn.Module) -> None:
    """Raise an error that says why, where nothing could compute the gradients of a model, or normalise its drive."""
    if torch.is_inference_mode_enabled():
        raise RuntimeError(
            "a fit must be outside torch.inference_mode(), in which no tensor has a gradient: leave that block "
            "(torch.no_grad() does no harm)"
        )
    made_there = next((name for name, one in model.state_dict(keep_vars=True).items() if _is_for_inference(one)), None)
    if made_there is not None:
        raise ValueError(
            f"model must be built outside torch.inference_mode(), got {made_there} from inside, which can have no "
            "gradient: build it there, and take the values over with load_state_dict"
        )
    for readout in (module for module in model.modules() if isinstance(module, STRFReadout)):
        check_batch_norm(readout)


def _is_for_inference(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_inference()


def check_fits(model: nn.Module, train: Examples, validation: Examples | None) -> None:
    """ValueError unless the model gives a response for each recorded neuron."""
    for name, examples in (("train", train), ("validation", validation)):
        if examples is None:
            continue
        pred = predict(model, examples.stimuli[:1, ..., : examples.bins[0]])
        N = examples.target.shape[1]
        if pred.shape != (1, N, 1, examples.bins[0]):
            raise ValueError(
                f"model must give (B, {N}, 1, T) for the {N} neurons of {name}, got {tuple(pred.shape)} "
                f"for one stimulus of {examples.bins[0]} bins"
            )


def _axes_text(cf_hz: Tensor, dt_ms: float) -> str:
    return f"dt_ms {dt_ms:g}, cf_hz {cf_hz.min():g} to {cf_hz.max():g}, digest {digest(cf_hz)[:16]}"


def _weights_without_evidence(model: nn.Module, train: Examples) -> Iterator[tuple[Tensor, Tensor]]:
    """Receptive fields (N, C, F, T) that were never fitted, or profiles (N, C, F, 1), and which bands never move.

    (N, C, F): bands that no sound moves while a neuron is recorded. No response says anything of those weights: left
    at their random start, or where a prior draws them, they would be read as a finding.
    """
    if not isinstance(model, NeuralModel):
        return
    for readout in (module for module in model.modules() if isinstance(module, STRFReadout)):
        kernel = readout.strf.kernel
        free = isinstance(kernel, nn.Conv2d) and kernel.groups == 1
        if not (free or isinstance(kernel, SeparableSTRF)) or not isinstance(model.core, nn.Identity):
            continue
        weight = kernel.get_parameter("weight" if free else "weight_f")
        if not weight.requires_grad or readout.bn.num_batches_tracked != 0:
            continue
        heard, recorded = heard_by(model, train).cpu(), ~train.target[:, :, 0].isnan().cpu()
        if heard.shape[1:3] == weight.shape[1:3] and recorded.shape[1] == len(weight):
            never = ~recorded.any(2).any(0)[:, None, None]
            of_each = moving_bands_of_each(heard, recorded, readout.strf.T) | never
            yield weight, ~(of_each & moving_bands(heard, train.bins)).to(weight.device)


def _set_to_zero(weights: list[tuple[Tensor, Tensor]]) -> None:
    with torch.no_grad():
        for weight, unmoved in weights:
            weight[unmoved] = 0.0


def _keep_gaussians_on_their_grid(model: nn.Module) -> None:
    """Move the centres of Gaussians that left the (F, T) grid of their kernel back to its edge."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, ParametricSTRF):
                module.P[0].clamp_(0, module.F - 1)
                module.P[1].clamp_(0, module.T - 1)


def _epoch_bar(epochs: int, done: int) -> Any:
    """tqdm's bar over the epochs; a disabled one would still start a thread, which may fail while Python ends."""
    from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]

    return tqdm(total=epochs, initial=done, unit="epoch")


def _own_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """Inside, torch's random numbers may be drawn and seeded; afterwards they go on as if nothing had happened."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _seed_of(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]) >> 1


def _draws_nothing(part: object) -> bool:
    """Whether a part of a fit is known to draw no random numbers of torch's; True is right, False may be too careful.

    All threads share these numbers: where nothing draws they are left alone, since a fit that goes on in a thread of
    its own would change what a cell draws meanwhile.
    """
    if isinstance(part, nn.Module):
        drops = vars(part).get("p") or vars(part).get("dropout")
        hooks = part._forward_pre_hooks, part._forward_hooks, part._backward_pre_hooks, part._backward_hooks
        is_changed = "forward" in vars(part) or any(hooks)
        if drops or is_changed or isinstance(part, DRAWING):
            return False
    home = part.__module__ if isinstance(part, FunctionType) else type(part).__module__
    return home.split(".")[0] in ("torch", "deepstrf", "deepstrf_widgets")


@contextmanager
def _seeded(number: int, device: torch.device) -> Iterator[None]:
    """torch's random numbers as a number alone determines them; those of the caller come back afterwards.

    No state has to be kept between epochs, and what callbacks draw changes nothing.
    """
    with _own_random_numbers(device):
        # Of the processor's numbers alone: torch.manual_seed also notes a traceback for devices that are not there yet.
        (torch.default_generator if device.type == "cpu" else torch).manual_seed(number)
        yield


def _state_of(model: nn.Module) -> dict[str, Any]:
    """A copy of the model's values; `deepcopy` of them all takes eight times as long."""
    state = model.state_dict()
    for name, value in state.items():
        state[name] = value.clone() if isinstance(value, Tensor) else copy.deepcopy(value)
    return state


def _close(one: Tensor, other: Tensor) -> bool:
    """Whether two responses are the same but for rounding, which depends on the machine and its threads."""
    scale = float(one.nan_to_num(0.0, 0.0, 0.0).abs().max()) if one.numel() else 0.0
    return torch.allclose(one, other.to(one.dtype), rtol=0.0, atol=ROUNDING * scale, equal_nan=True)


def _shown(history: History) -> dict[str, str]:
    """Values beside the progress bar."""
    last = history.records[-1]
    shown = {"loss": f"{last.train_loss.nanmean():.4g}"}
    if last.scores is not None and history.best is not None:
        shown |= {"score": f"{last.score:.3f}", "best": f"{history.best.score:.3f}"}
    return shown
