"""A core that runs only the bands that an edit reaches: its values are those of the model's own forward pass."""

import copy
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deepstrf.models import ConvNet2D, LinearNonlinear
from deepstrf.models.layers import CausalLayerNorm
from deepstrf.models.prefiltering import AdapTrans, ShortTermPlasticity, make_prefiltering
from deepstrf.models.readouts import LinearReadout
from deepstrf_widgets import Edit, LiveSession
from deepstrf_widgets.session import by_band
from deepstrf_widgets.session.by_band import Step, core_by_band, normalized, prefiltered_by_band, steps_of

F, N, T = 12, 3, 50
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}  # float32: another shape of the input may have torch sum in another order


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def network(**kwargs):
    torch.manual_seed(0)
    kwargs = {"prefiltering": make_prefiltering("adaptrans", F, 5.0)} | kwargs
    return ConvNet2D(F, (3, 4), c_hidden=4, n_hidden=5, out_neurons=N, **kwargs).eval()


def with_fields(**kwargs):
    """A model with receptive fields, which the session computes stage by stage."""
    torch.manual_seed(0)
    kwargs = {"prefiltering": make_prefiltering("adaptrans", F, 5.0)} | kwargs
    return LinearNonlinear(F, 6, out_neurons=N, **kwargs).eval()


MODELS = {"convolutions": network, "fields": with_fields}


def session_of(model=None, *, sounds=1):
    stimulus = 3 * torch.rand(sounds, 1, F, T, generator=torch.Generator().manual_seed(1))
    session = LiveSession(network() if model is None else model, stimulus, dt_ms=5.0, cf_hz=np.geomspace(500, 20000, F))
    rate_after(session, 0.5, 0)
    rate_after(session, 0.6, 0)  # from now on the outputs are known
    return session


def rate_after(session, value, *bands):
    session.apply([Edit("prefilter.w", value, (band,)) for band in bands], "gesture")
    return session.live.rates()


def whole(session):
    """Response of the model as it is now, by its own forward pass."""
    return copy.deepcopy(session.model)(session.stimulus)


def sizes_of(outputs_of, axis, monkeypatch):
    """List that gets the length of this axis of the output at each call of a method, (class, name)."""
    sizes, call = [], getattr(*outputs_of)

    def noting(self, x):
        out = call(self, x)
        sizes.append(out.shape[axis])
        return out

    monkeypatch.setattr(*outputs_of, noting)
    return sizes


@pytest.fixture
def bands_run(monkeypatch):
    """Bands of the output of each step that has run."""
    return sizes_of((Step, "__call__"), 2, monkeypatch)


# -- a session ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bands", "wanted"),
    [((0,), [1, 1, 1]), ((5,), [3, 5, 6]), ((11,), [1, 1, 1]), ((5, 6), [4, 6, 6]), ((0, 11), [10, 8, 6])],
)
def test_an_edit_runs_the_bands_that_it_reaches(bands_run, bands, wanted):
    session = session_of()
    bands_run.clear()
    rates = rate_after(session, 0.9, *bands)
    assert bands_run == wanted  # each of three layers of three bands reaches two more, of the 10, 8 and 6 there are
    torch.testing.assert_close(rates, whole(session), **TOLERANCE)


@pytest.mark.parametrize("model", MODELS)
@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, F - 1), st.floats(0.01, 1.0), st.booleans()), min_size=1, max_size=8))
def test_after_any_edits_the_response_is_that_of_the_model(model, edits):
    session = session_of(MODELS[model](), sounds=2)
    for band, value, back in edits:
        rate_after(session, value, band)
        if back:
            session.undo()
        torch.testing.assert_close(session.live.rates(), whole(session), **TOLERANCE)


@pytest.mark.parametrize("name", ["core.1.weight", "core.5.ln.bias", "core.7.bias", "readout.fc.0.weight"])
def test_a_weight_that_others_change_is_noticed(name):
    session = session_of()
    before = session.live.rates()
    session.model.state_dict()[name][0].add_(0.5)  # of one channel: what all have in common a layer norm takes away
    torch.testing.assert_close(session.live.rates(), whole(session), **TOLERANCE)
    assert not torch.allclose(session.live.rates(), before, **TOLERANCE)
    torch.testing.assert_close(rate_after(session, 0.2, 3), whole(session), **TOLERANCE)


