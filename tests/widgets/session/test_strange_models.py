"""A session is its model, whatever stands between the parts of it: whole or reduced, and it says by what."""

import copy
import re
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from deepstrf.models import Linear, LinearNonlinear, StateNet
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.readouts import STRFReadout
from deepstrf_widgets import LiveSession, explore

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])


class Louder(ParametricSTRF):
    def forward(self, x):
        return 1.5 * super().forward(x)


class Squared(ParametricSTRF):
    def build_kernel(self, device=None):
        return super().build_kernel(device).square()


class Renamed(ParametricSTRF):
    """Computes what its parent computes."""


class Doubled(LinearNonlinear):
    def forward(self, stimulus):
        return 2 * super().forward(stimulus)


class OnFloor(LinearNonlinear):
    def prefiltered(self, stimulus):
        return super().prefiltered(stimulus.clamp(min=2.0))


class Counting(nn.Module):
    """Keeps its input, and counts its calls in a buffer that its answer depends on."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        self.last = x
        return torch.relu(x) * self.calls


class Smaller(nn.Module):
    def forward(self, weight):
        return weight / 2 + 0.01


def as_class(part, cls):
    part.__class__ = cls


def own_forward(module):
    plain = module.forward
    module.forward = lambda x: plain(x) + 1


def gaussians(change):
    """A model with Gaussians, changed."""

    def build(make_model):
        model = make_model()
        change(model)
        return model

    return build


def kernel(make):
    """A model with another kernel."""

    def build(_make_model):
        torch.manual_seed(0)
        model = LinearNonlinear(5, 4, out_neurons=3, kernel=make()).double().eval()
        torch.nn.init.uniform_(model.readout.bn.running_var, 0.5, 2.0)
        return model

    return build


def full(change):
    """A model with a full kernel, changed."""

    def build(make_model):
        model = make_model("full")
        change(model)
        return model

    return build


def old_weight_norm(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(model.readout.strf.kernel)


def batch_statistics(model):
    model.readout.bn = nn.BatchNorm1d(3, track_running_stats=False).double()


def half_sound(_module, inputs):
    return (inputs[0] / 2,)


PARTS = {
    "hook on the curve": lambda m: m.readout.activation.register_forward_hook(lambda _m, _i, out: 2 * out),
    "hook before the field": lambda m: m.readout.strf.register_forward_pre_hook(half_sound),
    "hook on the kernel": lambda m: m.readout.strf.kernel.register_forward_hook(lambda _m, _i, out: 2 * out),
    "hook on the readout": lambda m: m.readout.register_forward_hook(lambda _m, _i, out: 2 * out),
    "hook on the model": lambda m: m.register_forward_pre_hook(half_sound),
    "hook that mixes neurons": lambda m: m.readout.bn.register_forward_hook(
        lambda _m, _i, out: out - out.mean(1, keepdim=True)
    ),
    "forward of the curve's own": lambda m: own_forward(m.readout.activation),
    "kernel with another forward": lambda m: as_class(m.readout.strf.kernel, Louder),
    "kernel with another build_kernel": lambda m: as_class(m.readout.strf.kernel, Squared),
    "kernel of another name": lambda m: as_class(m.readout.strf.kernel, Renamed),
    "model with another forward": lambda m: as_class(m, Doubled),
    "model with another prefilter": lambda m: as_class(m, OnFloor),
    "curve in place": lambda m: setattr(m.readout, "activation", nn.ReLU(inplace=True)),
    "core in place": lambda m: setattr(m, "core", nn.ReLU(inplace=True)),
    "front end in place": lambda m: setattr(m, "wav2spec", nn.Hardtanh(1.0, 5.0, inplace=True)),
    "softmax": lambda m: setattr(m.readout, "activation", nn.Softmax(-1)),
    "curve with a state": lambda m: setattr(m.readout, "activation", Counting()),
    "no batch norm": lambda m: setattr(m.readout, "bn", nn.Identity()),
    "group norm": lambda m: setattr(m.readout, "bn", nn.GroupNorm(1, 3).double()),
    "batch norm without statistics": batch_statistics,
    "train mode": lambda m: m.train(),
    "dropout in train mode": lambda m: setattr(m.readout, "activation", nn.Sequential(nn.Dropout(0.5), nn.ReLU())),
}
CONVOLUTIONS = {
    "weight norm": lambda m: parametrizations.weight_norm(m.readout.strf.kernel),
    "weight norm, old": old_weight_norm,
    "spectral norm": lambda m: parametrizations.spectral_norm(m.readout.strf.kernel),
    "spectral norm, old": lambda m: nn.utils.spectral_norm(m.readout.strf.kernel),
    "parametrised": lambda m: parametrize.register_parametrization(m.readout.strf.kernel, "weight", Smaller()),
    "pruned": lambda m: prune.l1_unstructured(m.readout.strf.kernel, "weight", 5),
}
KERNELS = {
    "two convolutions": lambda: nn.Sequential(nn.Conv2d(1, 4, (5, 1)), nn.Conv2d(4, 3, (1, 4))),
    "two convolutions, one grouped": lambda: nn.Sequential(nn.Conv2d(1, 3, (5, 1)), nn.Conv2d(3, 3, (1, 4), groups=3)),
    "dilated": lambda: nn.Conv2d(1, 3, (3, 2), dilation=(2, 3)),
    "unknown": lambda: nn.Sequential(nn.Conv2d(1, 3, (5, 4)), nn.Tanh(), nn.Conv2d(3, 3, 1)),
}
MODELS = {
    **{name: gaussians(change) for name, change in PARTS.items()},
    **{name: full(change) for name, change in CONVOLUTIONS.items()},
    **{name: kernel(make) for name, make in KERNELS.items()},
}
# What the warning names; every other model is opened without one.
SAID = {
    "curve with a state": "it answers one sound differently each time",
    "hook before the field": "readout.strf has a forward hook",
    "hook on the kernel": "strf.weight.* cannot be edited, as readout.strf.kernel computes another field",
    "hook on the readout": "readout has a forward hook",
    "hook on the model": "LinearNonlinear has a forward hook",
    "hook that mixes neurons": "readout.bn has a forward hook",
    "forward of the curve's own": "activation.beta, activation.b cannot be edited, as readout.activation has a forward",
    "kernel with another forward": "strf.center_hz.* cannot be edited",
    "kernel with another build_kernel": "strf.center_hz.* cannot be edited",
    "weight norm": "strf.kernel cannot be edited, as readout.strf.kernel.weight is computed",
    "weight norm, old": "strf.kernel cannot be edited, as readout.strf.kernel.weight is computed",
    "spectral norm": "strf.kernel cannot be edited, as readout.strf.kernel.weight is computed",
    "spectral norm, old": "strf.kernel cannot be edited, as readout.strf.kernel.weight is computed",
    "parametrised": "strf.kernel cannot be edited, as readout.strf.kernel.weight is computed",
    "pruned": "strf.kernel cannot be edited, as readout.strf.kernel.weight is computed",
}


def opened(model, stimulus, said="", **options):
    """A session, and nothing else warned of than what is said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        session = LiveSession(model, stimulus, dt_ms=5.0, cf_hz=CF_HZ, **options)
    texts = [str(one.message) for one in caught]
    assert len(texts) == bool(said), texts
    assert re.search(said, " ".join(texts)), texts
    return session


