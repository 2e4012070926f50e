"""What the exercises of "A real neuron" expect: computed from whatever recording the notebook has opened."""

import torch

from deepstrf.metrics import compute_CCmax, corrcoef
from deepstrf_widgets.pictures import bars_picture

from .checking import Question
from .lesson import Lesson

lesson = Lesson(11)
check, grade, solution = lesson.check, lesson.grade, lesson.solution


@lesson.exercise("perfect model", "perfect_model", stumble="(a): a PSTH of a few trials is not the rate.")
def _(perfect_model, test):
    ceiling = compute_CCmax(test.responses).item()
    return Question(
        perfect_model,
        "a" if ceiling >= 0.95 else "b" if ceiling >= 0.7 else "c",
        hints=(
            "How many trials are there, and how alike are they?",
            "compute_CCmax(test.responses) estimates it from halves of the trials.",
        ),
        because=f"The ceiling is {ceiling:.2f}, estimated from the trials alone.",
    )


@lesson.exercise("explainable share", "explainable_share", kind="function", stumble="r / c without the square.")
def _(explainable_share):
    cases = {(0.6, 0.8): 0.5625, (0.9, 0.9): 1.0, (0.5, 1.0): 0.25, (0.0, 0.7): 0.0}
    return Question(
        explainable_share(0.6, 0.8),
        lambda value: all(abs(explainable_share(*case) - share) < 1e-6 for case, share in cases.items()),
        hints=("Divide the correlation by its ceiling.", "A share of variance is the square of a correlation."),
        because=f"A correlation of 0.6 under a ceiling of 0.8 explains {100 * cases[0.6, 0.8]:.0f} % of what can be explained.",
    )


@lesson.exercise("best model", "best_model", kind="word", stumble="StateNet, because it is the largest.")
def _(best_model, predictions, numbers, test):
    scores = {name: corrcoef(prediction, test.responses).item() for name, prediction in predictions.items()}
    best = max(scores, key=scores.get)
    ceiling = compute_CCmax(test.responses).item()
    share = (scores[best] / ceiling) ** 2
    return Question(
        best_model,
        best,
        hints=(
            "Which has the stages that this neuron may have, and few numbers to learn from so little sound?",
            "corrcoef(predictions[name], test.responses) is the score of a model.",
        ),
        because=f"{best} explains {100 * share:.0f} % of what can be explained, with {numbers[best]} numbers.",
        show=lambda: bars_picture(scores, y_label="r, test sounds", limit=ceiling, title="dashed: ceiling"),
    )


@lesson.exercise("sound by sound", "ln_is_better_on", kind="number", stumble="Comparing the means instead of counting.")
def _(ln_is_better_on, each):
    difference = each["LN"] - each["ridge"]
    better = int((difference > 0).sum())
    return Question(
        ln_is_better_on,
        better,
        hints=(
            'each["LN"] > each["ridge"] is True for each sound on which LN is better.',
            '(each["LN"] > each["ridge"]).sum()',
        ),
        because=f"{better} of {len(difference)}; by chance alone all of them would agree once in {2 ** len(difference)} "
        "times." if better == len(difference) else f"{better} of {len(difference)}.",
        show=lambda: bars_picture(
            {f"sound {n}": value for n, value in enumerate(torch.as_tensor(difference).tolist(), 1)}, y_label="r of LN less r of ridge"
        ),
    )
