"""The four-slot template of an encoding model, and its checkpoints."""

from __future__ import annotations

import functools
import inspect
import math
import os
import tempfile
from abc import ABC
from collections.abc import Callable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.arguments import whole_number
from deepstrf.deprecation import GONE_IN, keywords, named_arguments, present_keywords
from deepstrf.memory import GB, LIMIT_GB
from deepstrf.paths import as_path

from .checkpoints.construction import Construction
from .checkpoints.folder import load_pretrained_from_dir, save_pretrained_to_dir
from .checkpoints.hub import download_pretrained, upload_pretrained
from .layers.as_built import mark_as_built
from .protocols import Stage
from .recorded_axes import RecordedAxes
from .streaming import Stream, stage_of

__all__ = ["NeuralModel"]

Model = TypeVar("Model", bound="NeuralModel")

SURELY_FITS = 10**8
"""Product of a constructor's sizes up to which a model takes no memory to speak of."""
SIZES, LARGEST_SIZE = ("n_frequency_bands", "temporal_window_size", "out_neurons"), 2**31

SLOTS = ("wav2spec", "prefiltering", "core")


@keywords()
class NeuralModel(nn.Module, ABC):
    """Encoding model of N neurons: ``readout(core(prefiltering(wav2spec(x))))``, (B, N, 1, T).

    The first three slots are the identity until a subclass fills them; ``readout`` it must fill. A subclass whose
    computation is not of this form overrides `forward`.

    Parameters
    ----------
    out_neurons : int
        Neurons N, at least 1; kept as ``O``.

    Raises
    ------
    TypeError
        ``out_neurons`` is not an integer, or there are other arguments.
    ValueError
        ``out_neurons`` is below 1.

    Notes
    -----
    The arguments that a subclass is constructed from are recorded (``_init_kwargs`` holds those that fit in JSON,
    defaults included), so that `from_pretrained` can build the same architecture: see `deepstrf.models.checkpoints`.
    """

    O: int  # noqa: E741 - the published name of the number of neurons
    wav2spec: nn.Module
    prefiltering: nn.Module
    core: nn.Module
    readout: nn.Module
    _init_kwargs: dict[str, Any]
    _construction: Construction
    axes: RecordedAxes | None = None
    """What bins, bands, neurons and responses stand for, where the model was fitted to a `Recording`."""
    _old_arguments: ClassVar[Mapping[str, str]] = {}
    """Old names of the constructor's arguments, and the present ones."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the subclass record the arguments of its constructor; the outermost constructor counts."""
        super().__init_subclass__(**kwargs)
        if "__init__" not in cls.__dict__:
            return
        init = cls.__dict__["__init__"]
        names = named_arguments(init)

        @functools.wraps(init)
        def recording_init(self: NeuralModel, *args: Any, **kwargs: Any) -> None:
            _check_positional(type(self).__name__, init, len(args))
            kwargs = present_keywords(type(self).__name__, kwargs, names, cls._old_arguments)
            if "_init_kwargs" not in self.__dict__:
                construction = Construction.record(type(self).__init__, args, kwargs)
                if construction is not None:
                    self._init_kwargs, self._construction = construction.kwargs, construction
                    build = functools.partial(type(self), *args, **kwargs)
                    _check_room(type(self).__name__, build, construction.kwargs)
            init(self, *args, **kwargs)
            mark_as_built(self)  # again by each subclass: the outermost constructor ends last

        recording_init.checks_keywords = True  # type: ignore[attr-defined]
        setattr(cls, "__init__", recording_init)  # noqa: B010 - a plain assignment is refused by the type checker

    def __init__(self, out_neurons: int = 1, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.O = whole_number("out_neurons", out_neurons)
        for slot in SLOTS:
            setattr(self, slot, nn.Identity())
        self.register_module("readout", None)

    def forward(self, stimulus: Tensor) -> Tensor:
        """Predicted response (B, N, 1, T) to a stimulus; for audio models a spectrogram (B, 1, F, T).

        Raises
        ------
        RuntimeError
            The subclass has set no readout.
        """
        if self.readout is None:
            raise RuntimeError(f"{type(self).__name__} has no readout: its constructor must set self.readout")
        return self.readout(self.core(self.prefiltered(stimulus)))

    def prefiltered(self, stimulus: Tensor) -> Tensor:
        """Input of the core: the stimulus after the front end and the prefilter."""
        return self.prefiltering(self.wav2spec(stimulus))

    def validate(self) -> None:
        """Check the slots and the number of neurons; subclasses call this and add their own checks.

        Raises
        ------
        AssertionError
            ``O`` is not a positive int, ``readout`` is unset, or a slot is not a module.
        """
        name = type(self).__name__
        if isinstance(self.O, bool) or not isinstance(self.O, (int, np.integer)) or self.O < 1:
            raise AssertionError(f"{name}.O must be a positive int, got {self.O!r}")
        for slot in (*SLOTS, "readout"):
            module = getattr(self, slot, None)
            if not isinstance(module, nn.Module):
                raise AssertionError(f"{name}.{slot} must be an nn.Module, got {type(module).__name__}")

    def detach(self) -> None:
        """Cut the state kept between calls from the computational graph; a stateless model has none."""

    def count_trainable_params(self) -> int:
        """Number of parameters that a gradient reaches."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def stream(self) -> Stream:
        """Stream in evaluation mode: called with one chunk after the other, it returns the response to each.

        The concatenated responses equal one forward pass in evaluation mode over the whole sequence, for any chunks.

        Raises
        ------
        ValueError
            The model needs an unbounded past.
        NotImplementedError
            Some module has no streaming form; see `deepstrf.models.streaming`.

        Examples
        --------
        >>> from deepstrf.models.audio import Linear
        >>> stream = Linear(34, 9, out_neurons=5).stream()
        >>> stream(torch.zeros(1, 1, 34, 3)).shape
        torch.Size([1, 5, 1, 3])
        """
        return Stream(self)

    def stream_stages(self) -> list[Stage]:
        """Fresh stages of the chain that a `Stream` walks through: the four slots, for a model of that form.

        Raises
        ------
        ValueError
            The model needs an unbounded past.
        NotImplementedError
            A module has no streaming form, or a subclass overrides `forward` and not this method.
        """
        owners = [next(c for c in type(self).__mro__ if name in c.__dict__) for name in ("forward", "stream_stages")]
        if not issubclass(owners[1], owners[0]):
            raise NotImplementedError(f"{owners[0].__name__} overrides forward, so it must override stream_stages too")
        return [stage_of(module) for module in (self.wav2spec, self.prefiltering, self.core, self.readout)]

    def save_pretrained(
        self, save_dir: str | Path, *, metadata: dict[str, Any] | None = None, model_card: str | None = None
    ) -> Path:
        """Folder ``save_dir``, now holding this model as a checkpoint: see `deepstrf.models.checkpoints`.

        Parameters
        ----------
        save_dir : str or Path
            Made if it does not exist. A checkpoint in it is replaced, all or nothing; other files stay.
        metadata : dict, optional
            JSON-able facts to keep beside the model, such as the data it was fitted on and its scores.
        model_card : str, optional
            Markdown text of README.md; None writes a card from what the model knows of itself.

        Raises
        ------
        AttributeError
            The model has no ``_init_kwargs``.
        TypeError
            ``metadata`` does not fit in JSON.
        ValueError
            Loading would not give the same function, since something was swapped or changed after the construction.
        FileExistsError
            The folder has a file of these names that is not part of a checkpoint.
        OSError
            A file could not be written, or another program has been saving into the folder for a minute.
        """
        return save_pretrained_to_dir(self, save_dir, metadata=metadata, model_card=model_card)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        metadata: dict[str, Any] | None = None,
        model_card: str | None = None,
        private: bool = False,
        token: str | None = None,
        commit_message: str | None = None,
    ) -> str:
        """URL of the commit that put this model into a repository of the Hugging Face Hub, which is made if needed.

        Parameters
        ----------
        repo_id : str
            ``"owner/name"``.
        metadata, model_card
            As for `save_pretrained`.
        private : bool
            Of a repository made by this call.
        token : str, optional
            Access token with the right to write; None uses the one that is logged in.
        commit_message : str, optional
            None says that the model was uploaded.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, metadata=metadata, model_card=model_card)
            return upload_pretrained(folder, repo_id, private=private, token=token, commit_message=commit_message)

    @classmethod
    def from_pretrained(
        cls: type[Model],
        repo_id_or_path: str | Path,
        *,
        extra_kwargs: dict[str, Any] | None = None,
        strict: bool = True,
        map_location: str | torch.device = "cpu",
        cache_dir: str | Path | None = None,
        revision: str | None = None,
        token: str | None = None,
        return_metadata: bool = False,
        max_gb: float = LIMIT_GB,
    ) -> Any:
        """Model of this class with the weights of a checkpoint, in evaluation mode.

        Parameters
        ----------
        repo_id_or_path : str or Path
            A local folder if there is one of that name, else ``"owner/name"`` on the Hugging Face Hub.
        extra_kwargs : dict, optional
            Constructor arguments that override the saved ones; those that no file can hold must be given here.
        strict : bool
            Every tensor of the file must have its place in the model, and the other way round.
        map_location : str or torch.device
            Where the model is put.
        cache_dir, revision, token
            For the Hub: where downloads are kept, which branch, tag or commit, and the access token.
        return_metadata : bool
            Return the metadata too.
        max_gb : float
            Memory that the weights, and the model, may take, in GB of 2^30 bytes.

        Returns
        -------
        model, or (model, metadata)
            ``metadata`` is a dict, or None when the checkpoint has none.

        Raises
        ------
        FileNotFoundError
            A file of the checkpoint is missing, or there is no such folder or repository.
        ValueError
            A file is corrupt, the saved arguments do not fit the class, the weights do not fit the model, or more than
            ``max_gb`` is needed.

        Warns
        -----
        UserWarning
            The checkpoint was saved from another class; its last save was interrupted; a JSON file is not the one that
            was saved with the weights.
        """
        # Text that no folder can have is no Hub repository either, and is told so together.
        is_name = isinstance(repo_id_or_path, str) and not repo_id_or_path.startswith("~/")
        folder = Path(repo_id_or_path) if is_name else as_path("repo_id_or_path", repo_id_or_path)
        if not os.path.isdir(folder):  # False too for a name that no folder can have
            folder = download_pretrained(str(repo_id_or_path), cache_dir=cache_dir, revision=revision, token=token)
        model, metadata = load_pretrained_from_dir(
            cls, folder, extra_kwargs=extra_kwargs, strict=strict, map_location=map_location, max_gb=max_gb
        )
        return (model, metadata) if return_metadata else model


