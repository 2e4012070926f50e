"""The checkpoint folder: what is in it, how it is written and how it is read.

A folder holds ``config.json`` (the class name under ``_model_class`` and the constructor arguments; modules given as
arguments under ``_modules``, the names of arguments that no file can hold under ``_unsaved``), ``model.safetensors``
(every tensor of the state dict), ``README.md`` (the model card) and, where there is any, ``metadata.json``. Folders
written by the earlier deepSTRF package have the first two, without the keys ``_modules`` and ``_unsaved``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor, nn

from ..protocols import Savable
from .atomic_files import replace_files, valid_folder
from .construction import Construction, NotEncodable, arguments_for, decode_module, to_json, unfit
from .model_card import write_model_card

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

Model = TypeVar("Model", bound=nn.Module)


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
        # A copy each: the format refuses tensors that share memory.
        state[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    if model_card is not None and not isinstance(model_card, str):
        raise TypeError(f"model_card must be a str or None, got {type(model_card).__name__}")
    card = write_model_card(model, config, metadata) if model_card is None else model_card
    contents = {WEIGHTS_FILE: write_tensors(state, metadata={"format": "pt"})}
    if metadata is not None:
        contents[METADATA_FILE] = _json_bytes(metadata)
    contents[MODEL_CARD_FILE] = card.encode()
    contents[CONFIG_FILE] = _json_bytes(config)
    folder = Path(save_dir)
    replace_files(folder, contents, CHECKPOINT_FILES)
    return folder


def load_pretrained_from_dir(
    cls: type[Model],
    folder: str | Path,
    *,
    extra_kwargs: dict[str, Any] | None = None,
    strict: bool = True,
    map_location: str | torch.device = "cpu",
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
        A file is corrupt or cut short, or the arguments in config.json do not fit ``cls``.
    RuntimeError
        The weights do not fit the model.
    """
    source = valid_folder(Path(folder))
    config = _read_json(source / CONFIG_FILE)
    state = _read_weights(source / WEIGHTS_FILE)
    metadata = _read_json(source / METADATA_FILE) if (source / METADATA_FILE).is_file() else None
    model = _build(cls, config, extra_kwargs or {}, source / CONFIG_FILE)
    _keep_dtypes(model, state)
    try:
        model.load_state_dict(state, strict=strict)
    except RuntimeError as error:
        raise RuntimeError(
            f"{source / WEIGHTS_FILE} does not fit the {cls.__name__} that {CONFIG_FILE} describes. A module which was "
            f"given to the constructor and is not in {CONFIG_FILE} can be given again through extra_kwargs. {error}"
        ) from error
    return model.to(map_location).eval(), metadata


def _config_of(model: Savable) -> dict[str, Any]:
    """What config.json says of ``model``, with a warning for each argument that it cannot say."""
    config = {**model._init_kwargs, CLASS_KEY: type(model).__name__}
    construction: Construction = getattr(model, "_construction", Construction())
    if construction.modules:
        config[MODULES_KEY] = construction.modules
    if construction.unsaved:
        config[UNSAVED_KEY] = sorted(construction.unsaved)
    for name, reason in construction.unsaved.items():
        warnings.warn(
            f"argument {name!r} of {type(model).__name__} is not saved ({reason}): give it again when loading, "
            f"from_pretrained(..., extra_kwargs={{{name!r}: ...}})",
            UserWarning,
            stacklevel=4,
        )
    return config


def _build(cls: type[Model], config: dict[str, Any], extra_kwargs: Mapping[str, Any], file: Path) -> Model:
    """Model of class ``cls`` from the arguments in ``config``, overridden by ``extra_kwargs``."""
    values = dict(config)
    saved_as = values.pop(CLASS_KEY, None)
    if saved_as != cls.__name__:
        warnings.warn(f"{file.parent} was saved as {saved_as!r} and is loaded as {cls.__name__!r}", stacklevel=4)
    modules, unsaved = values.pop(MODULES_KEY, {}), values.pop(UNSAVED_KEY, [])
    if not isinstance(modules, dict) or not isinstance(unsaved, list):
        raise ValueError(f"{file} is corrupt: {MODULES_KEY} must be an object and {UNSAVED_KEY} a list")
    lost = [name for name in unsaved if name not in extra_kwargs]
    if lost:
        raise ValueError(f"{file} does not hold the argument {lost[0]!r} of {saved_as}: give it in extra_kwargs")
    for name, spec in modules.items():
        if name not in extra_kwargs:
            try:
                values[name] = decode_module(spec)
            except ValueError as error:
                raise ValueError(f"{file}, argument {name!r}: {error}; give it in extra_kwargs") from error
    values.update(extra_kwargs)
    present: Mapping[str, str] = getattr(cls, "_old_arguments", {})
    values = {present.get(name, name): value for name, value in values.items()}
    fault = unfit(cls.__init__, values)
    if fault:
        raise ValueError(f"{file} does not fit {cls.__name__}: {fault}; extra_kwargs can complete or override it")
    args, kwargs = arguments_for(cls.__init__, values)
    return cls(*args, **kwargs)


def _keep_dtypes(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give each floating tensor of ``model`` the dtype that it has in ``state``."""
    for name, tensor in model.state_dict(keep_vars=True).items():
        if name in state and tensor.is_floating_point() and state[name].is_floating_point():
            tensor.data = tensor.data.to(state[name].dtype)


def _read_json(file: Path) -> dict[str, Any]:
    """Object in a JSON file."""
    try:
        content = json.loads(_read_bytes(file))
    except ValueError as error:  # not JSON, or not UTF-8
        raise ValueError(f"{file} is corrupt: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} is corrupt: it must hold an object, got a {type(content).__name__}")
    return content


def _read_weights(file: Path) -> dict[str, Tensor]:
    """Tensors in a safetensors file."""
    try:
        return read_tensors(_read_bytes(file))
    except SafetensorError as error:
        raise ValueError(f"{file} is corrupt: {error}") from error


def _read_bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{file} is missing, so {file.parent} is not a checkpoint") from None


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
