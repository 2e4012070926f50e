"""What the exercises of "The matching game" expect."""

import numpy as np
import torch

from deepstrf_widgets.pictures import lines_picture, strf_picture

from .checking import Question, drawing
from .lesson import Lesson

lesson = Lesson(10)
check, follow, grade, solution = lesson.check, lesson.follow, lesson.grade, lesson.solution


def letter(r):
    """Letter of a correlation: (a) above 0.8, (c) below 0.2, (b) between."""
    return "a" if r > 0.8 else "c" if r < 0.2 else "b"


HINTS = ("The Gaussians are 0.3 octaves wide (standard deviation). How much do the two overlap?",)


@lesson.exercise(
    "draw the response", "drawn_response", kind="drawing", stumble="They draw the sound itself: the response is 30 ms later."
)
def _(drawn_response, neuron, rate):
    return drawing(
        drawn_response,
        rate(neuron([2800.0], [30.0]))[0, 0, 0, :80],
        goal=0.4,
        hints=[
            "Follow the row at 2.8 kHz from left to right. A response comes 30 ms after each bright patch in it.",
            "Leave the other rows out: a patch a few bands away does nothing. Two patches in a row make a longer response.",
        ],
        because="From one row of the sound, shifted. The rest is in how large each peak is.",
    )


@lesson.exercise("half an octave", "half_an_octave", stumble="(a): half an octave is more than one standard deviation.")
def _(half_an_octave, below):
    return Question(half_an_octave, letter(below[0]), hints=HINTS, because=f"{100 * below[0]:.0f} % of it.")


@lesson.exercise("an octave", "one_octave", stumble="(b): the tones of the chords are independent.")
def _(one_octave, below, octaves, along_frequency):
    return Question(
        one_octave,
        letter(below[1]),
        hints=HINTS,
        because="Nothing points the way any more.",
        show=lambda: lines_picture(
            {"right lag, frequency off": along_frequency}, octaves, x_label="octaves off", y_label="r"
        ),
    )


def matched(session, moves, hidden, goal, allowed, hints, axes):
    """Question whose answer is the bench: its score, with what the level leaves free and nothing else."""
    if isinstance(moves, dict):
        for name, value in moves.items():
            session.set(name, value, (0, 0))
    elif moves is not None:
        session.value(moves, (0, 0))  # raises what is wrong with it
    score = session.score(0)
    others = [
        name
        for name in session.parameters
        if name not in allowed and not np.array_equal(session.value(name, grid=True), session.trained_value(name, grid=True))
    ]
    said = f"r = {score:.2f}. " if score is not None else "The hidden neuron has heard no other sound: go back to the first. "
    if others:
        said += f"{others[0]} is locked in this level: revert it. "
    fields = [model.effective_STRF()[0][0, 0] for model in (hidden, session.model)]
    return Question(
        session,
        lambda live: (round(score or 0.0, 2) >= round(goal, 2) and not others) if live.edited() else None,
        hints=[said + hint for hint in hints],
        because=f"r = {said[4:8]}, and the goal was {goal:.2f}.",
        show=lambda: strf_picture(torch.stack(fields), **axes, titles=("hidden", "yours")),
    )


def slow_sta(x, r, lags):
    """Average of the sound before the spikes, by the formula of the notebook, sum by sum: (F, lags), lag 0 last."""
    result = torch.zeros(len(x), lags)
    for lag in range(lags):
        for t in range(lag, len(r)):
            result[:, lags - 1 - lag] += r[t] * x[:, t - lag]
    return result / r.sum()


PLACES = ("strf.center_hz", "strf.center_ms")


@lesson.exercise("level 1", "moves_1", kind="gesture", stumble="Frequency and lag at once: first one, then the other.")
def _(moves_1, level_1, hidden_1, axes):
    hints = (
        "Drag slowly up and down and watch r: it rises near the place.",
        "Where the grey response jumps up, which band was on 20 ms before?",
        "Let Python look: level_1.set(...) each place of a grid, and keep the best level_1.score(0).",
    )
    return matched(level_1, moves_1, hidden_1, 0.95, PLACES, hints, axes)


