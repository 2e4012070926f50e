"""What the exercises of "From drive to firing rate" expect."""

import numpy as np
import torch

from deepstrf.analysis import bandwidth
from deepstrf.metrics import fve
from deepstrf.models.activations import parametric_double_exponential
from deepstrf_widgets import pictures

from .checking import Question, drawing
from .lesson import Lesson

lesson = Lesson(4)
check, follow, grade, solution = lesson.check, lesson.follow, lesson.grade, lesson.solution
GOAL = 0.6  # variance explained


@lesson.exercise("rise done", "rise_done", stumble="(b): a double exponential is not symmetric.")
def _(rise_done, curves):
    done = {name: (curves[name] - 0.05) / 1.5 for name in ("sigmoid", "double exponential")}
    done = {name: float(share[int(share.diff().argmax())]) for name, share in done.items()}
    assert abs(done["sigmoid"] - 0.5) < 0.03 and abs(done["double exponential"] - np.exp(-1)) < 0.03
    return Question(
        rise_done,
        "abc"[int(np.argmin([abs(done["double exponential"] - share) for share in (1 / 3, 1 / 2, 2 / 3)]))],
        hints=[
            "Look at the picture: does the double exponential bend more sharply below or above its steepest point?",
            "With u = k x - s it rises as exp(-exp(u)), most steeply at u = 0. What is exp(-1)?",
        ],
        because=f"1/e, or {100 * np.exp(-1):.0f} %. It leaves its baseline quickly and nears its ceiling slowly.",
    )


@lesson.exercise("gain", "gain_at_threshold", kind="number", stumble="The sign of k; and a/e is the rate, not the slope.")
def _(gain_at_threshold):
    a, k, s = (torch.tensor([value]) for value in (1.5, -3.5, -1.4))
    threshold = (s / k).requires_grad_()
    (slope,) = torch.autograd.grad(parametric_double_exponential(threshold, a, k, s).sum(), threshold)
    assert abs(slope + a * k / np.e) < 1e-5
    return Question(
        gain_at_threshold,
        float(slope),
        within=0.01,
        unit="spikes/bin per unit of drive",
        hints=[
            "The derivative of a exp(-exp(u)) with u = k x - s is -a k exp(u) exp(-exp(u)).",
            "At the threshold u = 0, so exp(u) = 1 and exp(-exp(u)) = 1/e.",
            "-a k / e, with a = 1.5 and k = -3.5.",
        ],
        because="-a k / e. A negative k makes a rising curve.",
    )


@lesson.exercise("draw the rate", "drawn_rate", kind="drawing", stumble="They copy the drive: below the threshold it counts for nothing.")
def _(drawn_rate, drive, second, curves, x):
    rate = np.interp(drive[0, second].numpy(), x.numpy(), curves["double exponential"].numpy())
    return drawing(
        drawn_rate,
        rate,
        goal=0.6,
        by="explained",
        hints=[
            "Where the drive is well below the threshold, the rate is the baseline. Can it be negative?",
            "Where the drive is 1 or more, the rate is near its ceiling: the curve is done rising there.",
        ],
        because="A flat line with a peak wherever the drive exceeds the threshold.",
    )


@lesson.exercise("tuning", "tuning_of_the_rate", stumble="(a): half height of the rate is not at half of the drive.")
def _(tuning_of_the_rate):
    octaves = torch.linspace(-2.0, 2.0, 161)
    tuning = {"drive": torch.exp(-0.5 * (octaves / 0.5) ** 2)}
    tuning["rate"] = 2 * (tuning["drive"] - 0.5).clamp(min=0)
    width = {name: float(bandwidth(curve[:, None], 4000.0 * 2**octaves)) for name, curve in tuning.items()}
    assert abs(width["drive"] - 2 * np.sqrt(2 * np.log(2)) * 0.5) < 0.01
    assert abs(width["rate"] - 2 * np.sqrt(2 * np.log(4 / 3)) * 0.5) < 0.01
    return Question(
        tuning_of_the_rate,
        "abc"[int(np.argmin([abs(width["rate"] / width["drive"] - share) for share in (1 / 2, 2 / 3, 1)]))],
        hints=[
            "Draw the Gaussian, and a line at half its height. The rate is what sticks out, like an iceberg.",
            "The rate is at half of its height where the drive is at three quarters: exp(-u²/2) = 3/4, against 1/2.",
        ],
        because=f"Half height of the rate is {width['rate']:.2f} octaves wide, that of the drive {width['drive']:.2f}.",
        show=lambda: pictures.lines_picture(
            tuning, octaves, x_label="octaves from the best frequency", y_label="share of the peak"
        ),
    )


@lesson.exercise("scatter of a PSTH", "psth_scatter", kind="number", stumble="spikes per bin instead of spikes/s.")
def _(psth_scatter, psth_hz, DT_MS):
    expected = np.sqrt(0.2 / 10) / (DT_MS / 1000)
    within_5 = bool(abs(psth_hz.std() / expected - 1) < 0.05)
    assert within_5 and abs(psth_hz.mean() - 40) < 2
    return Question(
        psth_scatter,
        expected,
        within=0.5,
        unit="spikes/s",
        hints=[
            "One trial: the variance of the count is its mean, 0.2. The mean of 10 trials has a tenth of that variance.",
            "The square root of 0.2 / 10 is in spikes per bin. A bin is 5 ms: divide by 0.005 s.",
        ],
        because=f"The simulation of {len(psth_hz)} bins scatters within 5 % of it: {within_5}.",
    )


@lesson.exercise("trials for half", "trials_for_half", kind="number", stumble="20: the square root is forgotten.")
def _(trials_for_half, DT_MS):
    trials = np.arange(1, 81)
    counts = np.sqrt(0.2 / trials) / (DT_MS / 1000)
    return Question(
        trials_for_half,
        int(trials[int(np.argmin(np.abs(counts - counts[9] / 2)))]),
        hints=[
            "The scatter goes with one over the square root of the number of trials.",
            "Four times as many as the 10 that there were.",
        ],
        because="Four times as many. Precision is expensive.",
        show=lambda: pictures.lines_picture(
            {"scatter of a bin": counts}, trials, x_label="trials", y_label="spikes/s", title="40 spikes/s in bins of 5 ms"
        ),
    )


@lesson.exercise("by hand", "session", kind="gesture", stumble="Watching r alone, which is blind to gain and offset.")
def _(session, demo):
    """The bench itself is the answer: variance explained, with the output curve of neuron 1 alone."""
    rate = session.rate(0)
    now = fve(rate[:, None, None], demo.responses[:, :1]).item()
    others = [
        name
        for name in session.parameters
        if not name.startswith("activation.") and not np.array_equal(session.value(name, grid=True), session.trained_value(name, grid=True))
    ]
    flat = float(rate.std()) < 0.2 * float(demo.responses[:, 0].mean(1).std())
    also = f" Use the output curve alone: {others[0]} was changed too." if others else ""
    return Question(
        session,
        lambda live: (now >= GOAL and not flat and not others) if live.edited(0) else None,
        hints=[
            f"The variance explained is {now:.2f}. Does the curve go through the points?{also}",
            f"The variance explained is {now:.2f}. First move the threshold to where the points begin to rise.{also}",
            f"The variance explained is {now:.2f}. Then make it steeper, until the low points lie on it too.{also}",
        ],
        because=f"The variance explained is {now:.2f}, with the output curve alone.",
    )
