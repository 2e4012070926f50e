"""Spikes of recorded trials as the browser hears them: each at its bin, of the trial it was in, in saved pages too."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import torch

from deepstrf.demo import load_demo
from deepstrf_widgets import LiveSession
from deepstrf_widgets.bench import html_export
from deepstrf_widgets.bench.spikes import recorded_spikes
from deepstrf_widgets.bench.widget import BenchWidget


def decoded(codes, T):
    """Counts (R, T) again."""
    R = int(codes[0])
    return np.bincount(codes[1:].astype(int), minlength=R * T).reshape(R, T)


@pytest.fixture(scope="module")
def demo():
    return load_demo()


def test_every_spike_of_every_trial_is_at_its_bin(demo):
    bench = BenchWidget(LiveSession(demo.model, demo.stimulus, demo.responses), neuron=3)
    counts = torch.as_tensor(demo.responses)[0, 3].numpy()
    assert np.array_equal(decoded(np.frombuffer(bench.spikes, "<f4"), 1000), counts)
    bench.neuron = 1
    counts = torch.as_tensor(demo.responses)[0, 1].numpy()
    assert np.array_equal(decoded(np.frombuffer(bench.spikes, "<f4"), 1000), counts)
    bench.session.set_stimulus(60 * torch.rand(34, 50))
    assert bench.spikes == b""
    bench.close()


def test_two_spikes_of_one_bin_are_two_and_gaps_are_none():
    trials = torch.tensor([[0.0, 2.0, 0.0], [1.0, torch.nan, 0.0]])
    assert recorded_spikes(trials).tolist() == [2, 1, 1, 3]


@pytest.mark.parametrize(
    "trials", [None, torch.rand(2, 9), -torch.ones(2, 9), torch.zeros(0, 9), torch.full((1, 3), torch.inf)]
)
def test_what_is_no_count_has_no_spikes(trials):
    assert len(recorded_spikes(trials)) == 0


def test_of_many_spikes_the_first_trials_are_kept_whole():
    trials = torch.ones(5, 100)
    assert recorded_spikes(trials, 250).tolist() == [2, *range(200)]
    assert recorded_spikes(trials, 10).tolist() == [1, *range(100)]


def test_a_saved_page_has_them_for_each_neuron_and_sound(demo, tmp_path):
    bench = BenchWidget(LiveSession(demo.model, demo.stimulus, demo.responses))
    choice = html_export._chosen(bench, [2, 0], None, 2.0, "float32")
    data = json.loads(json.dumps(html_export.page_data(bench, choice)))
    codes = np.frombuffer(base64.b64decode(data["neurons"][0]["spikes"][0]), "<f4")
    counts = torch.as_tensor(demo.responses)[0, 2, :, :400].numpy()
    found = decoded(codes, 400)
    assert len(found) >= 1
    assert np.array_equal(found, counts[: len(found)])
    bench.close()
