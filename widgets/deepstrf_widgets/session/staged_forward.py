"""A model on a stimulus as stages that remember their output: an edit re-runs only what lies downstream."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from deepstrf.arguments import whole_number
from deepstrf.models import NeuralModel
from deepstrf.models.audio.audio_model import AudioEncodingModel
from deepstrf.models.audio.gradient_maps import run_up, spectrogram_gradients
from deepstrf.models.layers.composition import receptive_field
from deepstrf.models.readouts import LinearReadout, STRFReadout, batch_norm_affine
from deepstrf.models.registry import KERNELS, is_pointwise, kernel_entry, neuron_axes_of
from deepstrf.models.switches import has_switches

from .by_band import Heard, Known, core_by_band, prefiltered_by_band, steps_of
from .inference import ordinary_tensors
from .model_copy import shareable, with_tensors

__all__ = ["Form", "StagedForward", "affine_of", "gain_and_offset", "of_neuron"]

Module = TypeVar("Module", bound=nn.Module)

FORMULA, COMPOSED = "formula", "composed"
SWITCHED = "parts of it can be switched off"
FEW = 16
"""Fields of up to so many neurons are computed one by one, those of more by the module of all."""


def of_neuron(module: Module, neuron: int, n_neurons: int) -> Module:
    """The module for one neuron alone: its tensors are views of those of the module, cut to the neuron."""
    axes = neuron_axes_of(module, n_neurons)
    return with_tensors(module, lambda name, x: x.narrow(axes[name], neuron, 1) if name in axes else x)


def correlate(x: Tensor, kernel: Tensor) -> Tensor:
    """Correlation of ``x`` (B, C, F, T + K - 1) with one receptive field (C, F, K) over time, shape (B, T).

    One matrix product gives what every tap makes of every bin, (K, T + K - 1); tap k is then read from bin k on. For a
    single neuron that is several times as fast as torch's convolution.
    """
    B, L = x.shape[0], x.shape[-1]
    K = kernel.shape[-1]
    taps = (kernel.flatten(0, 1).T @ x.flatten(1, 2)).contiguous()
    return taps.as_strided((B, K, L - K + 1), (K * L, L + 1, 1)).sum(1)


@dataclass(frozen=True)
class Form:
    """How the response of a model may be computed.

    Attributes
    ----------
    whole : str
        Why only as a whole, by the model's own forward pass; empty where stage by stage.
    field : {"formula", "composed", ""}
        How the receptive field of a neuron is found: from its parameters by the formula of its kernel; from the kernels
        of all neurons, as the module says; not at all.
    drive_by_neuron, rate_by_neuron : bool
        Whether these stages need the parameters of one neuron only.
    shareable : bool
        Whether threads may call the modules of the model as they are; otherwise each call has a copy.
    varies : bool
        Whether two passes of one sound gave two answers.
    by_band : bool
        Whether the core is run for those bands alone that an edit has reached.
    """

    whole: str = ""
    field: str = ""
    drive_by_neuron: bool = False
    rate_by_neuron: bool = False
    shareable: bool = False
    varies: bool = False
    by_band: bool = False

    @classmethod
    def of(cls, model: NeuralModel) -> Form:
        """What the types of the model's parts promise; whether they keep it, :func:`proof.proven_form` finds out."""
        can_share, name, readout = shareable(model), type(model).__name__, model.readout
        if has_switches(model):
            kernel = getattr(getattr(readout, "strf", None), "kernel", None)
            field = "" if kernel is None else FORMULA if kernel_entry(kernel).columns else COMPOSED
            return cls(SWITCHED, field, shareable=can_share)
        if not isinstance(readout, STRFReadout):
            return cls("its readout is not an STRFReadout", shareable=can_share, by_band=can_share and _is_chain(model))
        sliced = bool(kernel_entry(readout.strf.kernel).columns)
        field = FORMULA if sliced else COMPOSED
        if type(model).forward is not NeuralModel.forward:
            return cls(f"{name} has a forward pass of its own", field, shareable=can_share)
        if type(model).prefiltered not in (NeuralModel.prefiltered, AudioEncodingModel.prefiltered):
            return cls(f"{name} has a prefiltered of its own", field, shareable=can_share)
        if type(readout).forward is not STRFReadout.forward:
            return cls(f"{type(readout).__name__} has a forward pass of its own", field, shareable=can_share)
        by_neuron = sliced and type(readout.bn) in (nn.BatchNorm1d, nn.Identity)
        return cls("", field, by_neuron, is_pointwise(readout.activation), can_share)


