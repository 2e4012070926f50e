"""What a live session takes: models, stimuli, responses; scores, files and the messages about wrong arguments."""

import numpy as np
import pytest
import torch

from deepstrf.datasets import Recording
from deepstrf.metrics import corrcoef
from deepstrf.models import Linear, LinearNonlinear, NetworkReceptiveField, StateNet, Transformer
from deepstrf.stimuli import Spectrogram
from deepstrf_widgets import LiveSession
from deepstrf_widgets.session.argument_validation import neuron_index

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])


def test_the_callers_model_is_left_alone(make_model, make_stimulus, state, same):
    model = make_model().train()
    begin = state(model)
    session = LiveSession(model, make_stimulus(), dt_ms=5.0, cf_hz=CF_HZ)
    session.set("strf.weight", 4.0)
    assert same(state(model), begin)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("kernel", ["gaussians", "full", "separable"])
def test_the_callers_model_is_edited_unless_copied(make_model, make_stimulus, kernel, state, same, assert_fresh):
    model = make_model(kernel)
    begin = state(model)
    session = LiveSession(model, make_stimulus(), dt_ms=5.0, cf_hz=CF_HZ, copy_model=False)
    name = {"gaussians": "strf.weight", "full": "strf.kernel", "separable": "strf.factor_t"}[kernel]
    session.set(name, 4.0, (1, 0))
    assert session.model is model
    assert (session.parameters[name].raw[1, 0] == 4.0).all()
    assert_fresh(session, range(3))
    session.undo()
    assert same(state(model), begin)
    session.redo()
    assert not same(state(model), begin)


@pytest.mark.parametrize("build", [NetworkReceptiveField, StateNet, Transformer])
def test_a_model_without_receptive_fields_is_one_stage(make_model, make_stimulus, build, assert_fresh):
    sizes = {"kernel_size": 3, "stride": 1} if build is StateNet else {}
    front = make_model().prefiltering
    model = build(5, temporal_window_size=4, out_neurons=3, prefiltering=front, **sizes).double().eval()
    session = LiveSession(model, make_stimulus(2), dt_ms=5.0, cf_hz=CF_HZ)
    assert not session.live.staged
    assert session.live.kernel(0) is None
    assert set(session.parameters) == {"prefilter.tau_on_ms", "prefilter.tau_off_ms", "prefilter.w"}
    assert_fresh(session, range(3))
    before = session.rate(1).clone()
    session.set("prefilter.w", 0.1)
    assert_fresh(session, range(3))
    assert not torch.equal(session.rate(1), before)
    session.undo()
    assert torch.equal(session.rate(1), before)
    with pytest.raises(ValueError, match=f"{build.__name__} has no separate drive"):
        session.live.drive(0)


def test_a_saved_model_gives_the_same_rates(tmp_path, make_session):
    session = make_session(dtype=torch.float32)
    session.set("strf.center_hz", 3000.0, (0,))
    session.set("activation.beta", 2.0)
    folder = session.save_pretrained(tmp_path / "edited", metadata={"by": "hand"})
    model, notes = LinearNonlinear.from_pretrained(folder, return_metadata=True)
    assert notes["edited_by_hand"] is True
    assert notes["by"] == "hand"
    again = LiveSession(model, session.stimulus, dt_ms=5.0, cf_hz=CF_HZ)
    for neuron in range(3):
        assert torch.equal(again.rate(neuron), session.rate(neuron))


# -- scores -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sounds", [1, 2])
def test_a_score_is_the_correlation_with_the_mean_response(make_session, sounds):
    session = make_session(sounds=sounds)
    session.set("strf.weight", 0.7, (2,))
    with torch.no_grad():
        rates = session.model(session.stimulus)
    scores = corrcoef(rates, session.responses, reduction="none")
    for neuron in range(3):
        mean = session.responses[:, neuron].mean(1).reshape(-1)
        expected = np.corrcoef(rates[:, neuron, 0].reshape(-1), mean)[0, 1]
        assert session.score(neuron) == pytest.approx(expected, abs=1e-12)
        assert session.score(neuron) == pytest.approx(float(scores[neuron]), abs=1e-12)


def test_missing_bins_and_repeats_are_left_out(make_model, make_stimulus, make_responses):
    responses = make_responses()
    responses[0, 0, :, 10:20] = torch.nan
    responses[0, 1, 1] = torch.nan
    responses[0, 2] = torch.nan
    session = LiveSession(make_model(), make_stimulus(), responses, dt_ms=5.0, cf_hz=CF_HZ)
    kept = [*range(10), *range(20, 30)]
    rate, mean = session.rate(0)[0].numpy(), responses[0, 0].double().mean(0).numpy()
    assert session.score(0) == pytest.approx(np.corrcoef(rate[kept], mean[kept])[0, 1], abs=1e-12)
    np.testing.assert_array_equal(session.psth(0)[0].isnan().nonzero()[:, 0], range(10, 20))
    np.testing.assert_allclose(session.psth(1)[0], responses[0, 1, [0, 2]].mean(0))
    assert np.isnan(session.score(2))
    assert session.psth(2).isnan().all()


