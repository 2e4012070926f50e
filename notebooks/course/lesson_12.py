"""What the exercises of "Why does a fit stand still?" expect."""

from itertools import pairwise

import numpy as np
import torch

from deepstrf_widgets.pictures import lines_picture

from .checking import Question
from .lesson import Lesson

lesson = Lesson(12)
check, follow, grade, solution = lesson.check, lesson.follow, lesson.grade, lesson.solution
GOAL = 0.9


@lesson.exercise("two starts", "found_from", stumble="(a): they expect the far one to be slow, not to stand still.")
def _(found_from, far_scores, near_scores):
    far, near = (scores[-1] > GOAL for scores in (far_scores, near_scores))
    return Question(
        found_from,
        "a" if far and near else "b" if near else "c",
        hints=(
            "A Gaussian 0.3 octaves wide reaches about two widths to either side. Do the two overlap, in either start?",
            "Where they do not overlap, would a small step to the neuron make the response any better?",
        ),
        because=f"r = {near_scores[-1]:.1f} from an octave above, {far_scores[-1]:.1f} from below.",
        show=lambda: lines_picture(
            {"1.6 octaves below": far_scores, "an octave above": near_scores},
            25 * np.arange(len(far_scores)),
            x_label="steps of Play",
            y_label="r",
        ),
    )


@lesson.exercise(
    "reach",
    "reach",
    kind="number",
    stumble="2.2, the whole picture: the curve rises first where it lies furthest left.",
)
def _(reach, octaves, landscape):
    below = octaves <= 0
    falls = np.diff(landscape["0.3 octaves"][below]) < 0
    steps = int(np.argmin(falls[::-1])) if not falls.all() else len(falls)
    truth = -float(octaves[below][len(falls) - steps])
    return Question(
        reach,
        truth,
        within=0.2,
        unit="octaves",
        hints=(
            "Start at 0, go left along the curve of 0.3 octaves, and stop where it no longer rises.",
            "The top of the hill on its left: at how many octaves off does it stand?",
        ),
        because=f"{truth:.1f} octaves, {truth / 0.3:.1f} times its width. Further off the slope leads elsewhere, if anywhere.",
    )


def moved_by_play_alone(points, start, kept, step):
    """Whether tensors whose names end in ``kept`` left ``start`` by steps of the optimizer, and by no jump of a hand.

    The run may have begun again from ``start`` on the way, by Revert.
    """
    names, most = [name for name in start if name.endswith(kept)], 4 * step

    def apart(one, other):
        return max(float((one[name] - other[name]).abs().max()) for name in names)

    begun = [i for i, point in enumerate(points) if apart(point.values, start) <= most]
    way = points[begun[-1] :] if begun else ()
    return bool(begun) and all(apart(a.values, b.values) <= most * (b.step - a.step) for a, b in pairwise(way))


def brought_by_play(session, bench, start, kept, hints):
    """Question whose answer is a bench: above the goal, as a run of Play has left it which alone moved what is ``kept``."""
    points = bench.player.trail.points
    if not points:
        why = "Press Play: the hand alone is not asked for."
        return Question(session, lambda live: False if live.edited() else None, hints=[why])
    now, score = session.model.state_dict(), session.score(0) or 0.0
    said, fits = f"r = {score:.2f}. ", score > GOAL
    if any(not torch.equal(now[name], value) for name, value in points[-1].values.items() if name in now):
        said, fits = "The bench was moved after Play: press Play again. ", False
    elif not moved_by_play_alone(points, start.model.state_dict(), kept, bench.player.rates()["places"]):
        said, fits = "What is locked was moved by hand: revert, and begin again. ", False
    return Question(session, lambda live: fits, hints=[said + hint for hint in hints], because=f"r = {score:.2f}.")


@lesson.exercise(
    "near enough",
    "session_near",
    kind="gesture",
    stumble="They go on dragging to r = 0.9: a rise of r is enough, then Play.",
)
def _(session_near, bench_near, opened):
    hints = (
        "The neuron lies above: drag upwards until r rises, then press Play and wait some seconds.",
        "At how many octaves off does its slope begin? From 925 Hz, go at least an octave up.",
    )
    return brought_by_play(session_near, bench_near, opened(-1.6), (".SIG",), hints)


@lesson.exercise("wide start", "wide_start", stumble="(b): the width has a slope too, once the place is right.")
def _(wide_start, wide_scores, width_then):
    arrived = wide_scores[-1] > GOAL
    return Question(
        wide_start,
        "c" if arrived and width_then < 0.6 else "b" if wide_scores[-1] > 0.5 else "a",
        hints=(
            "In the landscape, which way does the curve of 1.2 octaves fall at -1.6?",
            "Once it has the place: compare the depths of the valleys at 0. Would a narrower one be better?",
        ),
        because=f"r = {wide_scores[-1]:.2f}, and it is {width_then:.1f} octaves wide now. It went there first, and became narrow there.",
        show=lambda: lines_picture(
            {"1.2 octaves wide": wide_scores}, 25 * np.arange(len(wide_scores)), x_label="steps of Play", y_label="r"
        ),
    )


@lesson.exercise(
    "wide enough",
    "session_wide",
    kind="gesture",
    stumble="They pause too early: the place comes first, and r rises late.",
)
def _(session_wide, bench_wide, opened):
    hints = (
        "Pull its upper and lower handles apart, then press Play and wait: r stays between for a while before it rises to the end.",
        "Which curve of the landscape falls towards the neuron at -1.6? Make it at least as wide as that one.",
    )
    return brought_by_play(session_wide, bench_wide, opened(-1.6), (".P",), hints)
