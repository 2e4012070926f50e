"""Checkpoint folders, checkpoints of fits and state texts in all states."""

from __future__ import annotations

import base64
import copy
import io
import json
import tempfile
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from deepstrf.datasets import Recording
from deepstrf.models import (
    ConvNet2D,
    DNet,
    Linear,
    LinearNonlinear,
    NetworkReceptiveField,
    NeuralModel,
    StateNet,
    Transformer,
)
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.prefiltering import AdapTrans
from deepstrf.training import Fitter, NonFiniteLossError
from deepstrf.training.checkpoint import save_checkpoint
from deepstrf_widgets import LiveSession
from deepstrf_widgets.session.serialization import restore_state, state_text
from tests.adversary.doors import Attempt, Door, damaged

BANDS, LAGS, NEURONS, FRAMES = 8, 5, 2, 40
CF_HZ = np.geomspace(500, 8000, BANDS)
EXTREMES: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 10**5, 10**9, 2**31, 2**63, -(2**63), 10**400, 0.5, 1e-300, 1e300, float("nan"), float("inf"),
    None, True, False, "", "x", "../a", "é" * 300, [], {}, [1], [[]], [1, 2, 3], [10**9, 10**9], {"class": "x"}, "GRU",
)  # fmt: skip


def extreme(rng: np.random.Generator) -> Any:
    """A value that stands where another was expected."""
    if rng.random() < 0.05:
        deep: Any = 1
        for _ in range(int(rng.choice([10, 200, 5000]))):
            deep = [deep]
        return deep
    return copy.deepcopy(EXTREMES[int(rng.integers(len(EXTREMES)))])


def with_other_leaf(rng: np.random.Generator, tree: Any, make: Callable[[np.random.Generator], Any] = extreme) -> Any:
    """A copy of nested dicts and lists in which something is another value, is missing, or stands there twice."""
    if not isinstance(tree, (dict, list)) or not tree or rng.random() < 0.1:
        return make(rng)
    tree = dict(tree) if isinstance(tree, dict) else list(tree)
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[int(rng.integers(len(keys)))]
    kind = rng.random()
    if kind < 0.7:
        tree[key] = with_other_leaf(rng, tree[key], make)
    elif kind < 0.8:
        del tree[key]
    elif isinstance(tree, list):
        tree.append(tree[key])
    else:
        name = key + "x" if isinstance(key, str) else key
        tree[name] = make(rng) if kind < 0.9 else tree[keys[int(rng.integers(len(keys)))]]
    return tree


# -- folders ------------------------------------------------------------------------------------------------------


@cache
def _folders() -> list[tuple[type[NeuralModel], dict[str, bytes]]]:
    """Checkpoints of small models of every kind."""
    made: list[Any] = [
        Linear(BANDS, LAGS, out_neurons=NEURONS),
        LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS, prefiltering=AdapTrans([0.5] * BANDS, [0.7] * BANDS)),
        LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS, kernel=ParametricSTRF(BANDS, LAGS, 1, NEURONS)),
        LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS, output_activation=nn.Softplus(beta=2.0)),
        NetworkReceptiveField(BANDS, LAGS, n_hidden=3, out_neurons=NEURONS),
        DNet(BANDS, LAGS, n_hidden=3, out_neurons=NEURONS),
        ConvNet2D(BANDS, kernel_size=(3, 3), c_hidden=2, n_hidden=3, out_neurons=NEURONS),
        StateNet(BANDS, hidden_channels=2, kernel_size=3, out_neurons=NEURONS),
        StateNet(BANDS, hidden_channels=2, kernel_size=3, out_neurons=NEURONS, rnn_type="LMU"),
        Transformer(BANDS, freq_patch_size=4, embedding_dim=8, out_neurons=NEURONS),
    ]
    folders = []
    for model in made:
        with tempfile.TemporaryDirectory() as folder:
            model.eval().save_pretrained(folder, metadata={"neurons": ["a", "b"], "score": 0.5, "nested": [{"x": [1]}]})
            folders.append((type(model), {path.name: path.read_bytes() for path in Path(folder).iterdir()}))
    return folders


def folder(rng: np.random.Generator, place: Path) -> Attempt:
    """A checkpoint folder whose files were damaged, edited by hand, mixed with another's, or are missing."""
    folders = _folders()
    cls, files = folders[int(rng.integers(len(folders)))]
    files = dict(files)
    for _ in range(int(rng.integers(1, 3))):
        _change_folder(rng, files, folders[int(rng.integers(len(folders)))][1])
    target = place / "model"
    target.mkdir()
    for name, content in files.items():
        (target / name).write_bytes(content)
    if rng.random() < 0.03:
        name = str(rng.choice(["config.json", "model.safetensors", "metadata.json"]))
        (target / name).unlink(missing_ok=True)
        (target / name).mkdir()

    def answers(model: Any) -> bool:
        """What was loaded computes."""
        with torch.no_grad():
            return bool(model(torch.zeros(1, 1, model.F, FRAMES)).shape == (1, model.O, 1, FRAMES))

    return Attempt(lambda: cls.from_pretrained(target), (str(target),), answers)