def test_without_responses_there_is_no_score(make_session):
    session = make_session(responses=False)
    assert session.score(0) is None
    assert session.trained_score(0) is None
    assert session.psth(0) is None


@pytest.mark.parametrize("shape", [(3, 30), (3, 2, 30), (1, 3, 2, 30)])
@pytest.mark.parametrize("stimulus_shape", [(5, 30), (1, 5, 30), (1, 1, 5, 30)])
def test_shapes_that_are_taken(make_model, make_stimulus, shape, stimulus_shape):
    responses = torch.arange(float(np.prod(shape))).reshape(shape).to(torch.int64)
    session = LiveSession(make_model(), make_stimulus().reshape(stimulus_shape), responses, dt_ms=5.0, cf_hz=CF_HZ)
    assert session.stimulus.shape == (1, 1, 5, 30)
    assert session.responses.shape == (1, 3, 1 if len(shape) == 2 else 2, 30)
    assert session.rate(0).shape == session.psth(0).shape == (1, 30)


# -- construction -------------------------------------------------------------------------------------------------


def test_a_spectrogram_brings_its_axes(make_model):
    values = torch.rand(5, 30, dtype=torch.float64)
    spectrogram = Spectrogram(values, torch.tensor(CF_HZ), 4.0, unit="dB SPL")
    session = LiveSession(make_model(), spectrogram)
    assert (session.dt_ms, session.stimulus_unit, session.cf_hz.tolist()) == (4.0, "dB SPL", CF_HZ.tolist())
    assert LiveSession(make_model(), spectrogram, dt_ms=2).dt_ms == 2.0
    values.zero_()
    assert session.stimulus.abs().sum() > 0


def test_a_recording_brings_all_of_it(make_model):
    stimuli, responses = torch.rand(2, 1, 5, 30), torch.rand(2, 3, 4, 30)
    responses[1, ..., 20:] = torch.nan
    names = ["a1", "a2", "a3"]
    recording = Recording(stimuli, responses, dt_ms=4.0, cf_hz=torch.tensor(CF_HZ), neuron_names=names, bins=(30, 20))
    session = LiveSession(make_model(), recording)
    assert (session.dt_ms, session.stimulus_unit, session.cf_hz.tolist()) == (4.0, "dB", CF_HZ.tolist())
    assert session.neuron_names == names
    assert torch.equal(session.stimulus, stimuli.double())
    assert torch.equal(session.responses.isnan(), responses.isnan())
    assert torch.equal(session.rate("a2"), session.rate(1))
    assert LiveSession(make_model(), recording, neuron_names=["x", "y", "z"]).neuron_names == ["x", "y", "z"]
    with pytest.raises(TypeError, match="responses must not be given with a Recording, which has them"):
        LiveSession(make_model(), recording, responses)
    session.set_stimulus(recording.select(stimuli=[1]))
    assert session.stimulus.shape == (1, 1, 5, 20)
    assert session.responses.shape == (1, 3, 4, 20)
    with pytest.raises(TypeError, match="responses must not be given with a Recording, which has them"):
        session.set_stimulus(recording, responses)


