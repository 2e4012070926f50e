"""A stream gives what one forward pass over the whole stimulus gives, whatever the chunks."""

from __future__ import annotations

import copy
import tracemalloc
import weakref
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from deepstrf.models import NeuralModel
from deepstrf.models.audio import AudioEncodingModel, ConvNet2D, Linear, StateNet, Transformer
from deepstrf.models.layers import CausalLayerNorm, LearnableExponentialDecay
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.models.readouts import LinearReadout
from deepstrf.models.streaming import Stage, stage_of, with_past
from tests.models.audio.zoo import MAKERS, PREFILTERS, F, Framing, N, every_prefilter, make, named

STREAMABLE = [name for name in MAKERS if name != "Transformer"]
every_streamable_model = pytest.mark.parametrize("name", [named(name) for name in STREAMABLE])

T = 50


def fed(model: NeuralModel, x: Tensor, sizes: list[int]) -> Tensor:
    """The responses of one stream to ``x`` cut into chunks of these sizes and one with the rest."""
    stream = model.stream()
    chunks = torch.split(x, [*sizes, x.shape[-1] - sum(sizes)], dim=-1)
    return torch.cat([stream(chunk) for chunk in chunks], dim=-1)


def whole(model: NeuralModel, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)


@every_streamable_model
@every_prefilter
def test_single_frames(name: str, prefilter: str) -> None:
    model = make(name, prefilter)
    x = torch.rand(2, 1, F, T)
    torch.testing.assert_close(fed(model, x, [1] * T), whole(model, x), rtol=0, atol=1e-5)


cuts = st.lists(st.integers(0, T), max_size=6).map(
    lambda ends: [b - a for a, b in zip([0, *sorted(ends)], sorted(ends), strict=False)]
)