def _change_folder(rng: np.random.Generator, files: dict[str, bytes], others: dict[str, bytes]) -> None:
    config, weights = "config.json", "model.safetensors"
    name = str(rng.choice([config, weights, "metadata.json"]))
    match rng.integers(10):
        case 0:
            files[name] = damaged(rng, files.get(name, b""))
        case 1:
            files.pop(name, None)
        case 2:
            files[name] = others[name]
        case 3:
            files[name] = files.get(name, b"")[: int(rng.integers(200))]
        case 4 | 5 if weights in files:
            files[weights] = _other_header(rng, files[weights])
        case 6:
            files["metadata.json"] = _json(with_other_leaf(rng, {"a": [1, {"b": 2}]}))
        case _ if config in files:
            try:
                content = json.loads(files[config])
            except (ValueError, RecursionError):
                return
            files[config] = _json(with_other_leaf(rng, content))


def _json(content: Any) -> bytes:
    try:
        return json.dumps(content).encode()
    except RecursionError:
        return b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def _other_header(rng: np.random.Generator, data: bytes) -> bytes:
    """A safetensors file whose header says something else."""
    size = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + size])
    except (ValueError, RecursionError):
        return data
    values = (*EXTREMES, "F64", "BF16", "I64", "BOOL", "F8_E4M3", [0, 0], [1], [10**10])
    header = with_other_leaf(rng, header, lambda rng: copy.deepcopy(values[int(rng.integers(len(values)))]))
    text = _json(header)
    said = len(text) if rng.random() < 0.8 else int(rng.choice([0, 1, 2**40, 2**63, len(text) - 1]))
    return said.to_bytes(8, "little") + text + data[8 + size :]


# -- state texts --------------------------------------------------------------------------------------------------


@cache
def _session(kind: int) -> LiveSession:
    torch.manual_seed(0)
    kernel = ParametricSTRF(BANDS, LAGS, 2, NEURONS, num_gaussians=3) if kind else None
    model = LinearNonlinear(
        BANDS, LAGS, out_neurons=NEURONS, kernel=kernel, prefiltering=AdapTrans([0.5] * BANDS, [0.7] * BANDS)
    ).eval()
    sound = torch.rand(1, 1, BANDS, FRAMES, generator=torch.Generator().manual_seed(1)) * 10
    return LiveSession(model, sound, cf_hz=CF_HZ)


@cache
def _text(kind: int) -> str:
    """The text of a session in which every parameter is another."""
    session = _session(kind)
    for name in session.parameters:
        session.set(name, np.asarray(session.value(name)) * 1.001)
    text = state_text(session)
    session.revert()
    return text


def state(rng: np.random.Generator, _: Path) -> Attempt:
    """A text that was cut, mistyped, or holds what no session wrote."""
    kind = int(rng.integers(2))
    session, text = _session(kind), _text(kind if rng.random() < 0.9 else 1 - kind)
    prefix = text.index(":") + 1
    content: Any = json.loads(zlib.decompress(base64.urlsafe_b64decode(text[prefix:])))
    match rng.integers(6):
        case 0:
            text = damaged(rng, text.encode(), head=len(text)).decode("latin-1")
        case 1:
            text = _packed(damaged(rng, json.dumps(content).encode()))
        case 2:
            edit = content["edits"][int(rng.integers(len(content["edits"])))]
            other, many = with_other_leaf(rng, edit), int(rng.choice([1, 2, 200_000]))
            # Of a nested one fewer: packing gigabytes takes the campaign longer than refusing them.
            content["edits"] = [other] * min(many, 10**7 // len(_json(other)))
            text = _packed(_json(content))
        case 3:
            text = _packed(
                bytes(rng.choice([b"[", b'{"a":', b"1", b" ", b"[],"])) * int(rng.choice([10, 10**5, 2 * 10**6]))
            )
        case _:
            for _ in range(int(rng.integers(1, 4))):
                content = with_other_leaf(rng, content)
            text = _packed(_json(content))
    before = {name: np.asarray(session.value(name)) for name in session.parameters}

    def opened() -> LiveSession:
        try:
            restore_state(session, text)
        except ValueError:
            if any(not np.array_equal(session.value(name), value) for name, value in before.items()):
                raise RuntimeError("a refused text changed the session") from None
            raise
        return session

    return Attempt(opened, ("state",), lambda session: bool(session.rate(0).isfinite().all()))


def _packed(data: bytes) -> str:
    return "deepstrf1:" + base64.urlsafe_b64encode(zlib.compress(data)).decode()


# -- fits ---------------------------------------------------------------------------------------------------------


@cache
def _data() -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        (torch.rand(n, 1, BANDS, FRAMES, generator=generator),
         torch.poisson(torch.rand(n, NEURONS, 2, FRAMES, generator=generator) * 3, generator=generator))
        for n in (3, 2)
    )  # fmt: skip


def _model(seed: int = 0, **options: Any) -> LinearNonlinear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LinearNonlinear(BANDS, LAGS, **{"out_neurons": NEURONS, **options}).eval()