def _is_chain(model: NeuralModel) -> bool:
    """Whether the forward pass is readout(core(prefiltered(x))), with a core that knows bands."""
    return (
        type(model).forward is NeuralModel.forward
        and type(model).prefiltered in (NeuralModel.prefiltered, AudioEncodingModel.prefiltered)
        and bool(steps_of(model.core)[0])
    )


@dataclass
class Memo:
    """What has been computed of one model on one stimulus."""

    prefiltered: Tensor | None = None
    padded: Tensor | None = None
    drive: dict[int, Tensor] = field(default_factory=dict)
    rate: dict[int, Tensor] = field(default_factory=dict)
    kernel: dict[int, Tensor] = field(default_factory=dict)
    gradient_map: dict[int, Tensor | None] = field(default_factory=dict)
    alone: dict[tuple[str, int], nn.Module] = field(default_factory=dict)
    features: Tensor | None = None
    heard: Heard | None = None
    core: Known | None = None
    """It knows what it is of, so no edit makes it stale."""

    def copy(self) -> Memo:
        """The same of an equal model, to go on from; modules of one neuron are views of one model's tensors."""
        return replace(
            self,
            drive=self.drive.copy(),
            rate=self.rate.copy(),
            kernel=self.kernel.copy(),
            gradient_map=self.gradient_map.copy(),
            alone={},
        )