@pytest.mark.parametrize("name", [named(name) for name in STREAMABLE])
@settings(max_examples=12)
@given(sizes=cuts, prefilter=st.sampled_from(list(PREFILTERS)), B=st.integers(1, 3), seed=st.integers(0, 99))
def test_any_chunks(name: str, sizes: list[int], prefilter: str, B: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = make(name, prefilter)
    x = torch.rand(B, 1, F, T)
    torch.testing.assert_close(fed(model, x, sizes), whole(model, x), rtol=0, atol=1e-5)


@every_streamable_model
def test_double_precision(name: str) -> None:
    model = make(name, "AdapTrans").double()
    x = torch.rand(1, 1, F, T).double()
    torch.testing.assert_close(fed(model, x, [1, 5, 0, 17]), whole(model, x), rtol=0, atol=1e-12)


@every_streamable_model
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(name: str, dtype: torch.dtype) -> None:
    try:
        torch.nn.functional.layer_norm(torch.ones(1, 2, dtype=dtype), (2,))
    except RuntimeError:
        pytest.skip(f"this torch has no {dtype} on the CPU")
    model = make(name, "AdapTrans").to(dtype)
    x = torch.rand(1, 1, F, T).to(dtype)
    y = fed(model, x, [1, 5, 0, 17])
    assert y.dtype == dtype
    torch.testing.assert_close(y, whole(model, x), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("kind", ["adaptrans", "icadaptation"])
@pytest.mark.parametrize("sizes", [[1] * 30, [3, 200, 1, 400], [700]])
def test_the_long_kernels_of_real_prefilters(kind: str, sizes: list[int]) -> None:
    prefilter = make_prefiltering(kind, F, 5.0)
    assert prefilter.kernel_size == 651
    model = Linear(F, 9, out_neurons=N, prefiltering=prefilter).eval()
    x = torch.rand(2, 1, F, 800)
    torch.testing.assert_close(fed(model, x, sizes), whole(model, x), rtol=0, atol=1e-5)


def test_a_long_chunk_of_a_windowed_transformer() -> None:
    model = make("Transformer-windowed")
    x = torch.rand(1, 1, F, 700)
    torch.testing.assert_close(fed(model, x, [300]), whole(model, x), rtol=0, atol=1e-5)


def test_a_transformer_without_a_window_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"context_window must be set for a Transformer to be streamed.*whole past"):
        Transformer(F).stream()


def test_a_model_in_training_is_streamed_as_in_evaluation_and_stays_in_training() -> None:
    model = make("LinearNonlinear")
    x = torch.rand(2, 1, F, T)
    expected = whole(model, x)
    model.train()
    model.readout.bn.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert torch.equal(model.stream()(x), expected)
    assert model.training
    assert not model.readout.bn.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_nothing_is_kept_for_gradients() -> None:
    model = make("StateNet-LC", "AdapTrans")
    response = model.stream()(torch.rand(1, 1, F, T, requires_grad=True))
    assert not response.requires_grad


def test_a_parameter_changed_meanwhile_has_its_effect() -> None:
    model = make("Linear")
    x = torch.rand(1, 1, F, T)
    stream = model.stream()
    stream(x[..., :20])
    with torch.no_grad():
        model.readout.strf.kernel.weight.mul_(2)
    torch.testing.assert_close(stream(x[..., 20:]), whole(model, x)[..., 20:], rtol=0, atol=1e-5)


def test_a_prefilter_changed_meanwhile_has_its_effect() -> None:
    model = make("Linear", "AdapTrans")
    x = torch.rand(1, 1, F, T)
    stream = model.stream()
    for t in range(20):
        stream(x[..., t : t + 1])
    with torch.no_grad():
        model.prefiltering.p.mul_(1.5)
    torch.testing.assert_close(stream(x[..., 20:24]), filtered_then_summed(model, x)[..., 20:24], rtol=0, atol=1e-5)


def filtered_then_summed(model: AudioEncodingModel, x: Tensor) -> Tensor:
    """The model's response when the receptive field still holds what the unchanged prefilter gave."""
    before = copy.deepcopy(model.prefiltering)
    with torch.no_grad():
        before.p.div_(1.5)
        prefiltered = torch.cat([before(x)[..., :20], model.prefiltering(x)[..., 20:]], dim=-1)
        return model.readout(prefiltered)


def test_reset_starts_a_new_stimulus() -> None:
    model = make("DNet", "ICAdaptation")
    x = torch.rand(2, 1, F, T)
    stream = model.stream()
    stream(torch.rand(1, 1, F, 7))
    stream.reset()
    torch.testing.assert_close(stream(x), whole(model, x), rtol=0, atol=1e-5)


def test_two_streams_do_not_disturb_each_other() -> None:
    model = make("StateNet-LMU")
    x = torch.rand(1, 1, F, 20)
    one, other = model.stream(), model.stream()
    responses = []
    for t in range(20):
        responses.append(one(x[..., t : t + 1]))
        other(torch.rand(1, 1, F, 3))
    torch.testing.assert_close(torch.cat(responses, dim=-1), whole(model, x), rtol=0, atol=1e-5)


def test_empty_chunks() -> None:
    stream = make("Linear").stream()
    assert stream(torch.rand(2, 1, F, 0)).shape == (2, N, 1, 0)


@pytest.mark.parametrize("name", [named(name) for name in STREAMABLE])
def test_chunks_are_not_held(name: str) -> None:
    """Not even one earlier chunk, or anything of its size, is reachable from the stream."""
    stream = make(name, "AdapTrans").stream()
    chunk = torch.rand(1, 1, F, 400)
    last = weakref.ref(chunk)
    stream(chunk)
    del chunk
    assert last() is None
    assert held_bytes(stream) < 400 * F * 4


def held_bytes(stream: Any) -> int:
    """Memory behind every tensor that is reachable from the stages of a stream without passing through the model."""
    seen = {id(module) for module in stream.model.modules()}
    stack: list[Any] = list(stream._stages)
    storages = {}
    while stack:
        thing = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Tensor):
            storages[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
        elif callable(thing) and hasattr(thing, "__closure__"):
            stack += [cell.cell_contents for cell in thing.__closure__ or ()]
        elif isinstance(thing, (list, tuple)):
            stack += thing
        elif hasattr(thing, "__dict__") and not isinstance(thing, type):
            stack += vars(thing).values()
    assert storages
    return sum(storages.values())


def test_memory_does_not_grow() -> None:
    stream = make("Transformer-windowed", "AdapTrans").stream()
    frame = torch.rand(1, 1, F, 1)
    for _ in range(30):
        stream(frame)
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for _ in range(60):
        stream(frame)
    grown = sum(entry.size_diff for entry in tracemalloc.take_snapshot().compare_to(before, "filename"))
    tracemalloc.stop()
    assert grown < 30_000


@pytest.mark.parametrize("shape", [(1, 1, F + 1, 3), (1, 2, F, 3), (F, 3)])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"chunk must have shape \(B, 1, {F}, t\), got"):
        make("Linear").stream()(torch.rand(shape))


@pytest.mark.parametrize(
    ("chunk", "kind"), [([1.0], "list"), (torch.ones(1, 1, F, 2, dtype=torch.int), r"torch\.int32")]
)
def test_another_kind_is_named(chunk: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"chunk must be a floating-point tensor, got {kind}"):
        make("Linear").stream()(chunk)


@pytest.mark.parametrize("other", [torch.rand(3, 1, F, 2), torch.rand(2, 1, F, 2).double()])
def test_a_stream_keeps_the_batch_size_and_type_of_its_first_chunk(other: Tensor) -> None:
    stream = make("Linear").stream()
    stream(torch.rand(2, 1, F, 2))
    with pytest.raises(ValueError, match=r"chunk must have the batch size, dtype and device .*reset\(\)"):
        stream(other)


class OwnForward(Linear):
    def forward(self, stimulus: Tensor) -> Tensor:
        return 2 * super().forward(stimulus)


class OwnForwardAndStages(OwnForward):
    def stream_stages(self) -> list[Stage]:
        return [*(stage_of(part) for part in (self.wav2spec, self.prefiltering, self.core, self.readout)), self.double]

    def double(self, y: Tensor) -> Tensor:
        return 2 * y


