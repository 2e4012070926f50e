"""Mini-batches hold every example once, and predictions are those of the model."""

import math

import pytest
import torch

from deepstrf.datasets import collate
from deepstrf.stimuli import Spectrogram
from deepstrf.training.batches import Examples


def unequal(bins=(8, 5, 8, 7, 6, 5, 3), repeats=2):
    return collate([(torch.rand(1, 4, n), torch.rand(2, repeats, n)) for n in bins])


def test_target_is_the_mean_over_the_repeats_that_are_there():
    x, y = unequal()
    y[0, 0, 1, :3] = torch.nan
    examples = Examples.of((x, y), "train")
    assert torch.equal(examples.target[0, 0, 0, :3], y[0, 0, 0, :3])
    assert torch.allclose(examples.target[0, 1, 0], y[0, 1].mean(0))
    assert examples.bins == (8, 5, 8, 7, 6, 5, 3)
    assert examples.target[1, ..., 5:].isnan().all()


def test_stimuli_without_any_response_are_left_out():
    x, y = unequal()
    y[2] = torch.nan
    examples = Examples.of((x, y), "train")
    assert len(examples) == 6
    assert torch.equal(examples.stimuli[2], x[3])


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_an_epoch_meets_every_example_once(size):
    x, y = unequal()
    for n in range(7):
        x[n, 0, 0, 0] = n
    examples = Examples.of((x, y), "train")
    in_order = [int(b[0, 0, 0]) for batch, _ in examples.batches(size) for b in batch]
    assert in_order == list(range(7))
    shuffled = [int(b[0, 0, 0]) for batch, _ in examples.batches(size, torch.Generator().manual_seed(3)) for b in batch]
    assert sorted(shuffled) == list(range(7))


def test_random_batches_are_of_similar_length_and_no_longer_than_it():
    x, y = unequal()
    lengths = [(stimuli.shape[-1], target.shape[-1]) for stimuli, target in Examples.of((x, y), "train").batches(2)]
    assert lengths == [(8, 8), (8, 8), (6, 6), (3, 3)]
    random = Examples.of((x, y), "train").batches(2, torch.Generator().manual_seed(0))
    # Sorted lengths are 3 5 5 6 7 8 8: the batches' longest are 5, 6, 8, 8 in whatever order.
    assert sorted(stimuli.shape[-1] for stimuli, _ in random) == [5, 6, 8, 8]


def test_equal_lengths_are_shuffled_and_the_generator_decides():
    x, y = torch.rand(30, 1, 2, 4), torch.rand(30, 1, 1, 4)
    examples = Examples.of((x, y), "train")

    def order(seed):
        batches = examples.batches(5, torch.Generator().manual_seed(seed))
        return torch.cat([stimuli[:, 0, 0, 0] for stimuli, _ in batches])

    assert torch.equal(order(1), order(1))
    assert not torch.equal(order(1), order(2))
    assert not torch.equal(order(1), x[:, 0, 0, 0])


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (torch.zeros(2), TypeError, r"train must be a Recording or \(stimuli, responses\), got Tensor"),
        ((torch.zeros(2), "a.wav"), TypeError, "responses of train must be a tensor or an array of numbers, got str"),
        ((torch.zeros(2), [1]), TypeError, "responses of train must be a floating-point tensor, got torch.int64"),
        ((torch.zeros(2, 1, 3, 4), torch.zeros(2, 1, 4)), ValueError, r"responses of train must have shape \(B, N, R"),
        (
            (torch.zeros(2, 1, 3, 4), torch.zeros(3, 1, 1, 4)),
            ValueError,
            r"stimuli of train must have the B and T",
        ),
        ((torch.zeros(2, 1, 3, 4), torch.zeros(2, 1, 1, 5)), ValueError, r"\(2, 1, 1, 5\), got \(2, 1, 3, 4\)"),
        (
            (torch.full((1, 1, 2, 3), math.inf), torch.zeros(1, 1, 1, 3)),
            ValueError,
            "must be finite, got 6 that",
        ),
        (
            (torch.zeros(1, 1, 2, 3), torch.full((1, 1, 1, 3), math.nan)),
            ValueError,
            "train must hold responses",
        ),
    ],
)
def test_errors(data, error, message):
    with pytest.raises(error, match=message):
        Examples.of(data, "train")


def test_arrays_and_a_spectrogram_are_taken():
    x, y = torch.rand(2, 1, 3, 4, dtype=torch.float64), torch.rand(2, 2, 5, 4, dtype=torch.float64)
    found = Examples.of((x.numpy(), y.numpy()), "train")
    assert torch.equal(found.stimuli, x)
    assert torch.equal(found.target, y.mean(2, keepdim=True))
    sound = Spectrogram(x[0, 0], torch.tensor([500.0, 1000.0, 2000.0]), 5.0)
    for responses in (y[0], y[:1].numpy()):
        found = Examples.of((sound, responses), "train")
        assert torch.equal(found.stimuli, x[:1])
        assert torch.equal(found.responses, y[:1])
