"""What the question of the tour expects."""

from deepstrf_widgets import LiveSession

from .checking import Question
from .lesson import Lesson

lesson = Lesson(0)
check, grade, solution = lesson.check, lesson.grade, lesson.solution


@lesson.exercise("why", "brings_it", stumble="They pin a moment of silence: the highest peak is at about 1.2 s.")
def _(brings_it, demo):
    session = LiveSession(demo.model, demo.stimulus, demo.responses)
    highest = int(session.rate(0).argmax())
    moment = session.explain(0, session.dt_ms * (highest + 0.5))
    assert 1200 < moment.time_ms < 1250
    on, off = moment.sums
    return Question(
        brings_it,
        "c" if min(on, off) > max(on, off) / 2 else "a" if on > off else "b",
        hints=["Which of the two pictures of products is nearly empty?", "This neuron fires at onsets: what rises there?"],
        because=f"At {moment.time_ms / 1000:.2f} s the products of ON add up to {on:.0f}, those of OFF to {round(off) + 0}.",
    )


@lesson.exercise(
    "offset", "my_answer", stumble="Some zero the ON weights: the OFF field is chosen above the picture."
)
def _(my_answer, demo):
    trial = LiveSession(demo.model, demo.stimulus, demo.responses)
    with_off = trial.score(1)
    trial.set("strf.weight", 0.0, (1, 1))
    without_off = trial.score(1)
    assert without_off < with_off  # the OFF channel does help
    share = without_off / with_off
    return Question(
        my_answer,
        "a" if share >= 0.8 else "c" if share <= 0.1 else "b",
        hints=["Look at the OFF field of neuron 2, and at what is left of the response without it."],
        because=f"r goes from {with_off:.2f} to {without_off:.2f}.",
    )