class Delay(nn.Module):
    """A prefilter of a user, with its streaming form."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, (2, 0))[..., :-2]

    def stream_stage(self) -> Stage:
        return with_past(lambda frames: frames[..., :-2], 2, "zeros")


def test_a_model_of_another_form_must_bring_its_stages() -> None:
    with pytest.raises(NotImplementedError, match="OwnForward overrides forward, so it must override stream_stages"):
        OwnForward(F, 4, out_neurons=N).stream()
    model = OwnForwardAndStages(F, 4, out_neurons=N).eval()
    x = torch.rand(2, 1, F, 20)
    torch.testing.assert_close(fed(model, x, [3, 5]), whole(model, x), rtol=0, atol=1e-5)


def test_a_module_with_its_own_stage() -> None:
    model = Linear(F, 4, out_neurons=N, prefiltering=Delay()).eval()
    x = torch.rand(2, 1, F, 20)
    torch.testing.assert_close(fed(model, x, [1, 1, 5]), whole(model, x), rtol=0, atol=1e-5)


class StreamedFraming(Framing):
    """The front end with its streaming form: samples that complete no frame wait for the next ones."""

    def stream_stage(self) -> Stage:
        rest: Tensor | None = None

        def stage(samples: Tensor) -> Tensor:
            nonlocal rest
            samples = samples if rest is None else torch.cat([rest, samples], dim=-1)
            whole = samples.shape[-1] // 8 * 8
            rest = samples[..., whole:].clone()
            return self(samples[..., :whole]) if whole else samples.new_empty(len(samples), 1, F, 0)

        return stage


@every_prefilter
@pytest.mark.parametrize("sizes", [[], [3], [1] * 20, [8, 0, 15, 60]])
def test_a_model_with_a_front_end_is_fed_samples(prefilter: str, sizes: list[int]) -> None:
    model = Linear(F, 4, out_neurons=N, prefiltering=PREFILTERS[prefilter](), wav2spec=StreamedFraming()).eval()
    waveform = torch.randn(2, 400)
    torch.testing.assert_close(fed(model, waveform, sizes), whole(model, waveform), rtol=1e-5, atol=1e-5)
    stream = model.stream()
    assert stream(waveform[:, :5]).shape == (2, N, 1, 0)
    assert stream(waveform[:, 5:20]).shape == (2, N, 1, 2)
    with pytest.raises(ValueError, match=r"chunk must have shape \(B, \.\.\., samples\), got \(400,\)"):
        model.stream()(waveform[0])


class Model(AudioEncodingModel):
    def __init__(self, core: nn.Module) -> None:
        super().__init__(F, 4, N)
        self.core = core
        self.readout = LinearReadout(F, N)


@pytest.mark.parametrize(
    "core",
    [
        nn.Sequential(nn.Flatten(1, 2), nn.LeakyReLU()),
        nn.Sequential(nn.ZeroPad2d((4, 0, 1, 1)), nn.Conv2d(1, 1, 3, dilation=(1, 2)), nn.Flatten(1, -2), nn.Dropout()),
        nn.Sequential(LearnableExponentialDecay(F, 9), CausalLayerNorm(F, dim=-2), nn.Flatten(1, 2)),
    ],
)
def test_cores_of_a_users_own(core: nn.Module) -> None:
    model = Model(core).eval()
    x = torch.rand(2, 1, F, 20)
    torch.testing.assert_close(fed(model, x, [5, 1, 1]), whole(model, x), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("core", "fault"),
    [
        (nn.AvgPool2d(3), "a AvgPool2d cannot be streamed"),
        (nn.ZeroPad2d((1, 1, 0, 0)), "looks into the future"),
        (nn.Conv2d(1, 1, 3, padding=1), "without stride or padding in time"),
        (nn.Conv2d(1, 1, 3, stride=(1, 2)), "without stride or padding in time"),
        (nn.Conv2d(1, 1, 3, padding="same"), "without stride or padding in time"),
        (CausalLayerNorm(4, dim=-1), "a layer norm over time"),
        (nn.Flatten(), "only a Flatten that keeps time last"),
    ],
)
def test_what_cannot_be_streamed_is_said_at_the_start(core: nn.Module, fault: str) -> None:
    with pytest.raises(NotImplementedError, match=fault):
        Model(core).stream()


def test_a_convolution_without_its_zeros_is_found_out() -> None:
    stream = Model(nn.Sequential(nn.Conv2d(1, 1, (1, 3)), nn.Flatten(1, 2))).stream()
    with pytest.raises(NotImplementedError, match=r"the zeros padded before a Conv2d.* must be at least 2 frames"):
        stream(torch.rand(1, 1, F, 2))


@pytest.mark.parametrize("model", [ConvNet2D(), StateNet()], ids=lambda model: type(model).__name__)
def test_full_size_models(model: AudioEncodingModel) -> None:
    model.eval()
    x = torch.rand(1, 1, 34, 40)
    torch.testing.assert_close(fed(model, x, [7, 1, 12]), whole(model, x), rtol=0, atol=1e-5)
