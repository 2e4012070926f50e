"""What the exercises of "Fitting a neuron whose truth is known" expect."""

import math

import torch

from deepstrf.metrics import corrcoef
from deepstrf_widgets.pictures import bars_picture, lines_picture, strf_picture

from .checking import Question
from .lesson import Lesson

lesson = Lesson(6)
check, grade, solution = lesson.check, lesson.grade, lesson.solution


TRIALS = torch.arange(1, 41)


def ceilings(snr):
    """Correlation of the true rate with the mean of 1, 2, ... 40 trials."""
    return (TRIALS * snr / (1 + TRIALS * snr)).sqrt()


@lesson.exercise("score of the truth", "truth_scores", stumble="(a): the PSTH of ten trials is not the rate.")
def _(truth_scores, score_of_truth):
    assert abs(score_of_truth - 0.9) < 0.03
    return Question(
        truth_scores,
        min("abc", key=lambda letter: abs({"a": 1.0, "b": 0.9, "c": 0.5}[letter] - score_of_truth)),
        hints=(
            "The PSTH is the true rate and a noise. How much of it is left after averaging ten trials?",
            "One trial: signal power 0.4, noise power 1. The mean of ten: signal 0.4, noise 0.1.",
        ),
        because="The mean of ten trials has a tenth of the noise of one, but not none.",
    )


@lesson.exercise("ceiling", "ceiling", kind="function", stumble="The share of power without its square root.")
def _(ceiling, SNR, score_of_truth, truth, test):
    formula = ceilings(SNR)
    measured = [corrcoef(truth, test.responses[:, :, :r]).item() for r in range(1, 11)]
    assert max(abs(a - b) for a, b in zip(measured, formula[:10].tolist(), strict=True)) < 0.04

    def right(value):
        others = ((1, 1.0), (4, 0.25), (40, 0.4))
        return abs(value - score_of_truth) < 0.03 and all(
            abs(ceiling(trials, snr) - (trials * snr / (1 + trials * snr)) ** 0.5) < 1e-6 for trials, snr in others
        )

    return Question(
        ceiling(10, SNR),
        right,
        hints=(
            "In units of one trial's noise power, the PSTH has signal power snr and noise power 1 / trials.",
            "Share of the signal: snr / (snr + 1 / trials). Power is the square of what correlates.",
        ),
        because="Ten trials at 0.4: the formula, the truth and the estimate from the spikes agree.",
        show=lambda: lines_picture(
            {"formula": formula, "score of the truth": [*measured, *[math.nan] * 30]},
            TRIALS,
            x_label="trials in the PSTH",
            y_label="highest correlation",
        ),
    )


@lesson.exercise("worth of the prior", "prior_is_worth", stumble="Reading along the lower curve from 40 s.")
def _(prior_is_worth, seconds, without, smooth):
    enough = [s for s in seconds if without[s]["field"] >= smooth[40]["field"]]
    return Question(
        prior_is_worth,
        "c" if not enough else "b" if enough[0] == 160 else "a",
        hints=(
            "Draw a level line through the second point of the upper curve.",
            "Where does the lower curve reach that line? Does it?",
        ),
        because="This prior is worth more than four times the sound. It costs nothing, where it is true.",
    )


@lesson.exercise("score and field", "truer_fields", stumble="(a): taking the better prediction for the better picture.")
def _(truer_fields, A, B, where):
    assert A["score"] > B["score"]

    def picture():
        pair = torch.stack([fit_of["model"].effective_STRF()[0][2, 0] for fit_of in (A, B)])
        pair = pair / pair.abs().amax((1, 2), keepdim=True)
        return strf_picture(pair, titles=("A: 160 s, no prior", "B: 40 s, smooth"), **where)

    return Question(
        truer_fields,
        "a" if A["field"] > B["field"] else "b",
        hints=("You have just read it from the learning curves.",),
        because="A predicts better, and its picture is worse: a score judges predictions, not pictures.",
        show=picture,
    )


@lesson.exercise("strength", "my_smoothness", kind="number", stumble="Choosing by the true field, which nobody has.")
def _(my_smoothness, tried, where):
    best = max(tried, key=lambda strength: tried[strength]["validation"])
    truest = max(tried, key=lambda strength: tried[strength]["field"])
    assert best == truest and tried[30.0]["field"] < tried[0.0]["field"]  # too strong is worse than none

    def picture():
        strengths = (0.0, best, 30.0)
        shown = torch.stack([tried[strength]["model"].effective_STRF()[0][0, 0] for strength in strengths])
        return strf_picture(shown, titles=("no prior", f"{best:g}", "30"), share_scale=False, **where)

    return Question(
        my_smoothness,
        best,
        within=1e-9,
        hints=(
            "Four fits and the largest of four scores: a loop, or max(strengths, key=...).",
            'max(tried, key=lambda strength: tried[strength]["validation"])',
        ),
        because="The truth agrees: the same strength gives the truest fields.",
        show=picture,
    )


@lesson.exercise("coverage", "inside_the_band", stumble="(a): a band of scatter does not know of bias.")
def _(inside_the_band, inside):
    return Question(
        inside_the_band,
        "a" if inside >= 0.95 else "b" if inside > 0.75 else "c",
        hints=(
            "Leaving out data shows what chance does. Is chance all that moves this fit from the truth?",
            "All six fits have the same prior, and it flattens the same peaks.",
        ),
        because="The prior smooths all fits alike; what they have in common, the jackknife cannot see.",
    )


@lesson.exercise("certain", "falsely_certain", stumble="(a): bias, and 192 tests at once.")
def _(falsely_certain, share):
    assert share["posterior"] < 0.05
    return Question(
        falsely_certain,
        "b" if share["jackknife"] >= 0.1 else "a",
        hints=(
            "The prior spreads the field: next to a large weight a fit has a small one where the truth has none.",
            "And of 192 intervals at 95 %, chance alone puts about ten beside their 0.",
        ),
        because="The bias of the fit is as certain as the field. And whoever looks 192 times finds something.",
        show=lambda: bars_picture(share, y_label="share of certain weights with nothing there"),
    )
