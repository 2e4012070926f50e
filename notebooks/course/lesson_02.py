"""What the exercises of "Why does a steady tone fall silent?" expect."""

from dataclasses import replace

import numpy as np
import torch

from deepstrf.models.prefiltering import freq_to_tau, tau_to_a
from deepstrf_widgets import pictures

from .checking import Question, drawing
from .lesson import Lesson

lesson = Lesson(2)
check, grade, solution = lesson.check, lesson.grade, lesson.solution


@lesson.exercise("a at 1 kHz", "a_at_1_khz", kind="number", stumble="exp(+dt/tau), or tau in seconds and dt in ms.")
def _(a_at_1_khz, DT_MS):
    a = tau_to_a(freq_to_tau(1000.0), DT_MS)
    assert round(freq_to_tau(1000.0)) == 185
    return Question(
        a_at_1_khz,
        a,
        within=0.0005,
        hints=[
            "First the time constant: log10(1000) = 3.",
            "tau is 500 - 3 x 105 = 185 ms, and dt is 5 ms. A bin is a small part of it, so a is near 1.",
            "np.exp(-5 / 185)",
        ],
        because=f"Each bin keeps {100 * a:.0f} % of the average and takes {100 - 100 * a:.0f} % from the newest sample.",
    )


@lesson.exercise("ON at the jump", "on_at_the_jump", stumble="Forgetting w: the past is weighed with 0.75.")
def _(on_at_the_jump, on):
    return Question(
        on_at_the_jump,
        {60: "a", 45: "b", 40: "c", 15: "d"}[round(float(on[100]))],
        hints=["x is 60 already. What is m, the average of what came before?", "m is still 20. Mind the w."],
        because="60 - 0.75 x 20 dB.",
    )


@lesson.exercise("ON at the end", "on_at_the_end", kind="number", stumble="0: that would need w = 1.")
def _(on_at_the_end, on, off, w, level_db, DT_MS):
    assert abs(on[99] - (1 - w) * 20) < 0.01 and abs(on[499] - (1 - w) * 60) < 0.01 and abs(off[499] - on[499]) < 0.01
    at_tau = 100 + round(185.0 / DT_MS)
    excess = float((on[at_tau] - on[499]) / (on[100] - on[499]))
    assert abs(excess - np.exp(-1)) < 0.01 and off[100] == 0 and on[500] == 0 and abs(off[500] - on[100]) < 0.1
    return Question(
        on_at_the_end,
        float(on[499]),
        within=0.2,
        unit="dB",
        hints=["Now m is 60 too.", "60 - 0.75 x 60"],
        because="A quarter of the level: (1 - w) of it always stays. Both filters sum to 1 - w.",
    )


@lesson.exercise("draw ON", "drawn_on", kind="drawing", stumble="After the fall: ON is 0 and comes back slowly.")
def _(drawn_on, on, off, level_db, DT_MS):
    def picture():
        excess = float((on[100 + round(185.0 / DT_MS)] - on[499]) / (on[100] - on[499]))
        print(f"after one time constant {excess:.2f} of the excess is left (1/e = {np.exp(-1):.2f})")
        print(f"ON  in the first bin of the rise: {on[100]:.0f} dB, OFF: {off[100]:.0f} dB")
        print(f"OFF in the first bin of the fall: {off[500]:.0f} dB, ON:  {on[500]:.0f} dB")
        drawn_on.reveal(on)
        lines = {"level": level_db[0, 0, 0], "ON": on, "OFF": off}
        return pictures.lines_picture(lines, DT_MS / 1000 * torch.arange(800), x_label="time (s)", y_label="dB")

    question = drawing(
        drawn_on,
        on,
        goal=0.6,
        by="explained",
        hints=[
            "The two numbers above are its first bin of the jump and its last. How does it come from one to the other?",
            "After the fall x is 20 and m nearly 60: ON = max(0, x - w m). Before the jump it is not 0.",
        ],
        because="Most at first, then less and less; after the fall nothing, until the average has forgotten.",
    )
    return replace(question, show=picture)


@lesson.exercise(
    "ON channel", "on_channel", kind="function", stumble="Changing m before ON is taken: the present meets itself."
)
def _(on_channel, levels, truth, a, w):
    mine = on_channel(levels.tolist(), a, w)
    untouched = isinstance(mine, list) and mine == [None] * len(levels)
    return Question(
        None if untouched else mine,
        lambda answer: np.shape(answer) == truth.shape and np.abs(np.array(answer) - truth).max() < 0.01,
        hints=[
            "ON of a bin is max(0, x - w * m), with the m that does not know x yet.",
            "Then m becomes a * m + (1 - a) * x.",
            "Append first, change m afterwards: otherwise the present is compared with itself.",
        ],
        because="Your loop and the library's filter of 651 taps agree to 0.01 dB.",
    )
