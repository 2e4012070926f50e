"""What of a fit can be set while it plays: steps, loss, priors, batch, noise, share of the data, speed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from deepstrf.arguments import check_choice
from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.metrics import mse_loss, poisson_loss
from deepstrf.training import Fitter, Progress
from deepstrf.training.batches import Data, Examples, stimuli_and_responses
from deepstrf.training.recipes import NETWORK_STEP, StepSizes, recipe_for

__all__ = ["GROUPS", "LOSSES", "PlaySettings", "data_of", "fitter_of", "group_of", "step_sizes"]

LOSSES = ("auto", "poisson", "squares")
GROUPS = ("prefilter", "places", "weights", "gain", "curve", "network")
"""Parameters that have one step size: of the prefilter; places and widths of Gaussians; weights of receptive fields;
gain and offset of their batch norm; output curve; all else."""

RECORDED = ("dt_ms", "cf_hz", "neuron_names", "stimulus_names", "bins", "delay_ms", "unit", "response_unit")
NO_END = 10**9
SEGMENT = 2_000
"""Epochs after which a fit is begun again from where it stands, so that its records do not grow without end."""


@keywords()
@dataclass(frozen=True)
class PlaySettings:
    """Settings of a fit that moves the bench; where nothing is said, those of `deepstrf.training.Fitter`.

    Attributes
    ----------
    rates : mapping of str to float
        Step size of a group of parameters (``GROUPS``); of the others, the one that suits the model.
    loss : {"auto", "poisson", "squares"}
    smoothness, sparsity : float, optional
        Priors, as of `Fitter`.
    batch_size : int
        Sounds in a step.
    noise : float
        Noise that is added to the sounds of the fit, in standard deviations of their bins.
    share : float, optional
        How much of each sound the fit sees, from its beginning, in [0.01, 1]. The rest gives the held-out
        score where there is no ``validation``. None: 0.8, or 1 with ``validation``.
    speed : float, optional
        Steps in a second, at most; None for no limit.
    seed : int
        Of the order of the sounds, the noise and random layers.

    Raises
    ------
    TypeError
        ``rates`` is no mapping, or a number is none; or there is no such setting.
    ValueError
        A group of ``rates`` or the ``loss`` is unknown; a number lies outside its range: a rate in [0, 100], ``noise``
        in [0, 100], ``share`` in [0.01, 1], ``speed`` at least 0.01, ``smoothness`` and ``sparsity`` at least 0, all
        finite; ``batch_size`` is no whole number of at least 1, or ``seed`` none of at least 0.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    loss: str = "auto"
    smoothness: float | None = None
    sparsity: float = 0.0
    batch_size: int = 2
    noise: float = 0.0
    share: float | None = None
    speed: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice(LOSSES, loss=self.loss)
        if not isinstance(self.rates, Mapping):
            raise TypeError(f"rates must map groups of parameters to step sizes, got {self.rates!r}")
        for name, rate in self.rates.items():
            check_choice(GROUPS, rates=name)
            _check_number(f"rates[{name!r}]", rate, 0.0, 100.0)
        for name, low, high in (
            ("smoothness", 0.0, math.inf),
            ("sparsity", 0.0, math.inf),
            ("noise", 0.0, 100.0),
            ("share", 0.01, 1.0),
            ("speed", 0.01, math.inf),
        ):
            value = getattr(self, name)
            if value is not None:
                _check_number(name, value, low, high)
        for name in ("batch_size", "seed"):
            value, least = getattr(self, name), int(name == "batch_size")
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")

    def __repr__(self) -> str:
        changed = {one.name: getattr(self, one.name) for one in fields(self)}
        default = {one.name: one.default for one in fields(self)} | {"rates": {}}
        shown = ", ".join(f"{name}={value!r}" for name, value in changed.items() if value != default[name])
        return f"PlaySettings({shown})"


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not low <= value <= high or not math.isfinite(value):
        ends = f"at least {low:g} and finite" if math.isinf(high) else f"in [{low:g}, {high:g}]"
        raise ValueError(f"{name} must be {ends}, got {value:g}")


