"""The causal transformer model."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.arguments import check_modules, check_numbers, whole_number
from deepstrf.deprecation import keywords

from ..layers import SinusoidalPositionalEncoding, windowed_attention
from ..readouts import LinearReadout
from ..streaming import Stage, stage_of, with_past
from .audio_model import AudioEncodingModel

__all__ = ["Transformer"]

FEEDFORWARD_FACTOR = 4
FRAMES_AT_ONCE = 128
"""Frames that a stream attends to together: the scores it holds do not grow with the chunk it is given."""


@keywords()
class Transformer(AudioEncodingModel):
    """Each neuron's response read out from a causal transformer over patches of the spectrogram.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    freq_patch_size : int, optional
        Bands K_F of a patch, a divisor of F; None is F, one patch per frame.
    time_patch_size : int
        Frames K_T of a patch, the current one included.
    context_window : int, optional
        Frames that a layer looks back over, the current one included; None is the whole past. With it a sequence of L
        frames costs L * context_window instead of L * L, and the model can be streamed.
    embedding_dim : int
        Width E of a token, even and divisible by ``n_heads``.
    n_heads, n_layers : int
        Attention heads of a layer, and layers.
    out_neurons : int
        Neurons N.
    output_activation : nn.Module, optional
        Applied with neurons on the last axis; None is the identity.
    prefiltering, wav2spec : nn.Module, optional
        As for `AudioEncodingModel`.
    temporal_window_size : int
        Lags T that a gradient map shows. What the model sees is set by ``context_window``.
    dropout : float
        Probability of dropping in training, in [0, 1).

    Raises
    ------
    ValueError
        A size does not fit the others, or ``dropout`` is out of range.

    Notes
    -----
    Structure: prefilter; zeros on the left and a convolution that turns the P = F / K_F patches of each frame into
    tokens; sinusoidal encoding of the token's index; encoder layers (norm after, ReLU); linear readout from the P
    tokens of a frame. Tokens follow each other frame by frame and within a frame from low to high; a token sees the
    tokens before it, up to ``context_window`` * P with itself. ``tsfm`` is a ``torch.nn.TransformerEncoder`` and has
    its tensor names.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, NeurIPS.
    """

    _old_arguments: ClassVar[dict[str, str]] = {"token_dim": "embedding_dim"}

    def __init__(
        self,
        n_frequency_bands: int = 34,
        *,
        freq_patch_size: int | None = None,
        time_patch_size: int = 1,
        context_window: int | None = None,
        embedding_dim: int = 48,
        n_heads: int = 1,
        n_layers: int = 1,
        out_neurons: int = 1,
        output_activation: nn.Module | None = None,
        prefiltering: nn.Module | None = None,
        wav2spec: nn.Module | None = None,
        temporal_window_size: int = 9,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(n_frequency_bands, temporal_window_size, out_neurons, prefiltering, wav2spec)
        check_modules(output_activation=output_activation)
        K_F = self.F if freq_patch_size is None else whole_number("freq_patch_size", freq_patch_size)
        K_T = whole_number("time_patch_size", time_patch_size)
        E, heads = whole_number("embedding_dim", embedding_dim), whole_number("n_heads", n_heads)
        if self.F % K_F:
            raise ValueError(f"freq_patch_size must divide F = {self.F}, got {K_F}")
        if E % 2 or E % heads:
            raise ValueError(f"embedding_dim must be even and divisible by n_heads = {heads}, got {E}")
        check_numbers("must lie in [0, 1)", lambda p: 0 <= p < 1, dropout=dropout)
        self.context_window = None if context_window is None else whole_number("context_window", context_window)
        self.E, self.P = E, self.F // K_F
        self.time_pad = nn.ZeroPad2d((K_T - 1, 0, 0, 0))
        self.patchify = nn.Conv2d(self.C_in, E, (K_F, K_T), stride=(K_F, 1))
        self.pos_encoding = SinusoidalPositionalEncoding(E)
        layer = nn.TransformerEncoderLayer(E, heads, FEEDFORWARD_FACTOR * E, dropout, batch_first=True)
        self.tsfm = nn.TransformerEncoder(layer, whole_number("n_layers", n_layers), enable_nested_tensor=False)
        self.readout = LinearReadout(E * self.P, self.O, activation=output_activation)

    @property
    def window(self) -> int | None:
        """Tokens that a token sees, itself included; None is all of the past."""
        return None if self.context_window is None else self.context_window * self.P

    def forward(self, stimulus: Tensor) -> Tensor:
        """Predicted response (B, N, 1, T) to a spectrogram (B, 1, F, T)."""
        patches = self.patchify(self.time_pad(self.prefiltered(stimulus)))
        tokens = self.pos_encoding(_tokens(patches))
        for layer in self.tsfm.layers:
            q, k, v = _queries_keys_values(layer, tokens)
            dropout = layer.self_attn.dropout if self.training else 0.0
            tokens = _rest_of_layer(layer, tokens, windowed_attention(q, k, v, self.window, dropout=dropout))
        return self.readout(self._frames(tokens))

    def _frames(self, tokens: Tensor) -> Tensor:
        """Features (B, P E, T) of the frames that the tokens (B, T P, E) make up."""
        return tokens.reshape(tokens.shape[0], -1, self.P * self.E).transpose(1, 2)

    def stream_stages(self) -> list[Stage]:
        """Stages of which the attention keeps the keys and values of the last ``context_window`` frames per layer."""
        if self.context_window is None:
            raise ValueError(
                "context_window must be set for a Transformer to be streamed: with context_window=None every frame "
                "looks back over the whole past, which no bounded memory holds"
            )
        K_T = self.patchify.kernel_size[1]
        patches = with_past(self.patchify, K_T - 1, "zeros")
        return [stage_of(self.wav2spec), stage_of(self.prefiltering), patches, self._attention_stage(), self.readout]

    def _attention_stage(self) -> Stage:
        """Stage from patches (B, E, P, t) to features (B, P E, t)."""
        memory = self.context_window * self.P - 1  # type: ignore[operator]
        pasts = [(_KeyValuePast(memory)) for _ in self.tsfm.layers]
        first_position = 0

        def attend(patches: Tensor) -> Tensor:
            nonlocal first_position
            tokens = _tokens(patches)
            tokens = tokens + self.pos_encoding.encoding(first_position, tokens.shape[1], tokens)
            first_position += tokens.shape[1]
            for layer, past in zip(self.tsfm.layers, pasts, strict=True):
                q, k, v = _queries_keys_values(layer, tokens)
                tokens = _rest_of_layer(layer, tokens, past.attend(q, k, v))
            return self._frames(tokens)

        return lambda patches: torch.cat([attend(part) for part in patches.split(FRAMES_AT_ONCE, dim=-1)], dim=-1)


def _tokens(patches: Tensor) -> Tensor:
    """Tokens (B, T P, E) in the order of time, and of frequency within a frame, of patches (B, E, P, T)."""
    return patches.permute(0, 3, 2, 1).flatten(1, 2)


def _queries_keys_values(layer: nn.TransformerEncoderLayer, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Projections of the tokens (B, L, E) for self-attention, each (B, heads, L, E / heads)."""
    attention = layer.self_attn
    projected = functional.linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
    q, k, v = (part.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for part in projected.chunk(3, dim=-1))
    return q, k, v