_fitter = partial(Fitter, progress=False, schedule=partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.9), epochs=2)
OTHER_FITS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"seed": 3}, {}), ({"batch_size": 1}, {}), ({"smoothness": 0.3}, {}), ({"skip_bins": 2}, {}),
    ({"schedule": None}, {}), ({"optimizer": partial(torch.optim.SGD, lr=0.01)}, {}),
    ({}, {"output_activation": nn.Softplus()}), ({}, {"output_activation": nn.ReLU()}),
    ({}, {"prefiltering": nn.Dropout(0.1)}), ({}, {"kernel": ParametricSTRF(BANDS, LAGS, 1, NEURONS)}),
)  # fmt: skip


@cache
def _fits() -> list[bytes]:
    """Checkpoints after one epoch: of the fit that is resumed, and of others."""
    found = []
    for settings, options in ({}, {}), *OTHER_FITS:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "fit.pt"
            _fitter(**{**settings, "epochs": 1}).fit(_model(**copy.deepcopy(options)), *_data(), checkpoint=file)
            found.append(file.read_bytes())
    return found


@cache
def _finished() -> dict[str, torch.Tensor]:
    model = _model()
    _fitter().fit(model, *_data())
    return model.state_dict()


def fit(rng: np.random.Generator, place: Path) -> Attempt:
    """A checkpoint of a fit that was cut, changed, made by hand, or is another fit's."""
    file, fits = place / "fit.pt", _fits()
    exact, may_refuse = True, True
    match rng.integers(8):
        case 0:
            file.write_bytes(fits[0])
            may_refuse = False
        case 1 | 2:
            file.write_bytes(damaged(rng, fits[0], head=int(rng.choice([64, 4096, len(fits[0])]))))
        case 3:
            file.write_bytes(fits[int(rng.integers(1, len(fits)))])
        case 4:
            content = torch.load(io.BytesIO(fits[0]), weights_only=True)
            torch.save(with_other_leaf(rng, content, _value) if rng.random() < 0.8 else _value(rng), file)
        case _:  # with a right digest
            content = torch.load(io.BytesIO(fits[0]), weights_only=True)
            save_checkpoint(file, with_other_leaf(rng, content, _value), first=False)
            exact = False

    def opened() -> dict[str, torch.Tensor] | None:
        model = _model(seed=1)
        try:
            _fitter().fit(model, *_data(), checkpoint=file)
        except NonFiniteLossError:  # says which epoch and what to try
            return None
        return model.state_dict()

    def is_right(found: dict[str, torch.Tensor] | None) -> bool:
        """A damaged file never gives another result; any result is finite."""
        if found is None:
            return not exact
        if exact:
            return all(torch.equal(found[name], value) for name, value in _finished().items())
        return all(bool(value.isfinite().all()) for value in found.values())

    return Attempt(opened, (file.name,), is_right, may_refuse)


def _value(rng: np.random.Generator) -> Any:
    if rng.random() < 0.5:
        value = copy.deepcopy(EXTREMES[int(rng.integers(len(EXTREMES)))])  # pickle itself fails at deep ones
        return 7 if isinstance(value, int) and abs(value) > 2**62 else value
    shape = [(), (0,), (1,), (3,), (NEURONS,), (2, 1, BANDS, LAGS), (10**5,)][int(rng.integers(7))]
    made = torch.full(shape, float(rng.choice([0.0, 1.0, -1.0, 1e38, np.nan, np.inf])))
    return (
        made.to([torch.float32, torch.float64, torch.int64, torch.bfloat16][int(rng.integers(4))])
        if made.isfinite().all()
        else made
    )


# -- recordings in one file ---------------------------------------------------------------------------------------


@cache
def _recording() -> bytes:
    stimuli, responses = _data()[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.recording"
        recording = Recording(
            stimuli, responses, dt_ms=5.0, cf_hz=torch.from_numpy(CF_HZ), neuron_names=["a", "b"], bins=[FRAMES] * 3
        )
        recording.save(path)
        return path.read_bytes()


def recording(rng: np.random.Generator, place: Path) -> Attempt:
    """A recording of `Recording.save` that was damaged, or whose header says something else."""
    file, data = place / "all.recording", _recording()
    size = int.from_bytes(data[:8], "little")
    if rng.random() < 0.4:
        data = damaged(rng, data, head=int(rng.choice([16, size, len(data)])))
    elif rng.random() < 0.4:
        data = _other_header(rng, data)
    else:
        header = json.loads(data[8 : 8 + size])
        about = with_other_leaf(rng, json.loads(header["__metadata__"]["about"]))
        header["__metadata__"]["about"] = _json(about).decode()
        text = json.dumps(header).encode()
        data = len(text).to_bytes(8, "little") + text + data[8 + size :]
    file.write_bytes(data)
    return Attempt(
        lambda: Recording.load(file),
        (file.name,),
        lambda found: bool(found.stimuli.isfinite().all()) and len(found) == len(found.stimulus_names),
    )


DOORS = {
    "recording": Door(1000, recording),
    "folder": Door(5000, folder),
    "state": Door(3000, state),
    "fit": Door(2000, fit),
}