@lesson.exercise("sta", "sta", kind="function", points=2, stumble="Dividing each lag by the rate of its own bins only.")
def _(sta, sound, response_2, picture, BANDS, LAGS):
    return Question(
        sta(sound.values.clone(), response_2.clone(), LAGS),
        lambda mine: np.shape(mine) == (BANDS, LAGS) and np.allclose(mine, picture, atol=1e-3),
        hints=(
            "For one lag: multiply x[:, : T - lag] with r[lag:] and sum over time.",
            "Column lags - 1 - lag holds the lag. Lag 0 is the last column.",
            "Divide by r.sum(), the whole sum, for every lag.",
        ),
        because="As the slow sum says.",
    )


@lesson.exercise("order", "my_order", stumble="(b): lag 0 is at the right edge.")
def _(my_order, hidden_2, LAGS):
    field = hidden_2.effective_STRF()[0][0, 0]
    lag_of = {sign: LAGS - 1 - int((sign * field).amax(0).argmax()) for sign in (1, -1)}
    return Question(
        my_order,
        "a" if lag_of[1] < lag_of[-1] else "b",
        hints=("Warm is excitation. Which of the two patches is nearer to the right edge?",),
        because="Sound first excites and, a little longer ago, inhibits: the neuron likes onsets.",
    )


@lesson.exercise("level 2", "moves_2", kind="gesture", stumble="Tuning the inhibition before the excitation is in place.")
def _(moves_2, level_2, hidden_2, axes):
    hints = (
        "Put Gaussian 1 on the warm patch of the STA, and tune it first.",
        "Gaussian 2 belongs on the cool patch. Then find its weight.",
        "With both Gaussians on their patches, let Python finish: climb(level_2).",
    )
    return matched(level_2, moves_2, hidden_2, 0.95, (*PLACES, "strf.weight"), hints, axes)


@lesson.exercise("ceiling", "my_ceiling", kind="number", stumble="The mean over trials instead of the trials.")
def _(my_ceiling, of_the_truth):
    return Question(
        my_ceiling,
        of_the_truth,
        within=0.04,
        hints=("compute_CCmax(spikes) is all there is to write.",),
        because="The hidden neuron's own rate scores about the same, and you did not need it to know.",
    )


@lesson.exercise("level 3", "moves_3", kind="gesture", stumble="Widths: leave them, they are those of the other levels.")
def _(moves_3, level_3, hidden_3, of_the_truth, axes):
    goal = 0.95 * of_the_truth
    hints = (
        "Draw the STA of the PSTH: slow_sta(sound.values, spikes.mean(2)[0, 0], LAGS).",
        "Excitation first, then the later inhibition at its frequency, then the one beside it in frequency.",
        "Leave the widths, they are those of the other levels. Then let Python finish: climb(level_3).",
    )
    free = (*PLACES, "strf.weight", "strf.sigma_oct", "strf.sigma_ms")
    return matched(level_3, moves_3, hidden_3, goal, free, [f"The goal is {goal:.2f}. {hint}" for hint in hints], axes)


@lesson.exercise("same trials", "same_trials", stumble="(a): the chance of these trials can be fitted.")
def _(same_trials, cheat_score, of_the_truth):
    return Question(
        same_trials,
        "b" if cheat_score > of_the_truth else "a",
        hints=("The score is about these spikes, chance included. Is the hidden neuron the best for them?",),
        because="Some of what is fitted is the chance of these ten trials.",
    )


@lesson.exercise("new trials", "new_trials", stumble="(a): the chance of new trials is another one.")
def _(new_trials, fresh):
    return Question(
        new_trials,
        "a" if fresh[1] > fresh[0] else "b",
        hints=("The chance of the new trials is another one.",),
        because="On spikes that were not fitted, the truth scores higher: this is overfitting.",
    )
