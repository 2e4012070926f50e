"""What the exercises of "The planted faults" expect."""

import copy

import torch

from deepstrf.analysis import diagnose
from deepstrf.training import predict
from deepstrf_widgets.pictures import bars_picture

from .checking import Question, wanted
from .lesson import Lesson

lesson = Lesson(7)
check, grade, solution = lesson.check, lesson.grade, lesson.solution


@lesson.exercise("untouched", "my_count", kind="number", stumble="Counting off_grid or overlapping, which lose a little.")
def _(my_count, planted, before, after):
    untouched = [kind for kind, n in planted.items() if abs(after[n] - before[n]) < 0.01]
    assert sorted(untouched) == ["exploding", "flipped_sign"]
    assert after[planted["dead"]].isnan() and after[planted["saturated"]].isnan()
    bars = {f"{n}": score for n, score in enumerate(after.nan_to_num(0.0).tolist(), 1)}
    return Question(
        my_count,
        len(untouched),
        hints=(
            "Which of the six change the response at all? A constant response has no correlation.",
            "Go through the table: in which of them does something else make up for the fault?",
        ),
        because=f"{len(untouched)}: in flipped_sign and exploding, the gain behind the field makes up for it.",
        show=lambda: bars_picture(bars, y_label="r", title="score of each neuron (0: undefined)"),
    )


@lesson.exercise(
    "list", "my_list", kind="list", points=2, stumble="dead and saturated exchanged: at which rate does the flat line lie? Python's index in place of the number on the bench."
)
def _(my_list, planted):
    is_list = isinstance(my_list, dict)
    answered = {kind: n for kind, n in my_list.items() if n is not None} if is_list else {}
    right = [kind for kind in planted if kind in answered and answered[kind] == planted[kind] + 1]
    from_0 = bool(answered) and all(answered[kind] == n for kind, n in planted.items() if kind in answered)
    counted = "Are these the numbers of the bench, from 1? " if from_0 else ""
    counted += f"No fault is called {', '.join(map(repr, unknown))}. " if (unknown := answered.keys() - planted) else ""
    return Question(
        (answered or None) if is_list else my_list,
        lambda answer: len(right) == len(planted) == len(answer) if is_list else wanted("the dict of the cell above", answer),
        hints=(
            f"{counted}{len(right)} of 6 are right. Two responses never change: at which rate do they stay?",
            f"{counted}{len(right)} of 6 are right. Look for a negative gain, and for the largest weight.",
            f"{counted}{len(right)} of 6 are right. One centre in row 0 of P is below 0; and in one neuron two "
            "columns of P are nearly equal.",
        ),
        because="All six, by looking.",
    )


@lesson.exercise(
    "turn round", "turn_round", kind="function", points=2, stumble="Leaving out the running mean; writing without no_grad."
)
def _(turn_round, model, flipped, recording):
    def is_mended(mended):
        same_response = torch.allclose(
            predict(mended, recording.stimuli), predict(model, recording.stimuli), atol=1e-4
        )
        return same_response and not diagnose(mended, recording).of("flipped_sign")

    return Question(
        turn_round(copy.deepcopy(model), flipped),
        is_mended,
        hints=(
            "Which of gain, field and mean must change their sign so that the product stays what it was?",
            "All three: (-gain) * ((-field) * sound - (-mean)) is the same drive.",
            "Write inside `with torch.no_grad():`, for example bn.weight[n] *= -1, and return model.",
        ),
        because="The same response, and the diagnosis has nothing to say about its sign.",
    )


@lesson.exercise("learnt noise", "my_answer", stumble="(b): the truth is not the best for one noisy trial.")
def _(my_answer, scores):
    truth_heard, free_heard, truth_new, free_new = scores.values()
    assert free_new < truth_new - 0.05
    return Question(
        my_answer,
        "c" if free_heard > truth_heard + 0.05 else "a" if free_heard < truth_heard - 0.05 else "b",
        hints=("1000 bins, 400 weights. What else than the signal is there in a single trial?",),
        because="Better than the truth means that it knows the noise of this very trial.",
        show=lambda: bars_picture(scores, y_label="r with single trials"),
    )


@lesson.exercise(
    "looks ahead", "looks_ahead", kind="function", points=2, stumble="Comparing all bins, also those after the change."
)
def _(looks_ahead, healthy, leaking, recording):
    return Question(
        looks_ahead(healthy, recording.stimuli.clone()),
        lambda answer: not bool(answer) and bool(looks_ahead(leaking, recording.stimuli.clone())),
        hints=(
            "Copy the sounds, change them from bin 500 on, and compare the responses before bin 500.",
            "changed = sounds.clone(); changed[..., 500:] = 0",
            "Rounding may differ in the last digits: torch.allclose with atol=1e-5, not ==.",
        ),
        because="Silent on the healthy model, and it catches the leaking one.",
    )
