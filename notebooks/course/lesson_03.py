"""What the exercises of "What is a receptive field?" expect."""

import numpy as np
import torch

from deepstrf.analysis import direction_index, latency, modulation_transfer, separability_index
from deepstrf.models.layers import CausalSTRFConv, ParametricSTRF
from deepstrf_widgets import LiveSession

from .checking import Question
from .lesson import Lesson

lesson = Lesson(3)
check, follow, grade, solution = lesson.check, lesson.follow, lesson.grade, lesson.solution


@lesson.exercise("drive", "drive", kind="function", stumble="Cutting T - 1 columns, or flipping the kernel.")
def _(drive, fields, sound, truth):
    bins = (45, 250, 999)
    mine = [drive(fields[0], sound, t) for t in bins]
    return Question(
        None if mine[0] is None else mine,
        lambda answer: all(
            np.prod(np.shape(d)) == 1 and abs(torch.as_tensor(d).item() - truth[t].item()) < 1e-3
            for d, t in zip(answer, bins, strict=True)
        ),
        hints=[
            "Cut out the piece of the sound that ends with bin t, multiply it with the kernel and add everything up.",
            "The piece is sound[:, t - T + 1 : t + 1] with T = kernel.shape[1]: as many columns as the kernel.",
        ],
        because="It agrees with the library's layer in three bins.",
    )


@lesson.exercise("click", "click_response", stumble="(a): the kernel is read backwards in time.")
def _(click_response):
    tiny = CausalSTRFConv(1, 4, 1, 1, bias=False)
    with torch.no_grad():
        tiny.kernel.weight.copy_(torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]]))
        response = tiny(torch.tensor([[[[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]]]]))[0, 0, 0]
    assert response.tolist() == [0, 0, 4, 3, 2, 1, 0]
    return Question(
        click_response,
        {(1, 2, 3, 4): "a", (4, 3, 2, 1): "b", (0, 0, 4, 3): "c"}[tuple(int(d) for d in response[2:6])],
        hints=[
            "In bin 2 the click is the present: which tap sees it?",
            "One bin later the click is one bin old: the tap before the last.",
        ],
        because="The answer to a click is the kernel read backwards, from lag 0 on. Before the click there is nothing.",
    )


@lesson.exercise("latency", "latency_ms", kind="number", stumble="40 - 31.5, or leaving out the 2.5 ms of the last bin.")
def _(latency_ms, BANDS, TAPS, DT_MS, DELAY_MS):
    at_tap = ParametricSTRF(BANDS, TAPS, 1, 1)
    with torch.no_grad():
        at_tap.P.copy_(torch.tensor([15.0, 31.5])[:, None, None, None])
        at_tap.weight.fill_(1.0)
    return Question(
        latency_ms,
        float(latency(at_tap.build_kernel().detach()[0, 0], DT_MS, delay_ms=DELAY_MS)),
        within=0.5,
        unit="ms",
        hints=["Lag 0 is tap 39. How many taps before it is 31.5?", "7.5 taps of 5 ms, and the 2.5 ms."],
        because="7.5 bins before the last, which is 2.5 ms old. Centres lie between bins as easily as on them, "
        "so they can be fitted smoothly.",
    )


@lesson.exercise("numbers", "numbers_per_neuron", kind="number", stumble="One channel only, or no bias.")
def _(numbers_per_neuron, demo, BANDS, TAPS):
    kernel = demo.model.readout.strf.kernel
    assert (kernel.num_gaussians, kernel.C_in) == (4, 2)
    return Question(
        numbers_per_neuron,
        sum(p.numel() for p in kernel.parameters()) // kernel.C_out,
        hints=["Five for each Gaussian. How many Gaussians are there in both channels?", "5 x 4 x 2, and a bias."],
        because=f"Against {2 * BANDS * TAPS + 1} for a full field: a few seconds of spikes do not determine that many.",
    )


@lesson.exercise("not separable", "not_separable", stumble="(b): inhibition at the same frequency stays separable.")
def _(not_separable, three):
    index = separability_index(three)
    assert torch.allclose(index[:2], torch.ones(2), atol=1e-4) and index[2] < 0.6
    return Question(
        not_separable,
        "abc"[int(index.argmin())],
        hints=[
            "Look along the rows: is each row the same time course?",
            "In (b) both blobs have the same profile in frequency.",
        ],
        because=f"The indices are {', '.join(f'{i:.2f}' for i in index)}.",
    )


@lesson.exercise("two blobs", "index_of_two", kind="number", stumble="1/sqrt(2): the index takes squares.")
def _(index_of_two, neuron):
    pair = neuron((1500.0, 120.0, 1.2, 2.0, 1.0), (9000.0, 50.0, 1.2, 2.0, 1.0))
    return Question(
        index_of_two,
        float(separability_index(pair)),
        within=0.01,
        hints=[
            "Each product has one singular value. How large are the two, compared with each other?",
            "They are equal. The index is s1² / (s1² + s2²).",
        ],
        because="A separable layer can catch only one of the two, or something between them.",
    )


@lesson.exercise("why", "lag_of_the_largest_ms", kind="number", stumble="They read the stretch of sound, not the products.")
def _(lag_of_the_largest_ms, demo, DT_MS, DELAY_MS):
    trained = LiveSession(demo.model, demo.stimulus, demo.responses)
    highest = int(trained.rate(4).argmax())
    products = trained.explain(4, DT_MS * (highest + 0.5)).products
    assert 1200 < DT_MS * highest < 1300
    _, taps = products.shape[1:]
    largest = int(products.abs().amax((0, 1)).argmax())
    lag_ms = DT_MS * (taps - 1 - largest) + DELAY_MS
    return Question(
        lag_of_the_largest_ms,
        lag_ms,
        within=10.0,
        unit="ms",
        hints=[
            "The products are the last of the three pictures; lag runs to 0 = now at its right edge.",
            "It lies where the field has its largest blob: look there first, then at the products.",
        ],
        because=f"{lag_ms:.1f} ms before it: there the largest blob of the field meets sound.",
    )


@lesson.exercise(
    "downward", "session", kind="gesture", stumble="Moving the blobs in frequency by little: swap them in time."
)
def _(session, CF_HZ, DT_MS):
    """The bench itself is the answer: its neuron 5 as it stands."""

    def preference(model):
        field = model.readout.effective_STRF("ON")[0][4]
        return float(direction_index(modulation_transfer(field, CF_HZ, DT_MS)))

    def prefers_downward(live):
        if not live.edited(4):
            return None
        weight, trained = (abs(get("strf.weight", (4, 0))).max() for get in (live.value, live.trained_value))
        return bool(weight > 0.2 * trained) and preference(live.model) > 0.05  # a field of nearly 0 prefers nothing

    now = preference(session.model)
    return Question(
        session,
        prefers_downward,
        hints=[
            f"The direction index is {now:.2f}; above 0.05 it prefers downward. Which blob comes first in time?",
            f"The direction index is {now:.2f}. Low frequencies must act at short lags, high ones at long lags.",
            f"The direction index is {now:.2f}. Drag the higher blob to the left and the lower one to the right; "
            "keep their weights.",
        ],
        because=f"The direction index is {now:.2f}: high frequencies first, then low ones.",
    )