def group_of(name: str) -> str:
    """The group of a parameter, by its name in the model."""
    if name.startswith("prefiltering."):
        return "prefilter"
    if name.startswith("readout.strf."):
        return "places" if name.endswith((".P", ".SIG")) else "weights"
    if name.startswith("readout.bn."):
        return "gain"
    return "curve" if name.startswith("readout.activation.") else "network"


def step_sizes(model: nn.Module, responses: Tensor, rates: Mapping[str, float]) -> dict[str, float]:
    """Step size of each group that the model has parameters to fit in: as given, or as its recipe has it.

    Where a recipe's steps grow to their size, those of other networks: play goes on from wherever the model stands.
    """
    recipe = recipe_for(model, responses)
    own: Any = recipe.optimizer
    if isinstance(own, StepSizes):
        of_name = lambda name: own.by_name.get(name, own.lr)  # noqa: E731
    elif recipe.schedule is not None:
        of_name = lambda _name: NETWORK_STEP  # noqa: E731
    else:
        of_name = lambda _name: own.keywords["lr"]  # noqa: E731
    sizes: dict[str, float] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            sizes.setdefault(group_of(name), of_name(name))
    return {group: float(rates.get(group, sizes[group])) for group in GROUPS if group in sizes}


def fitter_of(
    settings: PlaySettings, model: nn.Module, responses: Tensor, callback: Callable[[Progress], None]
) -> Fitter:
    """Fitter that goes on from where the model stands until it is stopped."""
    sizes = step_sizes(model, responses, settings.rates)
    own: Any = recipe_for(model, responses).optimizer
    kind = own.optimizer if isinstance(own, StepSizes) else own.func
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    by_name = {name: sizes[group_of(name)] for name in names}
    loss = {"auto": None, "poisson": poisson_loss, "squares": mse_loss}[settings.loss]
    return Fitter(
        epochs=SEGMENT,
        batch_size=settings.batch_size,
        optimizer=StepSizes(kind, next(iter(by_name.values()), 0.0), by_name) if by_name else None,
        loss=loss,
        patience=NO_END,
        smoothness=settings.smoothness,
        sparsity=settings.sparsity,
        start="model",
        baseline=False,
        seed=settings.seed,
        progress=False,
        callbacks=(callback,),
    )


def data_of(settings: PlaySettings, train: Data, validation: Data | None) -> tuple[Data, Data | None]:
    """What the fit is given, and what its score is held out on.

    Raises
    ------
    TypeError, ValueError
        As of `Examples.of`; or a share of the sounds leaves no recorded response.
    """
    stimuli, responses = stimuli_and_responses(train, "train")
    share = (1.0 if validation is not None else 0.8) if settings.share is None else settings.share
    if share < 1:
        bins = torch.tensor(Examples.of((stimuli, responses), "train").bins)
        recorded = (~responses.isnan()).flatten(1).any(1)
        ends = torch.zeros(len(stimuli), dtype=torch.long)
        ends[recorded.cpu()] = (bins * share).round().long()
        late = (torch.arange(stimuli.shape[-1]) >= ends[:, None]).to(responses.device)[:, None, None]
        seen, rest = responses.masked_fill(late, torch.nan), responses.masked_fill(~late, torch.nan)
        if bool(seen.isnan().all()):
            raise ValueError(f"share must leave recorded responses to fit, got {share:g} of {int(bins.max())} bins")
        if validation is None and not bool(rest.isnan().all()):
            validation = (stimuli, rest)
        responses = seen
    if settings.noise > 0:
        generator = torch.Generator().manual_seed(settings.seed)
        drawn = torch.randn(stimuli.shape, generator=generator, dtype=torch.float32).to(stimuli)
        stimuli = stimuli + settings.noise * stimuli.std() * drawn
    if not isinstance(train, Recording):
        return (stimuli, responses), validation
    # In a recording smoothness is measured in octaves and ms.
    about = {name: getattr(train, name) for name in RECORDED}
    return Recording(stimuli, responses, **about), validation