def replace_a_layer(core):
    core[3] = nn.Tanh()


def replace_forward(core):
    own = core[3].forward
    core[3].forward = lambda x: 2 * own(x)


CHANGES = {
    "layer": replace_a_layer,
    "setting of a layer": lambda core: setattr(core[2].ln, "eps", 5.0),
    "forward": replace_forward,
    "hook": lambda core: core[3].register_forward_hook(lambda _module, _inputs, output: 2 * output),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_others_change_of_a_core_beside_its_tensors_is_noticed(change):
    session = session_of()
    before = session.live.rates()
    CHANGES[change](session.model.core)
    after = session.snapshot().live.rates()
    torch.testing.assert_close(after, whole(session), **TOLERANCE)
    assert not torch.allclose(after, before, **TOLERANCE)
    torch.testing.assert_close(rate_after(session, 0.2, 3), whole(session), **TOLERANCE)


def test_a_snapshot_in_a_drag_stays_as_it_was():
    session = session_of()
    rate_after(session, 0.3, 4)
    snapshot, wanted = session.snapshot(), whole(session)
    rate_after(session, 0.9, 5)
    torch.testing.assert_close(snapshot.live.rates(), wanted, **TOLERANCE)
    torch.testing.assert_close(session.live.rates(), whole(session), **TOLERANCE)


def test_an_unread_snapshot_in_a_drag_is_read_by_threads_at_once():
    session = session_of()
    moments, wanted = [], []
    for band in range(F):
        session.set("prefilter.w", 0.1 + 0.05 * band, (band,))
        moments.append(session.snapshot())
        wanted.append(whole(session))
    found = {}

    def read(first):
        for at in range(first, F, 2):
            found[at] = moments[at].live.rates()

    threads = [threading.Thread(target=read, args=(first,)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at in range(F):
        torch.testing.assert_close(found[at], wanted[at], **TOLERANCE)


def test_another_stimulus_is_computed_anew():
    session = session_of()
    session.set_stimulus(torch.rand(F, 2 * T))
    torch.testing.assert_close(session.live.rates(), whole(session), **TOLERANCE)
    torch.testing.assert_close(rate_after(session, 0.2, 3), whole(session), **TOLERANCE)


def test_a_model_asked_once_keeps_no_outputs():
    session = session_of()
    session.trained.rate(0)
    assert session.trained._memo.core.x is None
    assert session.trained._memo.core.outputs == ()
    assert [out.whole().shape[2] for out in session.live._memo.core.outputs] == [10, 8, 6]


def test_a_hooked_model_runs_its_own_forward_pass(bands_run):
    model = network()
    model.core[3].register_forward_hook(lambda _module, _inputs, output: 2 * output)
    session = session_of(model)
    torch.testing.assert_close(rate_after(session, 0.2, 3), whole(session), **TOLERANCE)
    assert bands_run == []


def test_a_model_with_a_part_switched_off_runs_its_own_forward_pass(bands_run):
    session = session_of()
    session.ablate("bands", [2])
    bands_run.clear()
    torch.testing.assert_close(rate_after(session, 0.2, 3), whole(session), **TOLERANCE)
    assert bands_run == []


# -- the prefilter ------------------------------------------------------------------------------------------------


@pytest.fixture
def bands_filtered(monkeypatch):
    """Bands that AdapTrans is run for, at each call."""
    return sizes_of((AdapTrans, "forward"), 2, monkeypatch)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("bands", "wanted"), [((0,), [1]), ((5, 6), [2]), ((0, 11), [F]), ((), [])])
def test_an_edit_runs_the_prefilter_of_the_bands_that_it_changes(bands_filtered, model, bands, wanted):
    session = session_of(MODELS[model]())
    bands_filtered.clear()
    rates = rate_after(session, 0.9, *bands)
    assert bands_filtered == wanted
    torch.testing.assert_close(rates, whole(session), **TOLERANCE)


EARS = {
    "none": lambda: (None, None),
    "adaptrans": lambda: (make_prefiltering("adaptrans", F, 5.0), "prefilter.w"),
    "plasticity": lambda: (ShortTermPlasticity(torch.full((F,), 0.8), torch.full((F,), 0.3)), "prefilter.u"),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", EARS)
def test_every_prefilter_gives_its_own_values_and_what_others_change_of_it_is_noticed(model, kind):
    ears, name = EARS[kind]()
    session = session_of_ears(MODELS[model](prefiltering=ears))
    for band, value in ((3, 0.2), (3, 0.9), (8, 0.1)):
        if name:
            session.set(name, value, (band,))
        torch.testing.assert_close(session.live.rates(), whole(session), **TOLERANCE)
    if name:
        before = session.live.rates()
        next(session.model.prefiltering.parameters()).data[5] += 2.0
        session.set(name, 0.15, (8,))
        torch.testing.assert_close(session.live.rates(), whole(session), **TOLERANCE)
        assert not torch.allclose(session.live.rates(), before, **TOLERANCE)


def session_of_ears(model):
    stimulus = 3 * torch.rand(1, 1, F, T, generator=torch.Generator().manual_seed(1))
    session = LiveSession(model, stimulus, dt_ms=5.0, cf_hz=np.geomspace(500, 20000, F))
    for _ in range(2):
        session.live.invalidate("prefilter")
        session.live.rates()
    return session


def test_a_prefilter_is_run_anew_for_a_stimulus_that_was_written_to_and_for_other_types_of_numbers(bands_filtered):
    model, stimulus = network(), torch.rand(1, 1, F, T)
    _, heard = prefiltered_by_band(model, stimulus, None)
    stimulus[:, :, 7] += 1
    bands_filtered.clear()
    x, heard = prefiltered_by_band(model, stimulus, heard)
    assert bands_filtered == [F]
    torch.testing.assert_close(x, model.prefiltered(stimulus))
    bands_filtered.clear()
    prefiltered_by_band(model, stimulus.clone(), heard)
    prefiltered_by_band(model.double(), stimulus.double(), heard)
    assert bands_filtered == [F, F]


def test_what_is_known_of_a_prefilter_is_never_written():
    model, stimulus = network(), torch.rand(1, 1, F, T)
    x, heard = prefiltered_by_band(model, stimulus, None)
    before = x.clone()
    model.prefiltering.p[4] += 1.0
    other, _ = prefiltered_by_band(model, stimulus, heard)
    assert torch.equal(x, before)
    assert not torch.equal(other, before)


def test_where_all_bands_change_nothing_is_copied():
    before, after = torch.rand(1, 2, F, T), torch.rand(1, 2, F, T)
    assert by_band._with_bands(before, 0, after) is after


class Louder(LinearNonlinear):
    """A model with a front end of its own, which the library may come to have as well."""

    __module__ = "deepstrf.models.louder"

    def prefiltered(self, stimulus):
        return 2 * super().prefiltered(stimulus)


class Doubling(nn.Module):
    """A prefilter that writes to its input."""

    out_channels = 1

    def forward(self, x):
        return x.mul_(2)


def test_a_front_end_of_its_own_is_run_for_all_bands():
    session = session_of(Louder(F, 6, out_neurons=N, prefiltering=make_prefiltering("adaptrans", F, 5.0)).eval())
    session.live.prefiltered()
    session.set("prefilter.w", 0.3, (4,))
    wanted = copy.deepcopy(session.model).prefiltered(session.stimulus)
    torch.testing.assert_close(session.live.prefiltered(), wanted, **TOLERANCE)


def test_a_prefilter_that_writes_to_its_input_is_given_a_copy():
    stimulus = torch.rand(1, 1, F, T)
    session = LiveSession(with_fields(prefiltering=Doubling()), stimulus, dt_ms=5.0, cf_hz=np.geomspace(500, 20000, F))
    for _ in range(2):
        session.live.invalidate("prefilter")
        torch.testing.assert_close(session.live.prefiltered(), 2 * stimulus)
    torch.testing.assert_close(session.stimulus, stimulus)


# -- the readout --------------------------------------------------------------------------------------------------


@pytest.fixture
def neurons_read(monkeypatch):
    """Neurons that the readout gives, at each call."""
    return sizes_of((LinearReadout, "forward"), 1, monkeypatch)


@pytest.mark.parametrize("hidden", [True, False])
def test_the_first_neuron_that_is_asked_for_is_read_alone_and_then_all(neurons_read, hidden):
    model = network()
    if not hidden:
        model.readout = LinearReadout(model.readout.in_features, N, activation=nn.Tanh()).eval()
    session = session_of(model)
    session.set("prefilter.w", 0.9, (3,))
    live, wanted = session.snapshot().live, whole(session)
    neurons_read.clear()
    first = live.rate(1)
    assert neurons_read == [1]
    torch.testing.assert_close(first, wanted[:, 1, 0], **TOLERANCE)
    torch.testing.assert_close(live.rates(), wanted, **TOLERANCE)
    assert neurons_read == [1, N]
    assert live.rate(1) is first  # one moment has one answer


def test_neurons_that_are_not_read_one_by_one_are_read_together(neurons_read):
    model = network()
    model.readout.activation = nn.Softmax(-1)
    session = session_of(model)
    session.set("prefilter.w", 0.9, (3,))
    neurons_read.clear()
    torch.testing.assert_close(session.live.rate(1), whole(session)[:, 1, 0], **TOLERANCE)
    assert neurons_read[0] == N


# -- a core -------------------------------------------------------------------------------------------------------


def drag_through(core, x, edits):
    """Outputs of `core_by_band` and of the core along edits: a band each, and what is added to it."""
    known = None
    for band, value in [(0, 0.0), (0, 0.0), *edits]:
        x = x.clone()
        x[:, :, band] += value
        out, known = core_by_band(core, x, known)
        yield out, core(x)


def with_band(x, band):
    """``x`` with other values in one band."""
    x = x.clone()
    x[:, :, band] += 1
    return x


def convolution(reach=2, **kwargs):
    return nn.Conv2d(4, 4, (reach, 3), **kwargs)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.sampled_from([1, 2, 4]),
    st.lists(st.tuples(st.integers(0, 9), st.floats(-2, 2, width=32)), min_size=1, max_size=5),
    st.integers(0, 99),
)
def test_any_core_of_convolutions_gives_its_own_values(reaches, groups, edits, seed):
    torch.manual_seed(seed)
    modules = [nn.ZeroPad2d((12, 0, 0, 0))]
    for reach in reaches:
        modules += [convolution(reach, groups=groups), CausalLayerNorm(4), nn.LeakyReLU(0.1), nn.Dropout()]
    core = nn.Sequential(*modules, nn.Flatten(1, 2)).eval()
    assert len(steps_of(core)[0]) == len(reaches)
    for out, wanted in drag_through(core.double(), torch.rand(2, 4, 10, 20, dtype=torch.float64), edits):
        torch.testing.assert_close(out, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("affine", [True, False])
def test_a_layer_norm_by_rows_of_time_is_that_of_torch(affine):
    torch.manual_seed(3)
    norm = CausalLayerNorm(4, elementwise_affine=affine).eval().double()
    if affine:
        norm.ln.weight.copy_(torch.rand(4))
        norm.ln.bias.copy_(torch.rand(4))
    x = 5 + torch.rand(2, 6, 4, 30, dtype=torch.float64).transpose(1, 2)
    before = x.clone()
    torch.testing.assert_close(normalized(norm.ln, x), norm(x), rtol=1e-10, atol=1e-10)
    assert torch.equal(x, before)


class DoublingNorm(nn.LayerNorm):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize("inner", [nn.RMSNorm(4), DoublingNorm(4)])
def test_another_norm_in_the_place_of_torch_s_is_run_as_it_is(inner):
    torch.manual_seed(0)
    core = nn.Sequential(convolution(), CausalLayerNorm(4), nn.Tanh()).eval()
    core[1].ln = inner
    for out, wanted in drag_through(core, torch.rand(2, 4, 10, 20), [(4, 1.0), (9, -1.0)]):
        torch.testing.assert_close(out, wanted, **TOLERANCE)


MIXES_BANDS = {
    "stride": lambda: convolution(stride=(2, 1)),
    "dilation": lambda: convolution(dilation=(2, 1)),
    "padding": lambda: convolution(padding=(1, 0)),
    "same": lambda: convolution(3, padding="same"),
    "pad": lambda: nn.ZeroPad2d((0, 0, 1, 0)),
    "norm over bands": lambda: CausalLayerNorm(9, dim=-2),
    "norm over time": lambda: CausalLayerNorm(18, dim=3),
    "pooling": lambda: nn.AvgPool2d((2, 1)),
    "softmax": lambda: nn.Softmax(dim=2),
}


@pytest.mark.parametrize("name", MIXES_BANDS)
def test_what_mixes_bands_is_run_whole_behind_the_steps(name):
    torch.manual_seed(0)
    core = nn.Sequential(convolution(), MIXES_BANDS[name](), nn.Tanh()).eval()
    steps, behind = steps_of(core)
    assert (len(steps), len(behind)) == (1, 2)
    for out, wanted in drag_through(core, torch.rand(2, 4, 10, 20), [(4, 1.0), (9, -1.0), (0, 1.0)]):
        torch.testing.assert_close(out, wanted, **TOLERANCE)


@pytest.mark.parametrize("core", [nn.Identity(), nn.Sequential(nn.Tanh()), nn.Sequential(nn.Flatten(1, 2))])
def test_a_core_without_convolutions_has_no_steps(core):
    assert steps_of(core)[0] == ()


def test_a_core_is_computed_whole_again_where_its_outputs_take_too_much(monkeypatch, bands_run):
    core, x = nn.Sequential(convolution()), torch.rand(1, 4, 10, 20)
    bytes_kept = 4 * 4 * 9 * 20
    monkeypatch.setattr(by_band, "MOST_BYTES", bytes_kept)
    list(drag_through(core, x, [(4, 1.0)]))
    assert bands_run == [9, 2]
    bands_run.clear()
    monkeypatch.setattr(by_band, "MOST_BYTES", bytes_kept - 1)
    for out, wanted in drag_through(core, x, [(4, 1.0)]):
        assert torch.equal(out, wanted)
    assert bands_run == []


def test_nan_comes_where_the_core_has_it():
    core, x = nn.Sequential(convolution(), convolution()), torch.rand(1, 4, 10, 20)
    x[:, 0, 4, 7] = torch.nan
    for out, wanted in drag_through(core, x, [(8, 1.0), (4, torch.nan), (0, 1.0)]):
        torch.testing.assert_close(out, wanted, equal_nan=True, **TOLERANCE)
        assert 0 < out.isnan().sum() < out.numel()


def test_nothing_is_run_where_nothing_has_changed(bands_run):
    core, x = nn.Sequential(convolution()), torch.rand(1, 4, 10, 20)
    for out, wanted in drag_through(core, x, [(4, 0.0)]):
        torch.testing.assert_close(out, wanted, **TOLERANCE)
    assert bands_run == [9]


def test_outputs_known_are_never_written():
    core, x = nn.Sequential(convolution(), nn.Tanh(), convolution()), torch.rand(1, 4, 10, 20)
    known = core_by_band(core, x, core_by_band(core, x, None)[1])[1]
    x = with_band(x, 4)
    known = core_by_band(core, x, known)[1]
    before = [output.whole().clone() for output in known.outputs]
    for band in (4, 4, 5, 9, 0):
        core_by_band(core, with_band(x, band), known)
    core_by_band(core, x + 1, known)
    assert all(torch.equal(one, two.whole()) for one, two in zip(before, known.outputs, strict=True))


def test_a_drag_copies_what_it_does_not_change_once():
    core, x = nn.Sequential(convolution(), nn.Tanh(), convolution()), torch.rand(1, 4, 10, 20)
    known = core_by_band(core, x, core_by_band(core, x, None)[1])[1]
    for band, copied in ((4, False), (4, False), (5, True), (5, False), (4, True)):
        before, x = known.outputs, with_band(x, band)
        out, known = core_by_band(core, x, known)
        torch.testing.assert_close(out, core(x), **TOLERANCE)
        assert [new.base is not old.base for new, old in zip(known.outputs, before, strict=True)] == [copied, copied]


@pytest.mark.parametrize("shape", [(2, 4, 10, 30), (1, 4, 6, 20), (1, 4, 14, 20)])
def test_an_input_of_another_shape_is_computed_anew(shape):
    core, x = nn.Sequential(convolution()), torch.rand(1, 4, 10, 20)
    known = core_by_band(core, x, core_by_band(core, x, None)[1])[1]
    other = torch.rand(shape)
    torch.testing.assert_close(core_by_band(core, other, known)[0], core(other), **TOLERANCE)


def test_a_core_that_is_given_other_types_of_numbers_is_computed_anew():
    core, x = nn.Sequential(convolution()).double(), torch.rand(1, 4, 10, 20, dtype=torch.float64)
    known = core_by_band(core, x, core_by_band(core, x, None)[1])[1]
    assert torch.equal(core_by_band(core.float(), x.float(), known)[0], core(x.float()))