def assert_is_its_model(session, model=None):
    model = copy.deepcopy(session.model if model is None else model).eval()
    with torch.no_grad():
        fresh = model(session.stimulus.clone())[:, :, 0]
    for neuron in range(3):
        torch.testing.assert_close(session.rate(neuron), fresh[:, neuron], rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize("name", MODELS)
def test_a_session_is_its_model_and_every_edit_that_it_offers_has_its_effect(make_model, make_stimulus, name):
    model = MODELS[name](make_model)
    stateful = name == "curve with a state"
    session = opened(model, make_stimulus(), SAID.get(name, ""), copy_model=not hasattr(model, "no_copy"))
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    assert_is_its_model(session)
    drive = session.live.drive(1).clone() if session.live.staged else None
    session.rate(1)
    assert drive is None or torch.equal(session.live.drive(1), drive)
    for parameter in list(session.parameters.values()):
        rate = session.rate(0).clone()
        low, high = (float(np.max(end)) for end in parameter.limits((0,) * len(parameter.shape)))
        here = float(session.value(parameter.name, (0,) * len(parameter.shape)))
        wanted = min(max(here * 1.3 + 0.2, low), high)
        session.set(parameter.name, wanted, (0,) * len(parameter.shape))
        assert session.value(parameter.name, (0,) * len(parameter.shape)) == pytest.approx(wanted)
        assert_is_its_model(session)
        if parameter.name in ("strf.weight", "strf.kernel", "strf.bias") and "softmax" not in name and not stateful:
            assert not torch.equal(session.rate(0), rate), parameter.name
    while session.can_undo:
        session.undo()
    assert_is_its_model(session)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize("name", MODELS)
def test_explore_opens_and_shows_what_the_model_computes(make_model, make_stimulus, make_responses, name):
    model = MODELS[name](make_model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        shown = explore(model, make_stimulus(), make_responses(), dt_ms=5.0, cf_hz=CF_HZ, figures=False)
    session = shown.session
    rate = np.frombuffer(shown.bench.rate, "<f4")
    np.testing.assert_allclose(rate, session.rate(0)[0].float(), rtol=1e-6, atol=1e-6)
    session.set_stimulus(make_stimulus(frames=20))
    assert_is_its_model(session)
    shown.figure()
    if session.restrictions:
        assert shown.bench.info["local"] is False
    shown.close()


@pytest.mark.parametrize(
    "name", ["two convolutions", "two convolutions, one grouped", "dilated", "weight norm", "pruned"]
)
def test_the_field_on_show_is_the_one_that_the_model_has(make_model, make_stimulus, name):
    model = MODELS[name](make_model)
    session = opened(model, make_stimulus(), SAID.get(name, ""))
    field, taps = session.live.kernel(1), session.live.kernel(1).shape[-1]
    assert field.shape[1:] == (5, 4)
    x = model.prefiltered(make_stimulus())
    with torch.no_grad():
        linear = model.readout.strf(x)[0, 1, 0]
        silence = model.readout.strf(torch.zeros_like(x))[0, 1, 0]
    expected = torch.nn.functional.conv2d(nn.functional.pad(x, (taps - 1, 0)), field[None])[0, 0, 0]
    torch.testing.assert_close(expected.detach(), linear - silence, rtol=1e-9, atol=1e-9)


def test_a_grouped_convolution_shows_where_its_channels_are(make_stimulus, make_model, assert_fresh):
    model = make_model("full")
    torch.manual_seed(0)
    model.readout.strf.kernel = nn.Conv2d(2, 4, (5, 4), groups=2).double()
    model.readout.bn, model.readout.activation = nn.BatchNorm1d(4).double(), nn.Softplus()
    model.O = 4
    session = opened(model.eval(), make_stimulus())
    assert not any(name.startswith("strf.") for name in session.parameters)
    for neuron in range(4):
        field = session.live.kernel(neuron)
        assert field.shape == (2, 5, 4)
        assert field[neuron // 2].abs().max() > 0
        assert field[1 - neuron // 2].abs().max() == 0
    assert_fresh(session, range(4))


def test_a_model_in_train_mode_is_answered_in_evaluation_mode_and_stays_as_it_is(
    make_model, make_stimulus, state, same
):
    model = make_model().train()
    begin = state(model)
    session = opened(model, make_stimulus())
    session.set("strf.weight", 0.5, (0, 0, 0))
    assert_is_its_model(session)
    assert model.training
    assert same(state(model), begin)
    plain = make_model().eval()
    session.undo()
    with torch.no_grad():
        torch.testing.assert_close(session.rate(1), plain(make_stimulus())[:, 1, 0])


class Shorter(STRFReadout):
    def forward(self, x):
        return super().forward(x)[..., 1:]


def test_a_model_that_answers_fewer_bins_is_named(make_model, make_stimulus):
    model = make_model("full", None)
    model.readout.__class__ = Shorter
    message = r"model must answer with one value per stimulus bin, shape \(1, 30\), got \(1, 29\)"
    with pytest.raises(ValueError, match=message):
        LiveSession(model, make_stimulus(), dt_ms=5.0, cf_hz=CF_HZ)


def wrapped_in_data_parallel(model):
    return nn.DataParallel(model)


def compiled(model):
    return torch.compile(model)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("wrap", [wrapped_in_data_parallel, compiled])
def test_of_a_wrapper_the_model_inside_is_opened(make_model, make_stimulus, wrap):
    model = make_model()
    session = opened(wrap(model), make_stimulus(), "the LinearNonlinear inside is opened")
    assert "strf.weight" in session.parameters
    assert_is_its_model(session, model)
    assert "inside is opened" in session.restrictions


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning", "ignore::FutureWarning")
def test_a_traced_module_can_be_looked_at(make_model, make_stimulus, make_responses):
    model = make_model(prefilter=None)
    traced = torch.jit.trace(model, make_stimulus())
    session = opened(traced, make_stimulus(), "has no parts that can be edited; .*nothing of it can be edited")
    assert session.parameters == {}
    assert_is_its_model(session, model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        shown = explore(traced, make_stimulus(), make_responses(), dt_ms=5.0, cf_hz=CF_HZ, figures=False)
    assert shown.session.n_neurons == 3
    assert shown.bench.info["kind"] == "none"
    shown.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:torch.quantize:UserWarning")
def test_a_quantised_model_can_be_looked_at(make_stimulus):
    torch.manual_seed(0)
    model = StateNet(5, 4, out_neurons=3, kernel_size=3, stride=1).eval()
    quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
    session = LiveSession(quantised, make_stimulus(dtype=torch.float32), dt_ms=5.0, cf_hz=CF_HZ)
    with torch.no_grad():
        fresh = quantised(session.stimulus)[:, :, 0]
    for neuron in range(3):
        torch.testing.assert_close(session.rate(neuron), fresh[:, neuron])


def test_what_is_no_model_is_refused(make_stimulus):
    for wrong in (nn.Linear(2, 2), nn.DataParallel(nn.Linear(2, 2)), "model"):
        with pytest.raises(TypeError, match=f"model must be a deepstrf NeuralModel, got {type(wrong).__name__}"):
            LiveSession(wrong, make_stimulus())


def test_a_name_that_cannot_be_edited_says_why(make_model, make_stimulus):
    session = opened(MODELS["weight norm"](make_model), make_stimulus(), SAID["weight norm"])
    with pytest.raises(KeyError, match=r"strf\.kernel cannot be edited: readout\.strf\.kernel\.weight is computed"):
        session.set("strf.kernel", 1.0)


def test_all_parts_of_a_plain_model_can_be_edited(make_model, make_stimulus):
    assert opened(make_model(), make_stimulus()).restrictions == ""
    model = Linear(5, 4, out_neurons=3).double().eval()
    assert opened(model, make_stimulus()).restrictions == ""


def test_a_cell_in_inference_mode_leaves_the_session_to_those_that_come_later(make_session):
    """Its tensors can be neither written nor differentiated outside it: one edit there ended all others."""
    session, usual = make_session(), make_session()
    with torch.inference_mode():
        session.set("strf.weight", 0.7, (0, 0, 0))
        session.rate(0), session.score(1), session.live.gradient_map(0), session.live.kernel(0)
        inside = LiveSession(
            copy.deepcopy(session.model), session.stimulus, session.responses, dt_ms=5.0, cf_hz=session.cf_hz
        )
        session.set_stimulus(session.stimulus + 0.0)
        session.refresh()
    for one in (session, inside):
        one.set("strf.weight", 0.9, (0, 0, 0))
        one.undo()
        one.live.gradient_map(0)
        with torch.no_grad():
            fresh = one.model(one.stimulus)[:, :, 0]
        torch.testing.assert_close(one.rate(0), fresh[:, 0])
        assert not any(tensor.is_inference() for tensor in one.model.state_dict().values())
    usual.set("strf.weight", 0.7, (0, 0, 0))
    torch.testing.assert_close(session.rate(0), usual.rate(0))


def test_a_model_made_in_inference_mode_is_copied_or_refused(make_session):
    session = make_session()
    with torch.inference_mode():
        model = copy.deepcopy(session.model)
    arguments = session.stimulus, session.responses
    with pytest.raises(ValueError, match=r"model must be made outside torch\.inference_mode"):
        LiveSession(model, *arguments, dt_ms=5.0, cf_hz=session.cf_hz, copy_model=False)
    copied = LiveSession(model, *arguments, dt_ms=5.0, cf_hz=session.cf_hz)
    copied.set("strf.weight", 0.7, (0, 0, 0))
    copied.undo()
    torch.testing.assert_close(copied.rate(0), session.rate(0))


class Another(LinearNonlinear):
    """Answers with something else than a model does."""

    answer = staticmethod(lambda response: response)

    def forward(self, stimulus):
        return self.answer(super().forward(stimulus))


def opened_as(answer, monkeypatch):
    monkeypatch.setattr(Another, "answer", staticmethod(answer))
    return LiveSession(Another(5, 4, out_neurons=2), torch.rand(5, 30), dt_ms=5.0, cf_hz=CF_HZ)


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (lambda y: (y, 1), "got tuple from Another"),
        (lambda _: None, "got NoneType from Another"),
        (lambda y: y.detach().numpy(), "got ndarray from Another"),
        (lambda y: y.to(torch.complex64), r"got Tensor torch\.complex64 \(1, 2, 1, 30\) from Another"),
        (lambda y: y[0, 0], r"got Tensor torch\.float32 \(1, 30\) from Another"),
    ],
)
def test_a_model_that_answers_something_else_is_refused(answer, got, monkeypatch):
    with pytest.raises(TypeError, match=r"model must answer with a tensor of real numbers \(B, N, 1, T\), " + got):
        opened_as(answer, monkeypatch)


class Growing(LinearNonlinear):
    """Another factor at each call."""

    calls = 0

    def forward(self, stimulus):
        self.calls += 1
        return self.calls * super().forward(stimulus)


def test_a_model_that_answers_differently_each_time_says_so(monkeypatch):
    with pytest.warns(UserWarning, match="it answers one sound differently each time"):
        random = opened_as(lambda y: y + torch.rand(1), monkeypatch)
    assert torch.equal(random.rate(0), random.rate(0))
    model = Growing(5, 4, out_neurons=2)
    with pytest.warns(UserWarning, match="it answers one sound differently each time"):
        LiveSession(model, torch.rand(5, 30), dt_ms=5.0, cf_hz=CF_HZ)


def test_a_model_that_torch_cannot_differentiate_has_no_gradient_map(monkeypatch):
    session = opened_as(lambda y: torch.tensor(y.tolist()), monkeypatch)
    assert session.live.gradient_map(0) is None


def locked():
    model = LinearNonlinear(5, 4, out_neurons=2)
    model.lock = threading.Lock()
    return model


def lazy():
    model = LinearNonlinear(5, 4, out_neurons=2)
    model.readout.strf.kernel = nn.LazyConv2d(2, (5, 4))
    return model


def meta():
    return LinearNonlinear(5, 4, out_neurons=2).to("meta")


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (locked, r"model must be one that copy\.deepcopy copies, .* got LinearNonlinear: cannot pickle"),
        (lazy, r"model must have all its values, got readout\.strf\.kernel\.weight not initialised: call it once"),
        (meta, r"model must have all its values, got readout\.strf\.kernel\.weight on the meta device: load its"),
    ],
)
def test_a_model_that_cannot_be_copied_or_has_no_numbers_is_refused(make, rule, recwarn):
    with pytest.raises((TypeError, ValueError), match=rule):
        LiveSession(make(), torch.rand(5, 30), dt_ms=5.0, cf_hz=CF_HZ)


def test_a_model_sent_to_the_meta_device_later_is_refused_and_may_come_back(make_session):
    session = make_session()
    kept, before = copy.deepcopy(session.model.state_dict()), session.rate(0).clone()
    session.model.to("meta")
    with pytest.raises(ValueError, match="on the meta device"):
        session.rate(0)
    session._edited.model.to_empty(device="cpu").load_state_dict(kept)
    torch.testing.assert_close(session.rate(0), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_bench_of_any_type_of_numbers_opens_and_is_saved(dtype, tmp_path):
    model = LinearNonlinear(5, 4, out_neurons=2).to(dtype)
    explorer = explore(model, torch.rand(5, 30), torch.rand(2, 1, 30), dt_ms=5.0, cf_hz=CF_HZ, sounds=False)
    assert explorer.save_html(tmp_path / "page.html").is_file()
    explorer.close()


def test_a_field_of_nan_is_shown(make_session):
    """A fit that failed must open, to be looked at."""
    session = make_session()
    with torch.no_grad():
        for parameter in session.model.readout.strf.kernel.parameters():
            parameter.fill_(torch.nan)
    explorer = explore(session, sounds=False)
    assert np.isnan(session.value("strf.center_hz")).all()
    assert explorer.score is None
    explorer.close()
