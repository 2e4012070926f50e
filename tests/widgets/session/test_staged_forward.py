"""Which stages an edit runs again, counted with forward hooks; kernels; output curves that mix neurons."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from deepstrf.models import Linear, LinearNonlinear
from deepstrf.models.activations import ParametricSoftplus
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.readouts import STRFReadout
from deepstrf_widgets import LiveSession
from deepstrf_widgets.session import staged_forward as chain
from deepstrf_widgets.session.staged_forward import StagedForward, of_neuron
from deepstrf_widgets.threads import one_thread

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])
CASES = list(itertools.product(("gaussians", "full", "separable"), ("adaptrans", "icadaptation", None)))


@pytest.fixture
def counted(make_session, monkeypatch):
    """A session of eight neurons, and how often and for how many neurons each of its stages has run."""
    session = make_session("gaussians", "adaptrans", "softplus", neurons=8)
    runs = Counter()
    readout = session.model.readout
    stages = {"prefilter": session.model.prefiltering, "kernel": readout.strf.kernel, "curve": readout.activation}
    for name, module in stages.items():
        axis = {"prefilter": None, "kernel": 1, "curve": -1}[name]

        def count(_module, _inputs, output, name=name, axis=axis):
            runs[name] += 1 if axis is None else output.shape[axis]

        module.register_forward_hook(count)
    correlate = chain.correlate

    def counting(x, kernel):
        # A neuron's drive is computed from its own kernel: the module of all neurons does not run.
        runs["kernel"] += 1
        return correlate(x, kernel)

    monkeypatch.setattr(chain, "correlate", counting)
    read_all(session)
    runs.clear()
    return session, runs


def read_all(session):
    for neuron in range(session.n_neurons):
        session.rate(neuron)


@pytest.mark.parametrize("column", ["center_hz", "center_ms", "sigma_oct", "sigma_ms", "weight"])
def test_an_edit_of_one_receptive_field_runs_neither_the_prefilter_nor_other_neurons(counted, column):
    session, runs = counted
    session.set(f"strf.{column}", {"center_hz": 3000.0, "center_ms": 7.0, "sigma_ms": 6.0}.get(column, 1.0), (5, 0, 0))
    read_all(session)
    assert runs == {"kernel": 1, "curve": 1}
    session.undo()
    read_all(session)
    read_all(session)
    assert runs == {"kernel": 2, "curve": 2}


def test_nothing_runs_until_a_result_is_read(counted):
    session, runs = counted
    session.set("strf.weight", 1.0, (5,))
    session.rate(4)
    assert runs == {}


def test_an_edit_of_a_curve_runs_the_curve_alone(counted):
    session, runs = counted
    session.set("activation.beta", 1.0, (5,))
    read_all(session)
    assert runs == {"curve": 1}


def test_an_edit_of_all_neurons_runs_each_once(counted):
    session, runs = counted
    session.set("strf.bias", 1.0)
    read_all(session)
    assert runs == {"kernel": 8, "curve": 8}


def test_an_edit_of_the_prefilter_runs_it_once_and_what_is_read(counted):
    session, runs = counted
    session.set("prefilter.w", 0.5, (2,))
    session.rate(3)
    session.rate(3)
    assert runs == {"prefilter": 1, "kernel": 1, "curve": 1}


def test_a_failed_edit_does_not_keep_what_it_computed(session, assert_fresh):
    with pytest.raises(ValueError, match=r"strf\.weight must be finite, got nan"):
        session.set("strf.weight", float("nan"), (0, 0, 0))
    assert_fresh(session, range(3))


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_stages_agree_with_the_model(make_model, make_stimulus, case):
    model, stimulus = make_model(*case), make_stimulus(2)
    chain = StagedForward(model, stimulus)
    with torch.no_grad():
        x = model.prefiltered(stimulus)
        drive = model.readout.bn(model.readout.strf(x)[:, :, 0])
        rates = model(stimulus)
    torch.testing.assert_close(chain.prefiltered(), x)
    torch.testing.assert_close(chain.rates(), rates, rtol=1e-10, atol=1e-10)
    for neuron in range(3):
        torch.testing.assert_close(chain.drive(neuron), drive[:, neuron], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(chain.kernel(neuron), model.STRF_weight()[neuron], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kernel", ["gaussians", "full", "separable"])
def test_the_kernel_on_show_follows_an_edit(make_session, kernel):
    session = make_session(kernel)
    before = session.live.kernel(1).clone(), session.live.kernel(2).clone()
    session.set({"gaussians": "strf.weight", "full": "strf.kernel", "separable": "strf.factor_f"}[kernel], 2.0, (1,))
    torch.testing.assert_close(session.live.kernel(1), session.model.STRF_weight()[1], rtol=1e-12, atol=1e-14)
    assert not torch.equal(session.live.kernel(1), before[0])
    assert torch.equal(session.live.kernel(2), before[1])
    assert torch.equal(session.trained.kernel(1), before[0])


@pytest.mark.parametrize(
    "curve",
    [
        nn.Softmax(dim=-1),
        nn.LayerNorm(3),
        nn.Linear(3, 3),
        nn.Sequential(nn.Linear(3, 3), ParametricSoftplus(3)),
        nn.Softplus(),
        nn.Tanh(),
    ],
    ids=lambda curve: type(curve).__name__,
)
def test_curves_that_mix_neurons_see_all_of_them(make_stimulus, curve, assert_fresh):
    kernel = ParametricSTRF(5, 4, 1, 3, num_gaussians=2)
    model = LinearNonlinear(5, 4, out_neurons=3, kernel=kernel, output_activation=curve).double().eval()
    session = LiveSession(model, make_stimulus(), cf_hz=CF_HZ)
    assert_fresh(session, range(3))
    session.set("strf.weight", 3.0, (1, 0, 0))
    assert_fresh(session, [0, 2, 1])
    session.set("strf.bias", -1.0, (2,))
    assert_fresh(session, [0])
    session.undo()
    assert_fresh(session, range(3))


def test_kernels_that_cannot_be_cut_run_for_all_neurons(make_stimulus, assert_fresh):
    factored = nn.Sequential(nn.Conv2d(1, 3, (5, 1)), nn.Conv2d(3, 3, (1, 4), groups=3))
    model = Linear(5, 4, out_neurons=3, kernel=factored).double().eval()
    session = LiveSession(model, make_stimulus(), cf_hz=CF_HZ)
    assert session.parameters == {}
    assert_fresh(session, range(3))
    torch.testing.assert_close(session.live.kernel(1), model.STRF_weight()[1])
    assert not session.edited()


def test_a_kernel_behind_a_core_is_not_drawn_on_the_stimulus_axis(make_model, make_stimulus, assert_fresh):
    model = make_model("gaussians", None)
    model.core = nn.Hardtanh(0.0, 5.0)
    session = LiveSession(model, make_stimulus(), cf_hz=CF_HZ)
    assert session.live.kernel(0) is None
    assert set(session.parameters) == {"activation.beta", "activation.b"}
    session.set("activation.beta", 1.0, (1,))
    assert_fresh(session, range(3))


class Doubled(STRFReadout):
    def forward(self, x):
        return 2 * super().forward(x)


def test_a_readout_with_a_forward_of_its_own_is_run_as_a_whole(make_model, make_stimulus, assert_fresh):
    model = make_model("full", None)
    model.readout.__class__ = Doubled
    session = LiveSession(model, make_stimulus(), cf_hz=CF_HZ)
    assert not session.live.staged
    session.set("strf.kernel", 0.5, (1,))
    assert_fresh(session, range(3))


def test_a_module_is_cut_to_one_neuron_without_copies():
    module = nn.Conv2d(2, 6, (3, 1), dtype=torch.float64)
    x = torch.rand(1, 2, 3, 4, dtype=torch.float64)
    whole = module(x)
    for neuron in range(6):
        one = of_neuron(module, neuron, 6)(x)
        assert one.shape == (1, 1, 1, 4)
        torch.testing.assert_close(one[:, 0], whole[:, neuron], rtol=1e-12, atol=1e-12)
    of_neuron(module, 2, 6)(x).sum().backward()
    assert module.weight.grad.flatten(1).abs().sum(1).nonzero().tolist() == [[2]]


def test_torch_has_its_threads_back_after_an_error():
    @one_thread()
    def failing():
        assert torch.get_num_threads() == 1
        raise RuntimeError("stop")

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="stop"):
            failing()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("B", "C", "F", "T", "K"), [(1, 2, 5, 30, 4), (3, 1, 1, 7, 7), (2, 2, 4, 5, 1), (1, 1, 3, 1, 6)]
)
def test_one_receptive_field_is_correlated_as_torch_does(B, C, F, T, K):
    torch.manual_seed(B)
    x, kernel = torch.randn(B, C, F, T + K - 1, dtype=torch.float64), torch.randn(C, F, K, dtype=torch.float64)
    expected = torch.nn.functional.conv2d(x, kernel[None])[:, 0, 0]
    torch.testing.assert_close(chain.correlate(x, kernel), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(chain.correlate(x.mT.contiguous().mT, kernel), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["kernel", "linear_field", "gradient_map", "drive", "rate"])
def test_a_neuron_of_a_stage_is_a_number_from_0(make_session, method):
    session = make_session()
    ask = getattr(session.live, method)
    torch.testing.assert_close(ask(torch.tensor(1)), ask(np.int8(1)), rtol=0, atol=0)
    for wrong in (-1, session.n_neurons):
        with pytest.raises(IndexError, match=rf"neuron must lie in \[0, {session.n_neurons - 1}\], got {wrong}"):
            ask(wrong)
    for wrong in ("neuron 1", 1.0, True, None):
        with pytest.raises(TypeError, match="neuron must be an int, got"):
            ask(wrong)
