"""The shipped demo is what its recipe makes, and its fitted model has found the neurons."""

import json

import numpy as np
import pytest
import torch

from deepstrf.demo import load_demo, loading, make_demo
from deepstrf.demo.population import NEURONS, build_truth, kernel_of
from deepstrf.demo.sounds import RATE_HZ, demo_sound, random_sound, spectrogram
from deepstrf.metrics import corrcoef, poisson_loss
from deepstrf.models import Linear
from deepstrf.simulate import poisson_spikes, strf_correlation
from deepstrf.stimuli import read_wav


@pytest.fixture(scope="module")
def demo():
    return load_demo()


@pytest.fixture(scope="module")
def stimuli():
    return make_demo.training_stimuli(2)


def test_what_is_in_it(demo):
    assert demo.stimulus.values.shape == (34, 1000)
    assert demo.stimulus.duration_s == 5.0
    assert demo.responses.shape == (1, 6, 10, 1000)
    assert demo.responses.dtype == torch.float32
    assert demo.neuron_names == [neuron.name for neuron in NEURONS]
    assert len(set(demo.neuron_names)) == 6
    for model in (demo.model, demo.truth):
        assert not model.training
        assert (model.F, model.T, model.O, model.C_in) == (34, 40, 6, 2)
        assert model(demo.stimulus.values[None, None]).shape == (1, 6, 1, 1000)


def test_two_loads_are_equal_and_do_not_share(demo):
    again = load_demo()
    assert torch.equal(again.stimulus.values, demo.stimulus.values)
    with torch.no_grad():
        kernel_of(again.model).weight.zero_()
    assert kernel_of(demo.model).weight.abs().max() > 0


def test_it_is_small():
    files = [path for path in loading.DATA.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 500_000


def test_the_sound_is_what_the_recipe_makes(demo):
    waveform, rate_hz = read_wav(demo.sound_path)
    assert (rate_hz, len(waveform)) == (RATE_HZ, 5 * RATE_HZ)
    assert np.abs(waveform - demo_sound()).max() <= 2**-15  # one step of 16 bits
    assert 0.2 < np.abs(waveform).max() < 1


def test_the_fit_has_found_the_receptive_fields(demo):
    assert (strf_correlation(demo.model.effective_STRF()[0], demo.truth.effective_STRF()[0]) >= 0.9).all()


def test_the_scores_in_the_metadata_are_those_of_the_files(demo):
    metadata = json.loads((loading.DATA / "model" / "metadata.json").read_text())
    stimulus = demo.stimulus.values[None, None]
    for name, values in make_demo.scores(demo.model, demo.truth, stimulus, demo.responses).items():
        assert metadata["scores_on_the_demo_sound"][name] == pytest.approx(values, abs=2e-3), name


def test_the_fit_predicts_nearly_as_well_as_the_truth(demo):
    stimulus = demo.stimulus.values[None, None]
    fitted, best = (corrcoef(m(stimulus), demo.responses, reduction="none") for m in (demo.model, demo.truth))
    assert (fitted > 0.7).all()
    assert (fitted > best - 0.03).all()


def test_the_spikes_are_a_poisson_draw_of_the_truth(demo):
    rate = demo.truth(demo.stimulus.values[None, None]).detach()
    counts = demo.responses
    assert torch.equal(counts, counts.round())
    expected = 10 * rate.sum((0, 2, 3))  # mean and variance of each neuron's total count over 10 trials
    assert ((counts.sum((0, 2, 3)) - expected).abs() < 4 * expected.sqrt()).all()
    spread = ((counts - rate).square() / rate).mean((0, 2, 3))
    # For a Poisson count k of mean m, (k - m)^2 / m has mean 1 and variance 2 + 1/m; here 10000 of them.
    assert ((spread - 1).abs() < 4 * ((2 + 1 / rate).mean((0, 2, 3)) / 10000).sqrt()).all()


def test_the_truth_is_what_the_recipe_makes(demo, stimuli):
    built = build_truth(stimuli).state_dict()
    for name, tensor in demo.truth.state_dict().items():
        if "running" not in name:  # these come from all training sounds
            torch.testing.assert_close(tensor, built[name], msg=name)


def test_the_truth_peaks_where_its_blobs_are(demo):
    """The first blob of each neuron is its strongest or second strongest: a local extremum of the field is there."""
    fields, _ = demo.truth.effective_STRF()
    cf_hz = demo.stimulus.cf_hz
    for name, channel, freq_hz, lag_ms in [("onset, 4 kHz", 0, 4000, 15), ("offset, 8 kHz", 1, 8000, 20)]:
        field = fields[demo.neuron_names.index(name), channel]
        f, t = np.unravel_index(int(field.argmax()), field.shape)
        assert f == (cf_hz.log2() - np.log2(freq_hz)).abs().argmin()
        assert (39 - t) * 5 == lag_ms


def test_random_sounds():
    seed = 3
    x = random_sound(seed)
    assert x.shape == (5 * RATE_HZ,)
    assert 0.05 < np.abs(x).max() <= 1
    assert np.array_equal(x, random_sound(seed))
    assert not np.array_equal(x, random_sound(seed + 10))
    assert spectrogram(x).values.shape == (34, 1000)


def test_training_improves_the_loss(stimuli):
    stimuli = stimuli[..., :300]
    spikes = poisson_spikes(build_truth(stimuli)(stimuli), 2)
    state = torch.get_rng_state()
    first, losses_first = make_demo.fit(stimuli, spikes, restarts=1, epochs=2)
    longer, losses = make_demo.fit(stimuli, spikes, restarts=2, epochs=20)
    assert torch.equal(state, torch.get_rng_state())
    assert not first.training
    assert all(a < b for a, b in zip(losses, losses_first, strict=True))
    measured = poisson_loss(longer(stimuli), spikes, reduction="none")
    torch.testing.assert_close(measured, torch.tensor(losses), rtol=1e-4, atol=1e-5)


def test_the_script_writes_a_demo_that_loads(tmp_path, monkeypatch, capsys, demo):
    small = {"sounds": 2, "restarts": 1, "epochs": 2}
    write = make_demo.write_demo
    monkeypatch.setattr(make_demo, "write_demo", lambda folder: write(folder, **small))
    make_demo.main([str(tmp_path / "new")])
    assert "strf_correlation_with_truth: [" in capsys.readouterr().out
    monkeypatch.setattr(loading, "DATA", tmp_path / "new")
    made = load_demo()
    assert torch.equal(made.stimulus.values, demo.stimulus.values)
    assert made.responses.shape == demo.responses.shape
    assert made.neuron_names == demo.neuron_names
    card = (tmp_path / "new" / "model" / "README.md").read_text()
    assert "| onset, 4 kHz |" in card
    assert "- upward FM" in (tmp_path / "new" / "truth" / "README.md").read_text()
    (tmp_path / "new" / loading.RESPONSES_FILE).write_bytes(b"no tensors here")
    with pytest.raises(ValueError, match=r"responses\.safetensors is damaged"):
        load_demo()


def test_a_model_of_another_family_is_refused():
    with pytest.raises(TypeError, match="have a ParametricSTRF kernel, got Conv2d"):
        kernel_of(Linear(4, 3))
