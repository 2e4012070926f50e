"""The transformer against torch.nn.TransformerEncoder with the dense mask."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from deepstrf.models.audio import Transformer
from deepstrf.models.layers import build_causal_window_mask
from tests.tolerances import assert_close

F, N, E = 12, 3, 8


def dense(model: Transformer, x: Tensor) -> Tensor:
    """The model's response through torch's own encoder and an L x L mask."""
    patches = model.patchify(model.time_pad(x))
    B, _, P, T = patches.shape
    tokens = patches.permute(0, 3, 2, 1).reshape(B, T * P, E)
    window = None if model.context_window is None else model.context_window * P
    mask = build_causal_window_mask(T * P, window)
    encoded = model.tsfm(model.pos_encoding(tokens), mask=mask)
    return model.readout(encoded.reshape(B, T, P * E).transpose(1, 2))


def make(**kwargs: object) -> Transformer:
    return Transformer(F, temporal_window_size=5, out_neurons=N, embedding_dim=E, n_heads=2, **kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize("context_window", [None, 1, 7, 40])
@pytest.mark.parametrize("patches", [{}, {"freq_patch_size": 4, "time_patch_size": 3}])
@pytest.mark.parametrize("T", [1, 30, 400])
def test_equals_the_dense_encoder(context_window: int | None, patches: dict[str, int], T: int) -> None:
    model = make(n_layers=2, context_window=context_window, **patches).eval()
    x = torch.rand(2, 1, F, T)
    with torch.no_grad():
        torch.testing.assert_close(model(x), dense(model, x), rtol=0, atol=1e-5)


def test_gradients_equal_those_of_the_dense_encoder() -> None:
    model = make(context_window=5).double().eval()
    x = torch.rand(1, 1, F, 400).double()
    model(x).square().sum().backward()
    windowed = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}  # type: ignore[union-attr]
    model.zero_grad()
    dense(model, x).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert_close(windowed[name], parameter.grad)


def test_an_encoder_of_torch_takes_the_weights() -> None:
    model = make(n_layers=2)
    layer = nn.TransformerEncoderLayer(E, 2, 4 * E, 0.1, batch_first=True)
    other = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    other.load_state_dict(model.tsfm.state_dict())


def test_the_window_limits_what_is_seen() -> None:
    model = make(context_window=4).eval()
    x = torch.rand(1, 1, F, 20)
    changed = x.clone()
    changed[..., 10] += 1
    with torch.no_grad():
        differs = (model(x) != model(changed)).any(dim=1).flatten()
    assert differs.nonzero().flatten().tolist() == [10, 11, 12, 13]


def test_dropout_acts_in_training_only() -> None:
    model = make(context_window=4, dropout=0.5)
    x = torch.rand(1, 1, F, 20)
    with torch.no_grad():
        assert not torch.equal(model(x), model(x))
        model.eval()
        assert torch.equal(model(x), model(x))


def test_the_default_is_one_token_a_frame_and_the_whole_past() -> None:
    model = Transformer()
    assert (model.E, model.P, model.context_window, model.window) == (48, 1, None, None)
    assert make(freq_patch_size=4, context_window=5).window == 15


@pytest.mark.parametrize(
    ("kwargs", "fault"),
    [
        ({"freq_patch_size": 5}, "freq_patch_size must divide F = 12, got 5"),
        ({"embedding_dim": 7}, "embedding_dim must be even and divisible by n_heads = 1, got 7"),
        ({"embedding_dim": 6, "n_heads": 4}, "embedding_dim must be even and divisible by n_heads = 4, got 6"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"context_window": 0}, "context_window must be at least 1, got 0"),
        ({"n_layers": 0}, "n_layers must be at least 1, got 0"),
        ({"time_patch_size": 0}, "time_patch_size must be at least 1, got 0"),
    ],
)
def test_sizes_that_do_not_fit(kwargs: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Transformer(F, **kwargs)  # type: ignore[arg-type]