class Labelled:
    """Holds an array as xarray and pandas do."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


@pytest.mark.parametrize("wrap", [np.asarray, Labelled, torch.from_numpy])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_arrays_are_taken_in_either_width(make_model, make_stimulus, make_responses, wrap, dtype):
    model = make_model(dtype=torch.float32)
    stimulus, responses = make_stimulus().numpy().astype(dtype), make_responses().numpy().astype(dtype)
    session = LiveSession(model, wrap(stimulus), wrap(responses), cf_hz=wrap(CF_HZ), dt_ms=5.0)
    plain = LiveSession(model, torch.from_numpy(stimulus), torch.from_numpy(responses), cf_hz=CF_HZ, dt_ms=5.0)
    for neuron in range(3):
        assert torch.equal(session.rate(neuron), plain.rate(neuron))
        assert session.score(neuron) == plain.score(neuron)
    before = session.stimulus.clone()
    stimulus[:] = 0
    assert torch.equal(session.stimulus, before)
    session.set_stimulus(wrap(stimulus))
    assert not session.stimulus.any()


def test_counts_of_spikes_may_be_whole_numbers(make_model, make_stimulus):
    counts = np.arange(90, dtype=np.int16).reshape(3, 30)
    session = LiveSession(make_model(), make_stimulus(), counts, cf_hz=CF_HZ)
    assert session.responses.tolist() == counts[None, :, None].tolist()


def test_a_name_that_two_neurons_share_is_refused():
    assert neuron_index(["a", "b"], np.str_("b")) == 1
    with pytest.raises(ValueError, match=r"neuron must be a number where neurons share a name: 'a' are \[0, 2\]"):
        neuron_index(["a", "b", "a"], "a")


def test_a_misspelt_keyword_names_the_nearest(make_model, make_stimulus):
    with pytest.raises(TypeError, match=r"LiveSession\(\) has no argument 'dt': did you mean 'dt_ms'\?"):
        LiveSession(make_model(), make_stimulus(), dt=5.0)


def test_without_frequencies_the_default_axis_is_assumed_with_a_warning(make_model, make_stimulus):
    with pytest.warns(UserWarning, match="cf_hz was not given: 5 mel-spaced bands from 500 to 20000 Hz"):
        session = LiveSession(make_model(), make_stimulus())
    assert session.cf_hz[[0, -1]] == pytest.approx([500.0, 20000.0])
    assert session.dt_ms == 5.0


WRONG = [
    ({"model": torch.nn.Linear(2, 2)}, TypeError, "model must be a deepstrf NeuralModel, got Linear"),
    ({"stimulus": "song.wav"}, TypeError, "stimulus must be a tensor or an array of numbers, got str"),
    ({"stimulus": np.zeros((5, 30), int)}, ValueError, "stimulus must hold finite floating-point"),
    ({"stimulus": torch.zeros(4, 30)}, ValueError, "stimulus must have the model's F = 5 frequency bands, got 4"),
    ({"stimulus": torch.zeros(1, 2, 5, 30)}, ValueError, r"stimulus must have shape .*\(1, 2, 5, 30\)"),
    ({"stimulus": torch.zeros(5, 0)}, ValueError, r"stimulus must have shape .* nothing empty, got \(1, 1, 5, 0\)"),
    ({"stimulus": torch.zeros(30)}, ValueError, r"stimulus must have shape .*\(30,\)"),
    ({"stimulus": torch.full((5, 30), torch.nan)}, ValueError, "stimulus must hold finite .* that are NaN"),
    ({"stimulus": torch.zeros(5, 30, dtype=torch.int64)}, ValueError, "stimulus must hold finite floating-point"),
    ({"responses": ["spikes"]}, TypeError, "responses must be a tensor or an array of numbers, got list"),
    (
        {"responses": torch.zeros(2, 30)},
        ValueError,
        r"responses must have shape .*\(1, 3, R, 30\).*\(1, 2, 1, 30\)",
    ),
    ({"responses": torch.zeros(3, 29)}, ValueError, r"responses must have shape .*\(1, 3, 1, 29\)"),
    ({"responses": torch.zeros(3, 0, 30)}, ValueError, "responses must hold at least one repeat R, got 0"),
    ({"responses": torch.full((3, 30), torch.inf)}, ValueError, "responses must be finite or NaN .* infinity"),
    ({"dt_ms": 0}, ValueError, "dt_ms must be positive and finite in ms, got 0"),
    ({"dt_ms": float("nan")}, ValueError, "dt_ms must be positive and finite in ms, got nan"),
    ({"dt_ms": "5"}, TypeError, "dt_ms must be a number of ms, got '5'"),
    ({"dt_ms": True}, TypeError, "dt_ms must be a number of ms, got True"),
    ({"cf_hz": CF_HZ[:4]}, ValueError, r"cf_hz must have one frequency per band, shape \(5,\), got \(4,\)"),
    ({"cf_hz": CF_HZ[::-1]}, ValueError, "cf_hz must be positive and strictly ascending in Hz, got .*16000"),
    ({"cf_hz": [0, 1, 2, 3, 4]}, ValueError, "cf_hz must be positive and strictly ascending in Hz"),
    ({"cf_hz": "mel"}, TypeError, "cf_hz must be an array of frequencies in Hz, got 'mel'"),
    ({"neuron_names": ["a"]}, ValueError, r"neuron_names must have one name per neuron \(3\), got 1"),
    ({"neuron_names": "abc"}, TypeError, "neuron_names must be a sequence of names, got 'abc'"),
    ({"neuron_names": 3}, TypeError, "neuron_names must be a sequence of names, got 3"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG)
def test_a_wrong_argument_is_named(make_model, make_stimulus, wrong, error, message):
    given = {"model": make_model(), "stimulus": make_stimulus(), "dt_ms": 5.0, "cf_hz": CF_HZ, **wrong}
    with pytest.raises(error, match=message):
        LiveSession(given.pop("model"), given.pop("stimulus"), given.pop("responses", None), **given)


@pytest.mark.parametrize(
    ("neuron", "error", "message"),
    [
        (3, IndexError, r"neuron must lie in \[0, 2\], got 3"),
        (-1, IndexError, r"neuron must lie in \[0, 2\], got -1"),
        (1.0, TypeError, "neuron must be an integer or a name, got 1.0"),
        (True, TypeError, "neuron must be an integer or a name, got True"),
        ("0", ValueError, "neuron must be one of the 3 names, such as 'neuron 1', or a number from 0, got '0'$"),
        ("Neuron 1", ValueError, r"got 'Neuron 1': did you mean 'neuron 1'\?"),
    ],
)
@pytest.mark.parametrize("method", ["rate", "psth", "score", "trained_score", "edited"])
def test_a_wrong_neuron_is_named(session, method, neuron, error, message):
    with pytest.raises(error, match=message):
        getattr(session, method)(neuron)


def test_repr_says_what_is_shown(make_session, make_stimulus):
    assert repr(make_session()) == "LiveSession(LinearNonlinear, 3 neurons, 5 bands x 30 bins)"
    assert repr(make_session(sounds=2)) == "LiveSession(LinearNonlinear, 3 neurons, 2 sounds of 5 bands x 30 bins)"
    linear = LiveSession(Linear(5, 4, out_neurons=1), make_stimulus(), cf_hz=CF_HZ, neuron_names=["x"])
    assert repr(linear) == "LiveSession(Linear, 1 neuron, 5 bands x 30 bins)"
    assert linear.neuron_names == ["x"]


def test_a_parameter_is_set_by_neuron_channel_and_gaussian(make_session):
    session = make_session()
    session.neuron_names[:] = ["a", "b", "c"]
    before = session.value("strf.center_hz")
    session.set("strf.center_hz", 2000.0, neuron="b", channel="OFF", gaussian=1)
    assert session.value("strf.center_hz", (1, 1, 1)) == pytest.approx(2000.0)
    before[1, 1, 1] = 2000.0
    np.testing.assert_allclose(session.value("strf.center_hz"), before)
    session.set("strf.weight", [0.25, -0.25], neuron=2, channel=0)
    np.testing.assert_allclose(session.value("strf.weight", (2, 0)), [0.25, -0.25])


@pytest.mark.parametrize(
    ("name", "named", "error", "words"),
    [
        ("strf.center_hz", {"neuron": 0, "index": (0,)}, TypeError, "an index or neuron, got both"),
        ("strf.center_hz", {"gaussian": 1}, TypeError, "neuron must be given with gaussian"),
        ("strf.center_hz", {"neuron": 0, "gaussian": 1}, TypeError, "channel must be given with neuron, gaussian"),
        ("strf.center_hz", {"neuron": 0, "channel": "on", "gaussian": 0}, ValueError, "did you mean 'ON'"),
        ("strf.center_hz", {"neuron": 0, "channel": 0, "gaussian": 2}, IndexError, r"gaussian must lie in \[0, 1\]"),
        ("strf.center_hz", {"neuron": 3}, IndexError, r"neuron must lie in \[0, 2\], got 3"),
        ("prefilter.w", {"neuron": 0}, TypeError, "prefilter.w has no neuron"),
        ("strf.bias", {"neuron": 0, "channel": 0}, TypeError, "strf.bias has no channel, it has neuron"),
        ("strf.centre_hz", {"neuron": 0}, KeyError, "strf.centre_hz"),
    ],
)
def test_a_wrong_neuron_channel_or_gaussian_is_named(make_session, state, same, name, named, error, words):
    session = make_session()
    before = state(session.model)
    with pytest.raises(error, match=words):
        session.set(name, 1000.0, **named)
    assert same(state(session.model), before)


@pytest.mark.parametrize("method", ["apply", "restore"])
@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ("", "got str; a text that holds a state"),
        ("deepstrf1:abc", "got str"),
        (b"", "got bytes"),
        ({}, "got dict"),
        (None, "got NoneType"),
        ([("strf.weight", 1.0, (0, 0, 0)), "strf.weight"], "got 'strf.weight' as number 2"),
        ([("strf.weight", 1.0)], "as number 1"),
        ([1], "got 1 as number 1"),
    ],
)
def test_what_is_no_list_of_edits_is_named_and_changes_nothing(make_session, state, same, method, edits, words):
    session = make_session()
    session.set("strf.weight", 0.5, (0, 0, 0))
    session.set("strf.weight", 0.25, (0, 0, 0))
    session.undo()
    before = state(session.model)
    with pytest.raises(TypeError, match=f"edits must be a list of triples .*{words}"):
        getattr(session, method)(edits)
    assert same(state(session.model), before)
    assert session.can_redo