class StagedForward:
    """The stages stimulus -> prefilter -> core -> drive -> rate of one model on one stimulus batch, each cached.

    ``drive`` is the STRF with its batch norm, ``rate`` the output curve. Both are computed neuron by neuron, when
    they are read. A model that is not of this shape has one stage, the whole forward pass.

    Any number of threads may read: nothing of the model is written or exchanged.

    Parameters
    ----------
    model : NeuralModel
        In evaluation mode and without gradients. Whoever writes to it says so by :meth:`invalidate`.
    stimulus : Tensor, shape (B, 1, F, T)
        Spectrogram batch.
    form : Form, optional
        How it may be computed; what its types promise when left out.
    """

    def __init__(self, model: NeuralModel, stimulus: Tensor, form: Form | None = None) -> None:
        self.model, self.stimulus = model, stimulus
        self.form = Form.of(model) if form is None else form
        self._memo = Memo()
        self._lease: object = None

    def over(self, model: NeuralModel) -> StagedForward:
        """The same over an equal model: what has been computed stays known."""
        twin = StagedForward(model, self.stimulus, self.form)
        twin._memo = self._memo.copy()
        return twin

    def lent(self, lease: object) -> StagedForward:
        """The same object for a reader, who holds ``lease`` as long as this."""
        twin = StagedForward(self.model, self.stimulus, self.form)
        twin._memo, twin._lease = self._memo, lease
        return twin

    @property
    def staged(self) -> bool:
        """Whether drive and rate can be computed neuron by neuron."""
        return not self.form.whole

    def check_answer(self) -> None:
        """ValueError where the model does not answer each bin of the stimulus; found out with one neuron."""
        wanted, first = (self.stimulus.shape[0], self.stimulus.shape[3]), self.rate(0)
        if first.shape != wanted:
            raise ValueError(
                f"model must answer with one value per stimulus bin, shape {wanted}, got {tuple(first.shape)}"
            )

    def invalidate(self, stage: str, neurons: Iterable[int] | None = None) -> None:
        """Mark what reads ``stage`` as stale, for the given neurons or for all.

        Parameters
        ----------
        stage : {"prefilter", "drive", "rate"}
            The first stage whose parameters changed.
        neurons : iterable of int, optional
            Whose parameters changed; all when None.
        """
        memo = self._memo
        memo.gradient_map.clear()
        memo.features = None
        if stage == "prefilter":
            memo.prefiltered = memo.padded = None
        form = self.form
        if stage == "rate":
            stale = [(memo.rate, form.rate_by_neuron)]
        else:
            stale = [(memo.drive, form.drive_by_neuron), (memo.rate, form.drive_by_neuron and form.rate_by_neuron)]
        if stage == "drive":
            stale.append((memo.kernel, form.field == FORMULA))
        for cache, by_neuron in stale:
            if neurons is None or not by_neuron:
                cache.clear()
            else:
                for neuron in neurons:
                    cache.pop(neuron, None)

    # -- values --------------------------------------------------------------------------------------------------

    def _alone(self, module: nn.Module, what: str, neuron: int) -> nn.Module:
        """The module for one neuron, by the name of the stage: made once, as views follow what is written in place."""
        made = self._memo.alone.get((what, neuron))
        if made is None:
            made = of_neuron(module, neuron, int(self.model.O))
            if what == "kernel":
                # The formula that editors and browser know; a subclass may have another, which then is not this one.
                made.__class__ = next(cls for cls in KERNELS if isinstance(made, cls))
            self._memo.alone[what, neuron] = made
        return made

    @property
    def _readout(self) -> STRFReadout:
        return cast(STRFReadout, self.model.readout)

    def _usable(self, module: Module) -> Module:
        """The module, or where it may write to itself while it runs, a copy to run once."""
        return module if self.form.shareable else copy.deepcopy(module)

    def _input(self, x: Tensor) -> Tensor:
        return x if self.form.shareable else x.clone()

    @ordinary_tensors
    def prefiltered(self) -> Tensor:
        """Spectrogram after the prefilter, shape (B, C, F, T)."""
        memo = self._memo
        found = memo.prefiltered
        if found is None:
            if self.form.shareable and self.staged:
                x, memo.heard = prefiltered_by_band(self.model, self.stimulus, memo.heard)
            else:
                x = self._usable(self.model).prefiltered(self._input(self.stimulus))
            found = memo.prefiltered = x.detach()
        return found

    @ordinary_tensors
    def _padded(self) -> Tensor:
        found = self._memo.padded
        if found is None:
            core, pad = self._usable(self.model.core), self._usable(self._readout.strf.pad)
            found = self._memo.padded = pad(core(self._input(self.prefiltered()))).detach()
        return found

    def _number(self, neuron: int) -> int:
        """The neuron as a plain int from 0, which what is remembered goes by; TypeError or IndexError for another."""
        number = whole_number("neuron", neuron, None)
        if not 0 <= number < self.model.O:
            raise IndexError(f"neuron must lie in [0, {self.model.O - 1}], got {number}")
        return number

    def kernel(self, neuron: int) -> Tensor | None:
        """STRF of one neuron, shape (C, F, T), last index lag 0; None when the model has none to show."""
        # Behind a core the frequency axis of a kernel is the core's, not the stimulus's: nothing to draw.
        return self.linear_field(neuron) if isinstance(self.model.core, nn.Identity) else None

    def linear_field(self, neuron: int) -> Tensor | None:
        """As `kernel`, also behind a core, whose bands are not those of the stimulus."""
        return self._kernel(self._number(neuron))

    def seen_by_field(self, sound: int) -> Tensor:
        """What the receptive fields see of one sound, after prefilter and core, (C, F, T)."""
        return self._padded()[sound, ..., self._readout.strf.T - 1 :]

    @ordinary_tensors
    def kernels(self, neurons: Sequence[int]) -> Tensor | None:
        """STRFs of some neurons, shape (n, C, F, T); None when the model has none to show."""
        first = self.kernel(neurons[0])
        if first is None or len(neurons) <= FEW:
            return None if first is None else torch.stack([cast(Tensor, self.kernel(n)) for n in neurons])
        return self._usable(self._readout).STRF_weight().to(first)[[self._number(n) for n in neurons]]

    @ordinary_tensors
    def _kernel(self, neuron: int) -> Tensor | None:
        kernels = self._memo.kernel
        if neuron not in kernels:
            if self.form.field == FORMULA:
                strf = self._readout.strf
                alone = self._alone(strf.kernel, "kernel", neuron)
                kernels[neuron] = receptive_field(alone, strf.C_in, strf.F, strf.T)[0].clone()
            elif self.form.field == COMPOSED:
                try:
                    weight = self._usable(self._readout).STRF_weight()
                except NotImplementedError:
                    return None
                kernels.update(enumerate(weight.to(self.stimulus.device)))
        return kernels.get(neuron)

    @ordinary_tensors
    def gradient_map(self, neuron: int) -> Tensor | None:
        """Linear receptive field of one neuron around the mean sound, (C, F, T), whether or not it has an STRF to show.

        Gradient of the response with respect to the spectrogram after the prefilter, where a sound has been steady at
        the mean level of each band. None for a model that knows no number of lags, or that torch cannot differentiate
        behind its prefilter.
        """
        if not isinstance(self.model, AudioEncodingModel):
            return None
        maps, neuron = self._memo.gradient_map, self._number(neuron)
        if neuron not in maps:
            model = copy.deepcopy(self.model)
            bins = run_up(model, model.T)
            steady = self.stimulus.mean((0, 3), keepdim=True).expand(-1, -1, -1, bins)
            try:
                maps[neuron] = spectrogram_gradients(model, steady, neurons=[neuron], per_channel=True)[0]
            except ValueError:
                maps[neuron] = None
        return maps[neuron]

    @ordinary_tensors
    def drive(self, neuron: int) -> Tensor:
        """Input of the output curve of one neuron, shape (B, T)."""
        if self.form.whole:
            raise ValueError(f"{type(self.model).__name__} has no separate drive: {self.form.whole}")
        drives, neuron = self._memo.drive, self._number(neuron)
        if neuron not in drives:
            readout = self._readout
            if self.form.drive_by_neuron:
                out = correlate(self._padded(), cast(Tensor, self._kernel(neuron)))
                bias = cast("Tensor | None", readout.strf.kernel.bias)
                if bias is not None:
                    out = out + bias[neuron]
                drives[neuron] = self._alone(readout.bn, "bn", neuron)(out[:, None])[:, 0]
            else:
                kernel, bn = self._usable(readout.strf.kernel), self._usable(readout.bn)
                drives.update(enumerate(bn(kernel(self._input(self._padded()))[:, :, 0]).detach().unbind(1)))
        return drives[neuron]

    @ordinary_tensors
    def rate(self, neuron: int) -> Tensor:
        """Predicted response of one neuron, shape (B, T)."""
        rates, neuron = self._memo.rate, self._number(neuron)
        if neuron not in rates:
            if self.form.whole:
                first, answer = self._answer(neuron)
                for number, one in enumerate(answer[:, :, 0].unbind(1), first):
                    rates.setdefault(number, one)
                return rates[neuron]
            curve = self._readout.activation
            if self.form.rate_by_neuron:
                drive = self.drive(neuron)[..., None]
                # A curve that works in place would overwrite the drive.
                drive = drive.clone() if getattr(curve, "inplace", False) else drive
                rates[neuron] = self._alone(curve, "curve", neuron)(drive)[..., 0]
            else:
                every = self._usable(curve)(torch.stack([self.drive(n) for n in range(int(self.model.O))], dim=-1))
                rates.update(enumerate(every.detach().unbind(-1)))
        return rates[neuron]

    def _answer(self, neuron: int) -> tuple[int, Tensor]:
        """Response of some neurons (B, n, 1, T), this one among them, and the number of the first."""
        if not self.form.by_band:
            return 0, self.respond(self.stimulus)
        features = self._features()
        # Who asks for a second one may ask for all.
        first_asked = self._memo.features is not None and not self._memo.rate
        alone = readout_alone(self.model, neuron) if first_asked else None
        return (0, self.model.readout(features).detach()) if alone is None else (neuron, alone(features).detach())

    def _features(self) -> Tensor:
        """What the core gives to the readout, of a model that is run by band."""
        memo = self._memo
        features = memo.features
        if features is None:
            x, heard = prefiltered_by_band(self.model, self.stimulus, memo.heard)
            features, core = core_by_band(self.model.core, x, memo.core)
            memo.core = core
            # Kept along with the outputs of the core: of a model that is asked once, or of a long sound, nothing is.
            memo.features, memo.heard = (features, heard) if core.outputs else (None, None)
        return features

    @ordinary_tensors
    def respond(self, stimulus: Tensor) -> Tensor:
        """Response of every neuron (B, N, 1, T) to any stimulus (B, 1, F, T), which is not kept.

        Raises
        ------
        TypeError
            The model answers with something else.
        """
        answer = self._usable(self.model)(self._input(stimulus))
        if not isinstance(answer, Tensor) or not answer.is_floating_point() or answer.ndim != 4:
            what = f" {answer.dtype} {tuple(answer.shape)}" if isinstance(answer, Tensor) else ""
            raise TypeError(
                "model must answer with a tensor of real numbers (B, N, 1, T), got "
                f"{type(answer).__name__}{what} from {type(self.model).__name__}"
            )
        return answer.detach()

    def rates(self) -> Tensor:
        """Predicted response of every neuron, shape (B, N, 1, T)."""
        return torch.stack([self.rate(n) for n in range(self.model.O)], dim=1)[:, :, None]


