"""Windowed attention against the dense masked form, its causality and its reach, and the mask."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf.models.layers import attention, build_causal_window_mask, windowed_attention
from deepstrf.models.layers.attention import DENSE_UP_TO
from tests.models.layers.memory import largest_tensor
from tests.models.layers.plain import attention_by_dense_scores
from tests.tolerances import assert_close

LONG = DENSE_UP_TO + 45


def queries_keys_values(*shape: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    return [torch.randn(*shape, dtype=dtype) for _ in range(3)]


@pytest.mark.parametrize("window", [None, 1, 2, 5, 9, 20])
def test_mask_forbids_the_future_and_the_distant_past(window: int | None) -> None:
    mask = build_causal_window_mask(9, window)
    assert mask.dtype == torch.bool
    for i in range(9):
        for j in range(9):
            assert mask[i, j] == (j > i or (window is not None and i - j >= window))
    assert build_causal_window_mask(2, device="meta").device.type == "meta"
    assert build_causal_window_mask(0).shape == (0, 0)


@pytest.mark.parametrize("window", [None, 1, 3, 16, 17, 130, 300, 5000])
@pytest.mark.parametrize("L", [1, 40, LONG])
def test_equal_to_the_dense_form_in_values_and_gradients(window: int | None, L: int) -> None:
    leaves = [tensor.requires_grad_() for tensor in queries_keys_values(2, 3, L, 4)]
    y, expected = windowed_attention(*leaves, window), attention_by_dense_scores(*leaves, window)
    assert_close(y, expected)
    upstream = torch.randn_like(expected)
    gradients, theirs = (torch.autograd.grad(result, leaves, upstream) for result in (y, expected))
    for gradient, other in zip(gradients, theirs, strict=True):
        assert_close(gradient, other)


@given(L=st.integers(DENSE_UP_TO + 1, 2 * DENSE_UP_TO), window=st.integers(1, 80), chunk=st.integers(1, 2**15))
def test_chunks_and_blocks_do_not_show(L: int, window: int, chunk: int) -> None:
    q, k, v = queries_keys_values(1, 2, L, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "NUMBERS_AT_ONCE", chunk)
        patch.setattr(attention, "DENSE_AT_MOST", 0)
        assert_close(windowed_attention(q, k, v, window), attention_by_dense_scores(q, k, v, window))


@pytest.mark.parametrize("training", [False, True])
def test_memory_grows_with_the_length_times_the_window(training: bool) -> None:
    def largest(L: int) -> int:
        leaves = [torch.randn(1, 2, L, 4, requires_grad=training) for _ in range(3)]
        return largest_tensor(lambda: windowed_attention(*leaves, 32))

    assert largest(2 * 4096) <= 2 * largest(4096)
    assert largest(8192) < 8192 * 2 * 200  # heads times a few windows; all scores would be 8192 * 2 * 8192


@pytest.mark.parametrize("window", [None, 1, 7, 40, 200])
@pytest.mark.parametrize("L", [50, LONG, 1500])
def test_the_future_changes_nothing_bit_for_bit(window: int | None, L: int) -> None:
    signals = queries_keys_values(1, 2, L, 6, dtype=torch.float32)
    now = L // 2 + 3
    changed = [torch.cat([x[:, :, : now + 1], torch.randn(1, 2, L - now - 1, 6) * 30], dim=2) for x in signals]
    before, after = (windowed_attention(*x, window)[:, :, : now + 1] for x in (signals, changed))
    assert torch.equal(before, after)


@pytest.mark.parametrize("L", [60, LONG])
def test_what_left_the_window_changes_nothing(L: int) -> None:
    q, k, v = queries_keys_values(1, 1, L, 4)
    before = windowed_attention(q, k, v, 10)
    k[:, :, :30], v[:, :, :30] = 5.0, -5.0
    after = windowed_attention(q, k, v, 10)
    # The last changed frame is 29; position 39 is the first that does not see it.
    assert_close(after[:, :, 39:], before[:, :, 39:])
    assert (after[:, :, 38] - before[:, :, 38]).abs().max() > 1e-3


def test_one_frame_sees_itself() -> None:
    for L in (30, LONG):
        q, k, v = queries_keys_values(2, 2, L, 4)
        assert_close(windowed_attention(q, k, v, 1), v)


@pytest.mark.parametrize("L", [60, LONG])
def test_dropout_keeps_the_mean_and_drops_weights(L: int) -> None:
    q, k, _ = queries_keys_values(4, 4, L, 4, dtype=torch.float32)
    ones = torch.ones(4, 4, L, 1).expand(4, 4, L, 4).contiguous()
    dropped = windowed_attention(q, k, ones, 8, dropout=0.5)
    # Weights sum to one; each is dropped or doubled, so sums scatter around one.
    assert dropped.mean() == pytest.approx(1.0, abs=0.05)
    assert dropped.std() > 0.1


@pytest.mark.parametrize("L", [60, LONG])
def test_bfloat16(L: int) -> None:
    signals = queries_keys_values(1, 2, L, 8)
    y = windowed_attention(*(x.bfloat16() for x in signals), 12)
    assert y.dtype == torch.bfloat16
    assert_close(y.double(), attention_by_dense_scores(*signals, 12), torch.bfloat16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("L", [60, LONG])
def test_cuda(L: int) -> None:
    signals = queries_keys_values(1, 2, L, 8)
    y = windowed_attention(*(x.to("cuda") for x in signals), 12)
    assert_close(y.cpu(), attention_by_dense_scores(*signals, 12))


def test_errors() -> None:
    for bad in (0, -3):
        with pytest.raises(ValueError, match=f"window must be at least 1, got {bad}"):
            build_causal_window_mask(4, bad)
        with pytest.raises(ValueError, match=f"window must be at least 1, got {bad}"):
            windowed_attention(*queries_keys_values(1, 1, 4, 2), bad)
    with pytest.raises(TypeError, match="window must be an int, got float"):
        build_causal_window_mask(4, 2.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="L must be at least 0, got -1"):
        build_causal_window_mask(-1)
    q, k, v = queries_keys_values(1, 1, 4, 2)
    with pytest.raises(ValueError, match=r"share one shape \(B, heads, L, d\), got \(1, 1, 4, 2\), \(1, 1, 3, 2\)"):
        windowed_attention(q, k[:, :, 1:], v, 2)
    with pytest.raises(ValueError, match=r"share one shape \(B, heads, L, d\), got \(1, 4, 2\)"):
        windowed_attention(q[0], k[0], v[0], 2)
