"""What the exercises of "Your own recording" expect."""

import csv

import torch

from deepstrf.datasets import RecordingFolder
from deepstrf_widgets.pictures import bars_picture

from .checking import Question
from .lesson import Lesson

lesson = Lesson(9)
check, grade, solution = lesson.check, lesson.grade, lesson.solution


@lesson.exercise("lost unit", "lost_unit", kind="word", stumble="A number instead of the unit's name.")
def _(lost_unit, recording, reliability):
    worst = int(reliability.argmin())
    others = [n for n in range(4) if n != worst]
    assert reliability[worst].abs() < 0.1 * reliability[others].min()
    bars = dict(zip(recording.neuron_names, reliability.tolist(), strict=True))
    return Question(
        lost_unit,
        recording.neuron_names[worst],
        hints=(
            "A unit whose trials have nothing in common has a signal-to-noise ratio near 0.",
            "recording.neuron_names[int(snr(recording.responses).argmin())]",
        ),
        because="What its trials share is less than a tenth of what those of the others share.",
        show=lambda: bars_picture(bars, y_label="signal / noise, one trial"),
    )


@lesson.exercise("silence", "passes_in_silence", stumble="(c): a trial listed twice is a contradiction.")
def _(passes_in_silence, read):
    (letter,) = read
    return Question(
        passes_in_silence,
        letter,
        hints=(
            "Two of the three are contradictions in the tables. A contradiction can be seen by reading.",
            "What can a table of spikes say about a trial in which there was none?",
        ),
        because="Where there is no spike there is no row. Without trials.csv, silence looks like absence.",
    )


@lesson.exercise(
    "translate", "translate", kind="function", points=2, stumble="Keeping spikes before the onset; the capitals."
)
def _(translate, exported, damaged, small, refusal, BANDS):
    def reads_the_same(translate):
        rows = [row for row in map(translate, map(dict, exported)) if row is not None]
        if not rows:
            return None
        translated = damaged("translated", lambda copy: None)
        with open(translated / "spikes.csv", "w", newline="") as table:
            writer = csv.DictWriter(table, ["unit", "stimulus", "trial", "time_s"])
            writer.writeheader()
            writer.writerows(rows)
        if message := refusal(translated):
            raise ValueError(message)
        read, wanted = RecordingFolder(translated, **BANDS), RecordingFolder(small, **BANDS)
        return torch.equal(read.responses, wanted.responses)

    translate(dict(exported[0]))  # what it raises names the student's line
    return Question(
        translate,
        reads_the_same,
        hints=(
            "time_s = (time_ms - 100) / 1000, and a negative one means None.",
            "The stimulus is the name of a file in stimuli/: lower case here.",
            'The four keys are "unit", "stimulus", "trial" and "time_s"; row["cell"] is the unit.',
        ),
        because="The translated table reads back with the same responses, bin for bin.",
    )


@lesson.exercise("new sounds", "on_new_sounds", stumble="(a): the same statistics, but another noise.")
def _(on_new_sounds, scores, ceiling_train, ceiling_test):
    assert scores["smooth, new"] > scores["free, new"] and scores["free, fitted"] > ceiling_train
    return Question(
        on_new_sounds,
        "b" if scores["free, new"] < scores["free, fitted"] - 0.02 else "a",
        hints=("320 weights for each neuron can learn more than what repeats.",),
        because="A part of what it learnt was the noise of these very trials.",
        show=lambda: bars_picture(scores, y_label="correlation with the PSTH", limit=ceiling_test),
    )
