"""The checkpoint folder: what is in it, how it is written and how it is read.

A folder holds ``config.json`` (the class name under ``_model_class`` and the constructor arguments; modules given as
arguments under ``_modules``, the names of arguments that no file can hold under ``_unsaved``), ``model.safetensors``
(every tensor of the state dict), ``README.md`` (the model card) and, where there is any, ``metadata.json``. Folders
written by the earlier deepSTRF package have the first two, without the keys ``_modules``, ``_unsaved`` and ``_axes``
(what `deepstrf.models.recorded_axes` says of a fitted model's axes). The header
of ``model.safetensors`` holds digests of what the two JSON files said when they were saved with it.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.paths import as_path
from deepstrf.user_warning import warn_user

from ..protocols import Savable
from ..recorded_axes import RecordedAxes
from .atomic_files import read_files, replace_files
from .construction import Construction, NotEncodable, arguments_for, decode_module, to_json, unfit
from .model_card import write_model_card
from .rebuilding import check_responds, check_same_function

__all__ = [
    "CONFIG_FILE",
    "METADATA_FILE",
    "MODEL_CARD_FILE",
    "WEIGHTS_FILE",
    "load_pretrained_from_dir",
    "save_pretrained_to_dir",
]

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
METADATA_FILE = "metadata.json"
MODEL_CARD_FILE = "README.md"
CHECKPOINT_FILES = (WEIGHTS_FILE, METADATA_FILE, MODEL_CARD_FILE, CONFIG_FILE)

CLASS_KEY = "_model_class"
MODULES_KEY = "_modules"
UNSAVED_KEY = "_unsaved"
AXES_KEY = "_axes"

Model = TypeVar("Model", bound=nn.Module)

CALLS_PER_TENSOR = 200
"""Of functions of torch, at most, that the construction of a model makes for each tensor in it."""
JSON_GROWTH = 50
"""Bytes of Python objects that a byte of JSON may become."""

REFUSALS_OF_CONSTRUCTORS = (
    TypeError, ValueError, NotImplementedError, AssertionError, ArithmeticError, RuntimeError, LookupError,
    AttributeError,
)  # fmt: skip


@torch.inference_mode(False)  # tensors made in it would never learn
def save_pretrained_to_dir(
    model: Savable,
    save_dir: str | Path,
    *,
    metadata: dict[str, Any] | None = None,
    model_card: str | None = None,
) -> Path:
    """Folder ``save_dir``, now holding ``model`` as a checkpoint.

    All or nothing: when anything fails, and also when the process dies half-way, the folder still gives back the
    checkpoint that it held. Files of other names in it are left alone.

    Parameters
    ----------
    model : NeuralModel
    save_dir : str or Path
        Made if it does not exist.
    metadata : dict, optional
        JSON-able facts (NumPy numbers and arrays are turned into Python's; NaN is allowed).
    model_card : str, optional
        Text of README.md; None writes one.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    AttributeError
        The model has no ``_init_kwargs``: it was made without its constructor.
    TypeError
        ``metadata`` is not a dict that fits in JSON, ``model_card`` no text, or something in the state dict no tensor.
    ValueError
        Loading would not give the same function: modules were swapped, settings changed or hooks added after the
        construction (the message names the first); or the tensors hold no values.
    FileExistsError
        The folder holds a file of one of these names that is not part of a checkpoint.
    TimeoutError
        Another program has been replacing the checkpoint for a minute.
    OSError
        A file could not be written.

    Warns
    -----
    UserWarning
        A constructor argument cannot be written; it will have to be given again on loading.
    """
    if not hasattr(model, "_init_kwargs"):
        raise AttributeError(
            f"{type(model).__name__} has no _init_kwargs, so it could not be built again: only a subclass of "
            "NeuralModel that was made by its constructor can be saved"
        )
    config = _config_of(model)
    if metadata is not None:
        metadata = _checked_metadata(metadata)
    state = {}
    for name, tensor in model.state_dict().items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{WEIGHTS_FILE} holds tensors only, but state_dict entry {name!r} is a {type(tensor)}")
        if tensor.is_meta or tensor.layout is not torch.strided:
            kind = "of the meta device and holds no values" if tensor.is_meta else f"of the layout {tensor.layout}"
            raise ValueError(f"{WEIGHTS_FILE} holds plain numbers only, but state_dict entry {name!r} is {kind}")
        # A copy each: the format refuses tensors that share memory.
        state[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    if model_card is not None and not isinstance(model_card, str):
        raise TypeError(f"model_card must be a str or None, got {type(model_card).__name__}")
    _check_comes_back(model, config, state)
    folder = as_path("save_dir", save_dir)
    _check_replaceable(folder)
    card = write_model_card(model, config, metadata) if model_card is None else model_card
    digests = {CONFIG_FILE: _digest(config), METADATA_FILE: "" if metadata is None else _digest(metadata)}
    contents = {WEIGHTS_FILE: write_tensors(state, metadata={"format": "pt", **digests})}
    if metadata is not None:
        contents[METADATA_FILE] = _json_bytes(metadata)
    contents[MODEL_CARD_FILE] = card.encode()
    contents[CONFIG_FILE] = _json_bytes(config)
    replace_files(folder, contents, CHECKPOINT_FILES)
    return folder


@torch.inference_mode(False)
def load_pretrained_from_dir(
    cls: type[Model],
    folder: str | Path,
    *,
    extra_kwargs: dict[str, Any] | None = None,
    strict: bool = True,
    map_location: str | torch.device = "cpu",
    max_gb: float = LIMIT_GB,
) -> tuple[Model, dict[str, Any] | None]:
    """Model of class ``cls`` built from a checkpoint folder, in evaluation mode, and its metadata.

    Parameters
    ----------
    cls : type
        Class to build; a warning says so when the folder was saved from another one.
    folder : str or Path
    extra_kwargs : dict, optional
        Constructor arguments that override or complete the saved ones.
    strict : bool
        Every tensor of the file must have its place in the model, and the other way round.
    map_location : str or torch.device
        Where the model is put. Its tensors keep the dtype of the file.
    max_gb : float
        Memory that the weights, and the model, may take, in GB of 2^30 bytes.

    Returns
    -------
    model : NeuralModel
    metadata : dict, or None
        None when there is no metadata.json.

    Raises
    ------
    FileNotFoundError
        config.json or model.safetensors is missing.
    ValueError
        A file is corrupt or cut short, the arguments in config.json do not fit ``cls``, the weights do not fit the
        model, or more than ``max_gb`` is needed.

    Warns
    -----
    UserWarning
        The folder was saved from another class; its last save was interrupted; a JSON file is not the one that was
        saved with the weights.
    """
    folder = as_path("folder", folder)
    needed = (CONFIG_FILE, WEIGHTS_FILE)
    check = partial(_check_size, max_gb=max_gb)
    files = read_files(folder, (WEIGHTS_FILE, METADATA_FILE, CONFIG_FILE), check, needed)
    for name in needed:
        if name not in files:
            raise FileNotFoundError(f"{folder / name} is missing, so {folder} is not a checkpoint")
    config = _json_in(folder / CONFIG_FILE, files[CONFIG_FILE])
    metadata = _json_in(folder / METADATA_FILE, files[METADATA_FILE]) if METADATA_FILE in files else None
    state, digests = _tensors_in(folder / WEIGHTS_FILE, files.pop(WEIGHTS_FILE))
    model = _build(cls, config, extra_kwargs or {}, folder / CONFIG_FILE, most_tensors=len(state), max_gb=max_gb)
    # Where all of it comes from the file and is this library's: modules of the user may need more than a sound.
    if not extra_kwargs and cls.__module__.partition(".")[0] == "deepstrf":
        try:
            check_responds(model, max_gb)
        except ValueError as error:
            raise ValueError(f"{folder / CONFIG_FILE} describes no {cls.__name__} that works: {error}") from error
    _fill(model, state, folder / WEIGHTS_FILE, strict=strict)
    _give_axes(model, config, folder / CONFIG_FILE)
    for name, content in ((CONFIG_FILE, config), (METADATA_FILE, metadata)):
        if digests.get(name, found := "" if content is None else _digest(content)) != found:
            warn_user(
                f"{folder / name} is not the one that was saved with {WEIGHTS_FILE}: it was changed afterwards, or "
                "only a part of the folder was copied",
            )
    return model.to(map_location).eval(), metadata


def _config_of(model: Savable) -> dict[str, Any]:
    """What config.json says of ``model``, with a warning for each argument that it cannot say."""
    config = {**model._init_kwargs, CLASS_KEY: type(model).__name__}
    construction: Construction = getattr(model, "_construction", Construction())
    if construction.modules:
        config[MODULES_KEY] = construction.modules
    if construction.unsaved:
        config[UNSAVED_KEY] = sorted(construction.unsaved)
    axes = getattr(model, "axes", None)
    if isinstance(axes, RecordedAxes):
        config[AXES_KEY] = axes.to_json()
    for name, reason in construction.unsaved.items():
        warn_user(
            f"argument {name!r} of {type(model).__name__} is not saved ({reason}): give it again when loading, "
            f"from_pretrained(..., extra_kwargs={{{name!r}: ...}})",
        )
    return config


def _give_axes(model: Any, config: Mapping[str, Any], file: Path) -> None:
    """Put what the file says of the axes into the model; ValueError where it is damaged or of other sizes."""
    if AXES_KEY not in config:
        return
    try:
        axes = RecordedAxes.from_json(config[AXES_KEY])
    except ValueError as error:
        raise ValueError(f"{file} is corrupt: {AXES_KEY} holds {error}; remove it to load the rest") from error
    sizes = {"cf_hz": getattr(model, "F", len(axes.cf_hz)), "neuron_names": model.O}
    for name, size in sizes.items():
        if len(getattr(axes, name)) != size:
            raise ValueError(
                f"{file} is corrupt: {AXES_KEY} has {len(getattr(axes, name))} {name} for a model of {size}; "
                "remove it to load the rest"
            )
    model.axes = axes


def built_anew(model: Model, *, seed: int = 0) -> Model:
    """Model of the class and the constructor's arguments of ``model``, with values that its constructor draws.

    Parameters
    ----------
    model : Savable
        A model of the library, or one of a class derived from `NeuralModel`.
    seed : int
        Of the random values, which the constructor draws from a generator of its own.

    Raises
    ------
    TypeError, ValueError
        Nobody knows the arguments that made it, or they do not make it again.

    Examples
    --------
    >>> from deepstrf.models import LinearNonlinear
    >>> model = LinearNonlinear(10, 20, out_neurons=2)
    >>> one, same = built_anew(model, seed=3), built_anew(model, seed=3)
    >>> torch.equal(one.readout.strf.kernel.weight, same.readout.strf.kernel.weight)
    True
    """
    if not hasattr(model, "_init_kwargs"):
        raise TypeError(f"model must know the arguments that made it, got a {type(model).__name__} that does not")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of arguments that a file could not hold
        config = _config_of(model)  # type: ignore[arg-type]
    construction: Construction = getattr(model, "_construction", Construction())
    given = copy.deepcopy(construction.unsaved_values)
    most = len(model.state_dict())
    return _build(type(model), config, given, Path(CONFIG_FILE), most_tensors=most, max_gb=float("inf"), seed=seed)


def _check_comes_back(model: Any, config: dict[str, Any], state: Mapping[str, Tensor]) -> None:
    """ValueError unless the model that loading would give is the same function."""
    construction: Construction = getattr(model, "_construction", Construction())
    given = copy.deepcopy(construction.unsaved_values)
    file = Path(CONFIG_FILE)
    rebuilt = _build(type(model), config, given, file, most_tensors=len(state), max_gb=float("inf"))
    device = next((one.device for one in model.parameters()), torch.device("cpu"))
    try:
        _fill(rebuilt, state, Path(WEIGHTS_FILE), strict=True)
    except ValueError:
        check_same_function(model, rebuilt)  # says more than that names or shapes differ
        raise
    check_same_function(model, rebuilt.to(device))


def _check_replaceable(folder: Path) -> None:
    """FileExistsError where the folder has a file that a checkpoint would replace, and is no checkpoint."""
    there = [name for name in CHECKPOINT_FILES if (folder / name).exists()]
    if not there:
        return
    try:
        is_checkpoint = CLASS_KEY in json.loads((folder / CONFIG_FILE).read_bytes())
    except (OSError, ValueError, TypeError, RecursionError):
        is_checkpoint = False
    if not is_checkpoint:
        raise FileExistsError(
            f"{folder / there[0]} is not part of a checkpoint and is not replaced: choose another folder"
        )


def _build(
    cls: type[Model],
    config: dict[str, Any],
    extra_kwargs: Mapping[str, Any],
    file: Path,
    *,
    most_tensors: int,
    max_gb: float,
    seed: int = 0,
) -> Model:
    """Model of class ``cls`` on the CPU from the arguments in ``config``, overridden by ``extra_kwargs``.

    The random state of the caller, and what it has set as device, change nothing and stay.
    """
    values = dict(config)
    values.pop(AXES_KEY, None)
    saved_as = values.pop(CLASS_KEY, None)
    if saved_as != cls.__name__:
        warn_user(f"{file.parent} was saved as {saved_as!r} and is loaded as {cls.__name__!r}")
    modules, unsaved = values.pop(MODULES_KEY, {}), values.pop(UNSAVED_KEY, [])
    if not isinstance(modules, dict) or not isinstance(unsaved, list):
        raise ValueError(f"{file} is corrupt: {MODULES_KEY} must be an object and {UNSAVED_KEY} a list")
    lost = [name for name in unsaved if name not in extra_kwargs]
    if lost:
        raise ValueError(f"{file} does not hold the argument {lost[0]!r} of {saved_as}: give it in extra_kwargs")
    present: Mapping[str, str] = getattr(cls, "_old_arguments", {})
    construction = _Construction(str(file), most_tensors, max_gb, seed)
    with torch.device("cpu"), construction:
        for name, spec in modules.items():
            if name not in extra_kwargs:
                try:
                    values[name] = decode_module(spec)
                except ValueError as error:
                    raise construction.refusal or ValueError(
                        f"{file}, argument {name!r}: {error}; give it in extra_kwargs"
                    ) from error
        values.update(extra_kwargs)
        values = {present.get(name, name): value for name, value in values.items()}
        fault = unfit(cls.__init__, values)
        if fault:
            raise ValueError(f"{file} does not fit {cls.__name__}: {fault}; extra_kwargs can complete or override it")
        args, kwargs = arguments_for(cls.__init__, values)
        try:
            return cls(*args, **kwargs)
        except REFUSALS_OF_CONSTRUCTORS as error:
            if error is construction.refusal:
                raise
            raise ValueError(
                f"{file} does not fit {cls.__name__}: {error}; extra_kwargs can complete or override it"
            ) from error


class _Construction(TorchFunctionMode):
    """Inside the ``with`` block new tensors together take at most ``max_gb``, and the global random state stays.

    Random numbers are drawn from a generator of its own. To put the global ones back afterwards would take them from a
    fit that goes on in another thread.
    """

    FACTORIES = frozenset(
        (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye, torch.arange,
         torch.linspace)
    )  # fmt: skip
    DRAWING = frozenset(
        (torch.rand, torch.randn, torch.randint, torch.randperm, torch.normal, torch.bernoulli, torch.multinomial,
         Tensor.uniform_, Tensor.normal_, Tensor.random_, Tensor.exponential_, Tensor.bernoulli_, Tensor.bernoulli)
    )  # fmt: skip
    DRAWING_LIKE = frozenset((torch.rand_like, torch.randn_like, torch.randint_like))
    WHERE = ("device", "generator", "pin_memory", "out")

    def __init__(self, where: str, most_tensors: int, max_gb: float, seed: int = 0) -> None:
        super().__init__()
        self.where, self.max_gb = where, max_gb
        self.refusal: ValueError | None = None
        self.bytes, self.calls_left = 0, CALLS_PER_TENSOR * (most_tensors + 100)
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The result of the call, if it fits."""
        kwargs = kwargs or {}
        self.calls_left -= 1
        try:
            if self.calls_left < 0:
                raise ValueError(f"{self.where} describes a model of many more tensors than {WEIGHTS_FILE} holds")
            if func in self.FACTORIES:
                there = {name: value for name, value in kwargs.items() if name not in self.WHERE}
                self.bytes += func(*args, **there, device="meta").nbytes
                check_memory(f"the model that {self.where} describes", self.bytes, self.max_gb)
        except ValueError as error:
            self.refusal = error
            raise
        if func in self.DRAWING_LIKE:
            with torch.random.fork_rng(devices=[]):
                return func(*args, **kwargs)
        is_initialisation = getattr(func, "__module__", "") == "torch.nn.init"
        if func in self.DRAWING or (is_initialisation and "generator" in inspect.signature(func).parameters):
            kwargs = {**kwargs, "generator": kwargs.get("generator") or self.generator}
        return func(*args, **kwargs)


def _fill(model: nn.Module, state: Mapping[str, Tensor], file: Path, *, strict: bool) -> None:
    """Give a model the tensors of a file, with their dtypes; ValueError when they do not fit."""
    for name, tensor in model.state_dict(keep_vars=True).items():
        if name in state and tensor.is_floating_point() and state[name].is_floating_point():
            tensor.data = tensor.data.to(state[name].dtype)
        elif name in state and _kind(tensor) != _kind(state[name]):
            raise ValueError(f"{file} does not fit: {name} must be {_kind(tensor)}, got {state[name].dtype}")
    try:
        model.load_state_dict(state, strict=strict)
    except RuntimeError as error:
        raise ValueError(
            f"{file} does not fit the {type(model).__name__} that {CONFIG_FILE} describes. A module which was "
            f"given to the constructor and is not in {CONFIG_FILE} can be given again through extra_kwargs. {error}"
        ) from error


def _kind(tensor: Tensor) -> str:
    return "real" if tensor.is_floating_point() else "complex" if tensor.is_complex() else "whole numbers"


def _check_size(file: Path, max_gb: float) -> None:
    """ValueError when what the file becomes would need more than ``max_gb``."""
    check_memory(str(file), file.stat().st_size * (1.0 if file.name == WEIGHTS_FILE else JSON_GROWTH), max_gb)


def _json_in(file: Path, data: bytes) -> dict[str, Any]:
    """Object in a JSON file."""
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError(f"{file} is corrupt: it is nested too deeply") from None
    except ValueError as error:  # not JSON, or not UTF-8
        raise ValueError(f"{file} is corrupt: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} is corrupt: it must hold an object, got a {type(content).__name__}")
    return content


def _tensors_in(file: Path, data: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors in a safetensors file, and the texts in its header."""
    try:
        state = read_tensors(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{file} is corrupt: {error}") from error
    return state, header.get("__metadata__") or {}


def _digest(content: dict[str, Any]) -> str:
    """Of what a JSON file says, however it is written."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _json_bytes(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _checked_metadata(metadata: Any) -> dict[str, Any]:
    """``metadata`` in Python's own types."""
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a dict, got {type(metadata).__name__}")
    try:
        return to_json(_without_arrays(metadata), finite=False)
    except NotEncodable as error:
        raise TypeError(f"metadata must fit in JSON: {error}") from error


def _without_arrays(value: Any) -> Any:
    """``value`` with every NumPy array and tensor as nested lists."""
    if isinstance(value, (np.ndarray, Tensor)):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _without_arrays(item) for key, item in value.items()}
    return [_without_arrays(item) for item in value] if isinstance(value, (list, tuple)) else value