def readout_alone(model: NeuralModel, neuron: int) -> LinearReadout | None:
    """The readout for one neuron alone; None where it is not known to treat each by itself."""
    readout = model.readout
    if type(readout) is not LinearReadout or not is_pointwise(readout.activation):
        return None
    *hidden, last = readout.fc if isinstance(readout.fc, nn.Sequential) else (readout.fc,)
    if type(last) is not nn.Linear:
        return None
    alone = with_tensors(readout, lambda _name, x: x)
    vars(alone)["_modules"] = {
        "fc": nn.Sequential(*hidden, with_tensors(last, lambda _name, x: x[neuron : neuron + 1])),
        "activation": of_neuron(readout.activation, neuron, int(model.O)),
    }
    return alone


def gain_and_offset(model: NeuralModel) -> tuple[Tensor, Tensor] | None:
    """What the batch norm makes of the drive, (N,) each; None where it is not of that form."""
    readout = model.readout
    if not isinstance(readout, STRFReadout) or type(readout.bn) is not nn.BatchNorm1d or readout.bn.running_var is None:
        return None
    gain, offset = batch_norm_affine(readout.bn)
    return gain.detach(), offset.detach()


def affine_of(model: NeuralModel, neuron: int) -> Tensor:
    """Bias of the receptive field, gain and offset of the batch norm: ``drive = gain (strf * x + bias) + offset``.

    Empty for a readout that is not of this form.
    """
    affine = gain_and_offset(model)
    if affine is None:
        return torch.zeros(0)
    bias = cast("Tensor | None", getattr(cast(STRFReadout, model.readout).strf.kernel, "bias", None))
    gain, offset = (values[neuron] for values in affine)
    return torch.stack([gain.new_zeros(()) if bias is None else bias.detach()[neuron], gain, offset])
