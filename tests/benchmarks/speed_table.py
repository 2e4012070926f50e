"""Time of each operation against the same one written plainly with torch's own modules, forward and with gradients.

    python tests/benchmarks/speed_table.py [--rounds 15] [--only NAME] [--threads 2] [--control]

Both forms run in turn (two threads), and take turns in going first; the table shows the median of the ratios of paired
rounds (under 1: ours is faster) and the time of the plain form. With ``--threads 1`` it is processor time. With
``--control`` the plain form is compared with a copy of itself: how far those ratios are from 1 is the machine, not the
code. The bars: 1.05 for every operation, 1.2 for the two output curves.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.models import ConvNet2D, DNet, Linear, LinearNonlinear, NetworkReceptiveField, StateNet, Transformer
from deepstrf.models.activations import ParametricSigmoid, ParametricSoftplus
from deepstrf.models.layers import LearnableExponentialDecay, ParametricSTRF
from deepstrf.models.prefiltering import make_prefiltering

F, TAPS, N, B, T, HIDDEN = 34, 20, 119, 4, 2000, 20
REPEATS_FOR_S = 0.05


class Softplus(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.beta, self.b = nn.Parameter(torch.rand(n) + 5), nn.Parameter(torch.rand(n))

    def forward(self, x: Tensor) -> Tensor:
        return functional.softplus(self.beta * x) / self.beta + self.b


class Sigmoid(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Parameter(torch.rand(n) + 0.5) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.b * torch.sigmoid((x - self.c) / self.d) + self.a


class NeuronsLast(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x.transpose(1, 2)).transpose(1, 2)


class Squeeze(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze(2)


def plain_strf(channels: int, out: int) -> list[nn.Module]:
    return [nn.ZeroPad2d((TAPS - 1, 0, 0, 0)), nn.Conv2d(channels, out, (F, TAPS)), Squeeze()]


class Gaussians(nn.Module):
    """Sum of normalised Gaussians on the whole grid, as the formula stands."""

    def __init__(self, out: int, count: int) -> None:
        super().__init__()
        self.P = nn.Parameter(torch.rand(2, out, 1, count) * 10)
        self.SIG = nn.Parameter(torch.ones(2, out, 1, count))
        self.weight, self.bias = nn.Parameter(torch.randn(out, 1, count)), nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor) -> Tensor:
        sigma = self.SIG.abs() + 0.27
        f = torch.arange(F).view(-1, 1, 1, 1, 1)
        t = torch.arange(TAPS).view(1, -1, 1, 1, 1)
        g = torch.exp(-0.5 * (((f - self.P[0]) / sigma[0]) ** 2 + ((t - self.P[1]) / sigma[1]) ** 2))
        kernel = (self.weight * g / (g.sum((0, 1)) + 1e-7)).sum(-1).permute(2, 3, 0, 1)
        return functional.conv2d(x, kernel, self.bias)


class Decay(nn.Module):
    def __init__(self, bands: int, taps: int, tau: float) -> None:
        super().__init__()
        self.a, self.taps = nn.Parameter(torch.full((bands,), 1 - 1 / tau)), taps

    def forward(self, x: Tensor) -> Tensor:
        powers = self.a[:, None] ** torch.arange(self.taps - 1, -1, -1)
        kernel = (powers / powers.sum(-1, keepdim=True)).unsqueeze(1)
        return functional.conv1d(functional.pad(x, (self.taps - 1, 0), mode="replicate"), kernel, groups=len(self.a))


class OnOff(nn.Module):
    def __init__(self, taps: int) -> None:
        super().__init__()
        self.a, self.w = nn.Parameter(torch.full((2, F), 0.95)), nn.Parameter(torch.full((F,), 0.75))
        self.taps = taps

    def forward(self, x: Tensor) -> Tensor:
        powers = self.a[..., None] ** torch.arange(self.taps - 2, -1, -1)
        past = powers / powers.sum(-1, keepdim=True)
        one, w = torch.ones(F, 1), self.w.unsqueeze(1)
        on, off = torch.cat([-w * past[0], one], 1), torch.cat([past[1], -w], 1)
        padded = functional.pad(x.squeeze(1), (self.taps - 1, 0), mode="replicate")
        return torch.relu(torch.stack([functional.conv1d(padded, k.unsqueeze(1), groups=F) for k in (on, off)], 1))


class ChannelNorm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.ln(x.transpose(1, -1)).transpose(1, -1)


class Recurrent(nn.Module):
    """A fully connected encoder of each frame, a GRU and a linear readout."""

    def __init__(self, width: int, positions: int) -> None:
        super().__init__()
        self.encoder, self.ln = nn.Linear(F, width), nn.LayerNorm(width // positions)
        self.rnn, self.readout, self.curve = nn.GRU(width, width, batch_first=True), nn.Linear(width, N), Softplus(N)
        self.positions = positions

    def forward(self, x: Tensor) -> Tensor:
        frames = self.encoder(x.squeeze(1).transpose(1, 2))
        normal = self.ln(frames.unflatten(-1, (-1, self.positions)).transpose(-1, -2)).transpose(-1, -2)
        hidden, _ = self.rnn(torch.sigmoid(normal.flatten(-2)))
        return self.curve(self.readout(hidden)).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, layers: int, taps: int) -> None:
        super().__init__()
        self.pad, self.patches = nn.ZeroPad2d((taps - 1, 0, 0, 0)), nn.Conv2d(1, width, (F, taps))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.1, batch_first=True)
        self.encoder, self.readout = (
            nn.TransformerEncoder(layer, layers, enable_nested_tensor=False),
            nn.Linear(width, N),
        )

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(self.pad(x)).squeeze(2).transpose(1, 2)
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return self.readout(self.encoder(tokens, mask=mask, is_causal=True)).transpose(1, 2)


def operations() -> dict[str, Callable[[], tuple[nn.Module, nn.Module, Tensor]]]:
    """What makes ours, the plain form, and their input."""
    sound, drive, bands = (lambda b=B, t=T: torch.rand(b, 1, F, t)), (lambda: torch.randn(B, T, N)), torch.rand(B, F, T)

    def hidden_layer(curve: list[nn.Module]) -> nn.Sequential:
        units = [*plain_strf(1, HIDDEN), ChannelNorm(HIDDEN), nn.Sigmoid()]
        return nn.Sequential(*units, *curve)

    def adaptation() -> tuple[nn.Module, nn.Module, Tensor]:
        ours = make_prefiltering("adaptrans", F, 5.0)
        return ours, OnOff(ours.kernel_size), sound()

    def convolutions() -> tuple[nn.Module, nn.Module, Tensor]:
        layers: list[nn.Module] = [nn.ZeroPad2d((24, 0, 0, 0))]
        for c in (1, 10, 10):
            layers += [nn.Conv2d(c, 10, (3, 9)), ChannelNorm(10), nn.LeakyReLU(0.1)]
        readout = nn.Sequential(nn.Linear(280, 20), nn.LeakyReLU(0.1), nn.Linear(20, N), Softplus(N))
        return (
            ConvNet2D(F, (3, 9), out_neurons=N),
            nn.Sequential(*layers, nn.Flatten(1, 2), NeuronsLast(readout)),
            sound(1),
        )

    def recurrent() -> tuple[nn.Module, nn.Module, Tensor]:
        ours = StateNet(F, 1, out_neurons=N, connectivity="FC")
        return ours, Recurrent(ours.H, ours.H // 7), sound(1, 500)

    def attention() -> tuple[nn.Module, nn.Module, Tensor]:
        ours = Transformer(F, out_neurons=N, context_window=None)
        layers, heads = len(ours.tsfm.layers), ours.tsfm.layers[0].self_attn.num_heads
        return ours, Attention(ours.E, heads, layers, ours.patchify.kernel_size[1]), sound(1, 500)

    return {
        "softplus": lambda: (ParametricSoftplus(N), Softplus(N), drive()),
        "sigmoid": lambda: (ParametricSigmoid(N), Sigmoid(N), drive()),
        "AdapTrans": adaptation,
        "exponential decay, 14 taps": lambda: (LearnableExponentialDecay(F, 14), Decay(F, 14, 2.0), bands),
        "Linear": lambda: (
            Linear(F, TAPS, out_neurons=N),
            nn.Sequential(*plain_strf(1, N), nn.BatchNorm1d(N)),
            sound(),
        ),
        "LinearNonlinear": lambda: (
            LinearNonlinear(F, TAPS, out_neurons=N),
            nn.Sequential(*plain_strf(1, N), nn.BatchNorm1d(N), NeuronsLast(Softplus(N))),
            sound(),
        ),
        "8 Gaussians": lambda: (
            LinearNonlinear(F, TAPS, out_neurons=N, kernel=ParametricSTRF(F, TAPS, 1, N, 8)),
            nn.Sequential(
                nn.ZeroPad2d((TAPS - 1, 0, 0, 0)),
                Gaussians(N, 8),
                Squeeze(),
                nn.BatchNorm1d(N),
                NeuronsLast(Softplus(N)),
            ),
            sound(),
        ),
        "NetworkReceptiveField": lambda: (
            NetworkReceptiveField(F, TAPS, n_hidden=HIDDEN, out_neurons=N),
            hidden_layer([NeuronsLast(nn.Sequential(nn.Linear(HIDDEN, N), Softplus(N)))]),
            sound(),
        ),
        "DNet": lambda: (
            DNet(F, TAPS, n_hidden=HIDDEN, out_neurons=N),
            hidden_layer([Decay(HIDDEN, 14, 2.0), NeuronsLast(nn.Linear(HIDDEN, N))]),
            sound(),
        ),
        "ConvNet2D": convolutions,
        "StateNet": recurrent,
        "Transformer": attention,
    }


def seconds(module: nn.Module, x: Tensor, gradients: bool, repeats: int) -> float:
    # Of one thread the processor time, which other programs disturb less.
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    for _ in range(repeats):
        if gradients:
            module.zero_grad(set_to_none=True)
            module(x).sum().backward()
        else:
            with torch.no_grad():
                module(x)
    return (clock() - start) / repeats


def compare(ours: nn.Module, plain: nn.Module, x: Tensor, gradients: bool, rounds: int) -> tuple[float, float]:
    """Median of the ratios of paired rounds, and the median seconds of the plain form."""
    ours.train(gradients), plain.train(gradients)
    for module in (ours, plain):
        seconds(module, x, gradients, 1)
    repeats = max(1, round(REPEATS_FOR_S / seconds(plain, x, gradients, 1)))
    pairs = []
    for turn in range(rounds):
        # What runs second finds the memory that the first has given back.
        order = (ours, plain) if turn % 2 else (plain, ours)
        first, second = (seconds(module, x, gradients, repeats) for module in order)
        pairs.append((first, second) if turn % 2 else (second, first))
    return median(a / b for a, b in pairs), median(b for _, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="operations whose name contains this")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--control", action="store_true", help="the plain form against a copy of itself")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"{'':28}{'forward':>9}{'plain':>10}{'gradients':>11}{'plain':>10}")
    for name, make in operations().items():
        if options.only in name:
            ours, plain, x = make()
            ours = copy.deepcopy(plain) if options.control else ours
            cells = [compare(ours, plain, x, gradients, options.rounds) for gradients in (False, True)]
            print(f"{name:28}" + "".join(f"{ratio:9.2f}{1e3 * s:8.1f} ms" for ratio, s in cells), flush=True)


if __name__ == "__main__":
    main()