def _check_room(name: str, build: Callable[[], nn.Module], arguments: Mapping[str, Any]) -> None:
    """Raise ValueError where a model of such sizes has no room on this machine, before any of it is taken.

    Large ones are first built without values. Linux would give the memory, and end the process while it is filled.
    """
    if torch.empty(0).is_meta:
        return
    sizes = {
        key: int(one) for key, one in arguments.items() if isinstance(one, Integral) and int(one) > 1 and key != "seed"
    }
    if math.prod(sizes.values()) <= SURELY_FITS:
        return
    needed = math.inf
    if not any(sizes.get(key, 0) >= LARGEST_SIZE for key in SIZES):
        try:
            with torch.device("meta"), torch.random.fork_rng(devices=[]):
                model = build()
        except (RuntimeError, NotImplementedError):  # a part of it looks at values: it is built as it stands
            return
        needed = float(sum(x.numel() * x.element_size() for x in (*model.parameters(), *model.buffers())))
    if needed > (room := _memory_of_machine()):
        shown = f"{needed / GB:.0f} GB" if needed < math.inf else "more than any machine has"
        given = ", ".join(f"{key} {size}" for key, size in sizes.items())
        raise ValueError(
            f"the sizes of {name} ({given}) must leave it room in the {room / GB:.0f} GB of this machine; its weights "
            f"need {shown}: give fewer neurons, bands, frames or units"
        )


def _memory_of_machine() -> float:
    """Bytes; of a system that does not say, more than any has that this runs on."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows
        return float(1024 * GB)


def _check_positional(name: str, init: Callable[..., None], given: int) -> None:
    """TypeError where more arguments are given by position than have one: those that follow stood in another order."""
    parameters = list(inspect.signature(init).parameters.values())[1:]
    kinds = [parameter.kind for parameter in parameters]
    places = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if inspect.Parameter.VAR_POSITIONAL in kinds or given <= places or len(parameters) == places:
        return
    raise TypeError(
        f"{name}() takes what follows {parameters[places - 1].name} by keyword until {GONE_IN}, since its order has "
        f"changed: {', '.join(f'{one.name}=' for one in parameters[places:])}"
    )