def _rest_of_layer(layer: nn.TransformerEncoderLayer, tokens: Tensor, attended: Tensor) -> Tensor:
    """Output (B, L, E) of an encoder layer for its input and the attended values (B, heads, L, E / heads)."""
    attended = layer.self_attn.out_proj(attended.transpose(1, 2).flatten(-2))
    x = layer.norm1(tokens + layer.dropout1(attended))
    hidden = layer.dropout(functional.relu(layer.linear1(x)))
    return layer.norm2(x + layer.dropout2(layer.linear2(hidden)))


class _KeyValuePast:
    """Keys and values of the last ``memory`` tokens of one layer."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.k: Tensor | None = None
        self.v: Tensor | None = None

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attended values of the next tokens, each of which sees itself and ``memory`` tokens before it."""
        if self.k is not None and self.v is not None:
            k, v = torch.cat([self.k, k], dim=2), torch.cat([self.v, v], dim=2)
        L, seen = q.shape[2], k.shape[2]
        lag = torch.arange(seen - L, seen, device=q.device).unsqueeze(1) - torch.arange(seen, device=q.device)
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)
        weights = scores.masked_fill((lag < 0) | (lag > self.memory), -torch.inf).softmax(dim=-1)
        # Copies, so that what they are cut from can be freed.
        self.k, self.v = (x[:, :, max(0, seen - self.memory) :].clone() for x in (k, v))
        return weights @ v
