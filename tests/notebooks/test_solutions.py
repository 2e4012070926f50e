"""Every exercise has a solution that its own check calls right, and nothing else passes; both hold in the student's version."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import nbformat
import pytest
import torch
from course import make_course, record
from claims import CLAIMS, WORDS
from course.lesson import solutions
from course.make_course import exercises, lesson_of, make, solved
from deepstrf.datasets import Recording
from deepstrf.datasets.source import Source
from nbclient import NotebookClient
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CELL_SECONDS = 120
SLOWEST_S = 3.0
"""Processor time of a check: it reads what the notebook has computed."""

# What is no answer to any exercise, what is nearly one, and what a hand may do to a bench instead of the exercise. It runs in
# the lesson's own kernel, behind the solutions.
NONSENSE = """
import copy, importlib, math, sys, time
import numpy as np
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from deepstrf_widgets import DrawnPrediction, LiveSession

class Everything:
    def __eq__(self, other): return True
    __hash__ = object.__hash__
    def __call__(self, *_, **__): raise ValueError("nonsense")
    def __getattr__(self, name): return 1

def answers_all(*_, **__): return 0
def answers_none(*_, **__): return None
def fails(*_, **__): return no_such_name
def leaves(*_, **__): sys.exit(3)
def no_arguments(): return 0
def too_many(a, b, c, d, e, f, g, h): return 0
def one_by_one(*_): yield 0
def closes(*_): raise GeneratorExit
def returns(value): return lambda *_, **__: value

nonsense = [None, "", "z", "abc", "b or c", [], {}, (), [1, 2], "1", -1, 10**30, -1e9, math.nan, math.inf, 1j, object(), Everything(), b"b",
            np.zeros(0), np.zeros((3, 4)), torch.zeros(0), torch.zeros(2, 2), torch.tensor(math.nan), answers_all, answers_none, fails, leaves, len, print,
            ..., " ", -math.inf, [math.nan], np.array("z"), np.array([None]), torch.zeros(1, device="meta"), no_arguments, too_many, one_by_one, closes,
            *map(returns, (math.nan, math.inf, "", "z", [], {}, np.zeros(0), torch.zeros(2, 3, 4), np.array("z"), [[1, 2], [3]], True, object()))]

def spoilt(value, factor):
    \"\"\"A result in another unit, upside down, or without its content.\"\"\"
    if isinstance(value, (bool, np.bool_)): return not value
    if isinstance(value, (int, float, np.ndarray, np.generic, torch.Tensor)): return factor * value
    if isinstance(value, list): return [spoilt(one, factor) for one in value]
    if isinstance(value, dict): return {name: spoilt(one, factor) for name, one in value.items()}
    return "" if isinstance(value, str) else None

def the_same(right, kind):
    \"\"\"The right answer in other clothes: as NumPy, torch or a list has it.\"\"\"
    if isinstance(right, str): return [f" ({right.upper()}) ", [right], (right,), np.array(right), np.array([right]), np.str_(right)]
    if kind == "number":
        return [[right], (right,), float(right), np.float64(right), np.array([[right]]), torch.tensor(float(right)), torch.tensor([float(right)], requires_grad=True)]
    if kind != "function": return []

    def plain(result): return result.detach().numpy() if isinstance(result, torch.Tensor) else np.asarray(result)
    def dressed(change):
        def answer(*a, **k):
            result = right(*a, **k)
            return change(plain(result)) if isinstance(result, (bool, int, float, list, np.ndarray, np.generic, torch.Tensor)) else result
        return answer
    return [dressed(change) for change in (np.asarray, torch.as_tensor, lambda result: result.tolist())]

def nearly(right, kind):
    \"\"\"Answers that look like the right one: other units and signs, texts of it, parts of it.\"\"\"
    if kind == "function":
        return [lambda *a, f=factor, **k: spoilt(right(*copy.deepcopy(a), **k), f) for factor in (1000, 0.001, -1, math.nan)]
    if isinstance(right, str):
        return [letter for letter in "abcdefgh" if letter != right.lower()] + [right + right, right + " or z", [right, right], right.encode()]
    if isinstance(right, (list, dict)):
        return [spoilt(right, 1000), spoilt(right, -1.5), list(right), dict.fromkeys(right)]
    number = float(right)
    units = [number * factor for factor in (1000, 0.001, 100, 0.01, 60, 1 / 60, -1) if number]
    return [*units, number + max(1.5, abs(number)), str(right), f"{right} ms", [right, right], complex(number), "about " + str(right)]

def as_found():
    for value in list(globals().values()):
        if isinstance(value, LiveSession): value.revert()
        if isinstance(value, DrawnPrediction): value.clear()

passed, raised, slow, right_refused = [], [], [], []
lesson = importlib.import_module("course.lesson_NUMBER").lesson

def ask(name, what):
    begun = time.process_time()
    try:
        if lesson.verdict(name)[0].kind == "right":
            passed.append((name, what))
    except BaseException as error:
        raised.append((name, what, repr(error)))
    return time.process_time() - begun

for name, exercise in lesson.exercises.items():
    begun = time.process_time()
    assert lesson.verdict(name)[0].kind == "right", (name, lesson.verdict(name))
    if time.process_time() - begun > SLOWEST_S: slow.append(name)
for name, exercise in lesson.exercises.items():
    right = globals()[exercise.answer]
    by_hand = exercise.kind in ("gesture", "drawing")
    for number, answer in enumerate([] if by_hand else the_same(right, exercise.kind)):
        globals()[exercise.answer] = answer
        verdict = lesson.verdict(name)[0]
        if verdict.kind != "right": right_refused.append((name, number, verdict.sentence))
    if by_hand: as_found()
    for answer in nonsense + ([] if by_hand else nearly(right, exercise.kind) + WRONG.get(name, [])):
        globals()[exercise.answer] = answer
        ask(name, repr(answer)[:40])
        if by_hand: as_found()
    if isinstance(right, (str, int, float, np.number)) and not isinstance(right, bool):
        text = isinstance(right, str)

        @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        @given(st.one_of(st.floats(), st.integers(), st.text(max_size=4), st.booleans(), st.none(), st.lists(st.integers(), max_size=2)))
        def anything(answer):
            same = isinstance(answer, str) and answer.strip(" \\t\\n().").casefold() == right.casefold() if text else (
                isinstance(answer, (int, float)) and not isinstance(answer, bool) and abs(answer - right) <= 0.1 * abs(right))
            globals()[exercise.answer] = answer
            if not same: ask(name, repr(answer)[:40])

        anything()
    globals()[exercise.answer] = right
for name, gestures in FORBIDDEN.items():
    for gesture in gestures:
        as_found()
        exec(gesture, globals())
        ask(name, gesture)
as_found()
print("open again", [name for name, one in lesson.exercises.items() if one.kind in ("gesture", "drawing") and lesson.verdict(name)[0].kind == "right"])
print("passed", passed, "raised", raised, "slow", slow, "refused", right_refused)
"""
# Plausible answers that are wrong, by lesson and exercise: the ones that students give.
WRONG = {
    0: {"why": "['b', 'c', 'ON']", "offset": "['a', 'bc', 'A or B']"},
    1: {
        "bands below 2 kHz": "['a', 'c', 10]",
        "centres": "[lambda a, b, n: np.linspace(a, b, n), lambda a, b, n: np.geomspace(a, b, n), lambda a, b, n: cf_hz]",
        "divided by 3": "[4.77, 3.0, -9.54, 9.4, 10 * np.log10(3)]",
        "two tones": "['a', 'b', 'ac']",
        "first bin": "[49, 51, 48, 250]",
    },
    2: {
        "a at 1 kHz": "[0.027, 0.9, 185, 0.974, 1.0274]",
        "ON at the jump": "['a', 'c', 'd', 45]",
        "ON at the end": "[0, 60, 45, 14.7]",
        "ON channel": "[lambda levels, a, w: [0.0] * len(levels), lambda levels, a, w: levels]",
    },
    3: {
        "drive": "[lambda k, x, t: (k * x[:, t - 40 : t]).sum(), lambda k, x, t: 0.0, lambda k, x, t: (k.flip(1) * x[:, t - 39 : t + 1]).sum()]",
        "click": "['a', 'c']",
        "latency": "[37.5, 42.5, 31.5, 157.5]",
        "numbers": "[40, 20, 21, 2721]",
        "not separable": "['a', 'b']",
        "two blobs": "[1, 0, 0.7071, 0.25]",
        "why": "[1262.5, 0, 5.0, 30, 95, 0.0525]",
    },
    4: {
        "rise done": "['b', 'c']",
        "gain": "[-1.93, 5.25, 0.55, 1.9]",
        "tuning": "['a', 'c']",
        "scatter of a PSTH": "[0.14, 89.4, 40, 27.5]",
        "trials for half": "[20, 10, 39, 41]",
    },
    5: {
        "LN parameters": "[680, 684, 686, 311]",
        "memory of ConvNet2D": "[27, 24, 26, 9]",
        "looks ahead": "[lambda m, x, t: True, lambda m, x, t: False]",
        "map of LN": "['a', 'c']",
    },
    6: {
        "score of the truth": "['a', 'c']",
        "ceiling": "[lambda trials, snr: 0.9, lambda trials, snr: snr / (snr + 1 / trials)]",
        "worth of the prior": "['a', 'b']",
        "score and field": "['a']",
        "strength": "[0.0, 0.1, 30.0, 0.9]",
        "coverage": "['a', 'b']",
        "certain": "['a']",
    },
    7: {
        "untouched": "[0, 1, 3, 6]",
        "list": "[{k: n - 1 for k, n in my_list.items()}, dict.fromkeys(my_list, 1), {**my_list, 'extra': 1}, {k: my_list[k] for k in list(my_list)[:5]}]",
        "turn round": "[lambda m, n: m]",
        "learnt noise": "['a', 'b']",
        "looks ahead": "[lambda m, x: True, lambda m, x: False]",
    },
    8: {
        "bytes": "['a', 'b']",
        "read_tensor": "[lambda name: np.zeros(3)]",
        "damage": "['b', 'c']",
        "fingerprint": "[lambda m: 'x', lambda m: str(id(m)), lambda m: str(m.readout.bn.weight[0].item())]",
        "old format": "[{'kernel': my_modules['kernel']}]",
    },
    9: {
        "lost unit": "['u01', 0, 1, 2, 3]",
        "silence": "['b', 'c']",
        "translate": "[lambda row: row, lambda row: {}]",
        "new sounds": "['a']",
    },
    10: {
        "half an octave": "['a', 'c']",
        "an octave": "['a', 'b']",
        "sta": "[lambda x, r, lags: torch.zeros(len(x), lags), lambda x, r, lags: slow_sta(x, r, lags).flip(1)]",
        "order": "['b']",
        "ceiling": "[0.5, 1.0]",
        "same trials": "['a']",
        "new trials": "['a']",
    },
    11: {
        "perfect model": "['a', 'c']",
        "explainable share": "[lambda r, c: r / c, lambda r, c: r**2, lambda r, c: 0.5625]",
        "best model": "['ridge', 'LN', 'StateNet', 'gauss']",
        "sound by sound": "[0, 5, 7]",
    },
    12: {
        "two starts": "['a', 'c']",
        "reach": "[2.2, 0.3, 0.6, 1.6, -1.1]",
        "wide start": "['a', 'b']",
    },
}

# What a hand may do to a bench or a plot that is no answer: what the text forbids, and what would pass a careless check.
FORBIDDEN = {
    2: {
        "draw ON": [
            "drawn_on.draw([0], [20.0])",  # a flat line
            "drawn_on.draw([0, 495, 500, 2495, 2500], [20, 20, 60, 60, 20])",  # the level itself
            "drawn_on.draw([0, 495, 500, 2495, 2500], [0, 0, 45, 45, 0])",  # no adaptation
            "drawn_on.draw([0, 495, 500, 505], [5, 5, 45, 5])",  # forgotten at once
            "drawn_on.draw([0, 2495, 2500, 3995], [5, 5, 45, 15])",  # OFF
            "drawn_on.drawn = np.r_[np.full(100, 5), np.full(100, 45), np.full(600, np.nan)].astype('<f4').tobytes()",
        ]
    },
    3: {
        "downward": [
            "session.set('strf.weight', 0.0, (4,))",  # a field of nothing
            "session.set('strf.weight', 1e-6 * session.value('strf.weight', (4,)), (4,))",
            "session.set('strf.weight', -session.value('strf.weight', (4,)), (4,))",  # upside down still prefers upward
            "session.set('strf.center_hz', 1000.0, (0, 0, 0))",  # another neuron
            "session.set('activation.b', 1.0, (4,))",
            "session.set('strf.center_ms', 40.0, (4, 0))",  # all at one lag
        ]
    },
    4: {
        "by hand": [
            "session.set('activation.a', 1e-3, (0,)), session.set('activation.b', float(demo.responses[:, 0].mean()), (0,))",
            "session.set('activation.a', 0.002, (0,)), session.set('activation.k', -3.5, (0,)), session.set('activation.s', -1.4, (0,))",
            "session.set('activation.k', -3.5, (0,)), session.set('activation.s', -1.4, (0,)), session.set('strf.bias', 0.01, (0,))",
            "session.set('activation.k', -3.5, (0,)), session.set('activation.s', -1.4, (0,)), session.set('prefilter.w', 0.8)",
            "session.set('activation.k', -3.5, (1,)), session.set('activation.s', -1.4, (1,))",  # another neuron
        ],
        "draw the rate": [
            "drawn_rate.draw([0], [0.05])",
            "drawn_rate.draw(5 * np.arange(200), drive[0, second])",  # the drive itself
            "drawn_rate.draw(5 * np.arange(200), np.clip(-drive[0, second], -1.5, 2.0))",
            "drawn_rate.draw(5 * np.arange(200), np.where(drive[0, second] > 0.4, 0.3, 0.1))",  # far too small
        ],
    },
    10: {
        "draw the response": [
            "drawn_response.draw([0], [0.2])",
            "drawn_response.draw(dt_ms * np.arange(80), np.clip(levels[int(abs(cf_hz - 2800).argmin()), :80] / 60, 0, 0.4))",
            "drawn_response.draw(dt_ms * np.arange(80), np.clip(np.roll(levels[20, :80].numpy(), 6) / 60, 0, 0.4))",
        ],
        "level 1": [
            "moves_1 = None; level_1.set('strf.weight', 0.0, (0, 0))",  # flat
            "moves_1 = None; level_1.set('strf.weight', 2.0, (0, 0))",  # locked
            "moves_1 = None; level_1.set('activation.b', 0.5, (0,))",
            "moves_1 = {**ANSWER_1, 'strf.weight': 1.01}",
            "moves_1 = {**ANSWER_1, 'strf.sigma_ms': 9.0}",
            "moves_1 = {'strf.center_hz': 1e9}",
        ],
        "level 2": [
            "moves_2 = None; level_2.set('strf.weight', 0.0, (0, 0))",
            "moves_2 = None; level_2.set('strf.sigma_oct', 1.0, (0, 0))",
            "moves_2 = {'strf.weight': [1.0]}",
        ],
        "level 3": [
            "moves_3 = None; level_3.set('strf.weight', 0.0, (0, 0))",
            "moves_3 = None; level_3.set('activation.b', 0.5, (0,))",
        ],
    },
    12: {
        "near enough": [
            "session_near.set('strf.center_hz', 2800.0, (0, 0, 0))",  # the hand alone
            "bench_near.step(3)",  # Play alone, from afar
            "session_near.set('strf.sigma_oct', 1.2, (0, 0, 0)), bench_near.step(325)",  # locked
            "session_near.set('strf.weight', 0.0, (0, 0, 0))",
        ],
        "wide enough": [
            "session_wide.set('strf.sigma_oct', 1.2, (0, 0, 0))",
            "session_wide.set('strf.center_hz', 2500.0, (0, 0, 0)), bench_wide.step(60)",  # locked
            "bench_wide.step(3)",
        ],
    },
}


def printed(cell: nbformat.NotebookNode) -> str:
    """Without warnings, which nonsense may well give."""
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3", resources=resources)
    try:
        client.execute()
    except RuntimeError as error:
        # A port that was free when the kernel was started may be taken when it opens it: once more, with other ports.
        if "before replying to kernel_info" not in str(error):
            raise
        client.execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_exercise_has_a_solution_that_differs_from_it(path: Path) -> None:
    number, notebook = int(path.name[:2]), nbformat.read(path, as_version=4)
    places = list(exercises(notebook))
    assert [name for place in places for name in place.checks] == list(lesson_of(number).exercises)
    assert list(solutions(number)) == list(lesson_of(number).exercises)
    after = solved(notebook, number)
    assert all(notebook.cells[place.cell].source != after.cells[place.cell].source for place in places)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_solution_stands_in_the_notebook(path: Path) -> None:
    """A solution's own lines, those of the exercise apart, are in no cell and no output."""
    number, notebook = int(path.name[:2]), nbformat.read(path, as_version=4)
    asked = {line.strip() for place in exercises(notebook) for line in notebook.cells[place.cell].source.splitlines()}
    texts = "\n".join(
        cell.source + "\n" + "\n".join(output.get("text", "") for output in cell.get("outputs", []))
        for cell in notebook.cells
    )
    for code, text in solutions(number).values():
        own = [line.strip() for line in code.splitlines() if len(line.strip()) > 18 and line.strip() not in asked]
        assert not [line for line in own if line in texts and not line.startswith(("from ", "with "))], code
        assert not text or text[:60] not in texts


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_exercise_has_wrong_answers_of_its_own(path: Path) -> None:
    number = int(path.name[:2])
    by_hand = {name for name, one in lesson_of(number).exercises.items() if one.kind in ("gesture", "drawing")}
    assert set(WRONG[number]) == set(lesson_of(number).exercises) - by_hand
    assert set(FORBIDDEN.get(number, {})) == by_hand


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    make(folder)
    return folder


def test_student_s_version_has_no_solution_and_no_output(course: Path) -> None:
    assert not list(course.glob("student/**/solutions")) and not list(course.glob("nbgrader/**/solutions"))
    for path in course.glob("student/*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        assert not [cell for cell in cells if cell.get("outputs")]
        assert "solution(" not in "".join(cell.source for cell in cells if cell.cell_type == "markdown"), "promised, and not there"


def test_instructor_s_version_has_every_solution_and_where_students_stumble(course: Path) -> None:
    for path in course.glob("instructor/*.ipynb"):
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        for name, (code, _) in solutions(int(path.name[:2])).items():
            assert code in text and f"**{name}**" in text
        stumbles = [exercise.stumble for exercise in lesson_of(int(path.name[:2])).exercises.values()]
        assert all(stumbles) and all(stumble in text for stumble in stumbles)


def test_a_folder_that_the_course_did_not_make_is_kept(tmp_path: Path) -> None:
    (tmp_path / "student").mkdir()
    with pytest.raises(FileExistsError, match="student exists and was not made by make_course"):
        make(tmp_path)


def test_what_was_handed_in_and_set_stays_when_the_course_is_made_anew(tmp_path: Path) -> None:
    make(tmp_path)
    added = [tmp_path / name for name in ("nbgrader/gradebook.db", "nbgrader/submitted/ada/01/a.ipynb", "student/notes.md")]
    settings = tmp_path / "nbgrader" / "nbgrader_config.py"
    for path in added:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    settings.write_text("mine")
    make(tmp_path)
    assert {path.read_text() for path in [*added, settings]} == {"mine"}


def test_a_lesson_that_the_lecturer_has_removed_is_not_handed_out_again(tmp_path: Path) -> None:
    assert make(tmp_path) == []
    lesson = tmp_path / "student" / "02_adaptation.ipynb"
    lesson.unlink()
    for _ in range(2):
        assert make(tmp_path) == ["student/02_adaptation.ipynb"]
        assert not lesson.exists() and (lesson.parent / "03_receptive_fields.ipynb").exists()
    (tmp_path / "student").rename(tmp_path / "handed out")
    assert make(tmp_path) == [] and lesson.exists()


@pytest.mark.parametrize("name", ["student/02_adaptation.ipynb", "student/course/lesson_02.py", "instructor/README.md"])
def test_a_lesson_that_the_lecturer_has_changed_is_not_overwritten(course: Path, name: str) -> None:
    path = course / name
    before = path.read_text()
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=rf"{re.escape(str(path))} was changed since"):
        make(course)
    assert path.read_text() == "mine" and (course / "nbgrader" / "source" / "02_adaptation").is_dir()
    path.write_text(before)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "course" / "lesson_02.py").unlink(), r"02_adaptation.ipynb must have its module"),
        (lambda folder: (folder / "course" / "solutions" / "02_adaptation.md").unlink(), "the solutions of lesson 2 are missing"),
        (lambda folder: (folder / "course" / "run_seconds.json").write_text("{}"), r"run `python -m course\.measure 00_tour`"),
        (
            lambda folder: (folder / "course" / "solutions" / "02_adaptation.md").write_text("## other\n\n```python\nx = 1\n```\n"),
            r"02_adaptation.ipynb must have the same exercises in its checks \(a at 1 kHz, .*\) and its solutions \(other\)",
        ),
    ],
)
def test_a_lesson_that_is_not_whole_is_named_before_anything_is_written(tmp_path: Path, spoil: Callable[[Path], object], said: str) -> None:
    folder = tmp_path / "notebooks"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    spoil(folder)
    made = subprocess.run(
        [sys.executable, "-m", "course.make_course", str(tmp_path / "made")], cwd=folder, capture_output=True, text=True
    )
    assert made.returncode == 1 and re.search(said, made.stderr)
    assert "Traceback" not in made.stderr and not (tmp_path / "made").exists()


def test_student_s_version_ends_with_the_cell_that_hands_in(course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record.keep(2, "ON at the jump", "right")
    for path in course.glob("student/*.ipynb"):
        last = nbformat.read(path, as_version=4).cells[-1].source
        exec(last, {})
        assert not list(tmp_path.glob("*.json"))
    exec(last.replace('my_name = ""', 'my_name = "Ada"'), {})
    assert [row["student"] for row in record.collect(tmp_path)] == ["Ada"]


def test_recordings_that_must_not_be_passed_on_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "notebooks" / "course"
    folder.mkdir(parents=True)
    monkeypatch.setattr(make_course, "NOTEBOOKS", folder.parent)
    save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
    recording = Recording.from_arrays(torch.rand(2, 30), torch.rand(1, 1, 30), dt_ms=5.0, cf_hz=[500.0, 1000.0])
    for free in (True, False):
        recording.source = Source("aa1", "Zebra finch", "own account", "CRCNS terms of use", "A (2011)", redistribution=free)
        recording.save(folder / "aa1.safetensors")
        with nullcontext() if free else pytest.warns(UserWarning, match=r"aa1\.safetensors is a recording of 'aa1' \(licence: CRCNS"):
            make(tmp_path / "made")


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.name for path in NOTEBOOKS])
def test_student_s_version_passes_with_the_instructor_s_answers_and_with_nothing_else(course: Path, name: str) -> None:
    """Also not with plausible answers, answers in other units, random ones, or gestures that the text forbids."""
    number, notebook = int(name[:2]), nbformat.read(course / "student" / name, as_version=4)
    answers = {cell.id: cell.source for cell in nbformat.read(course / "instructor" / name, as_version=4).cells}
    places = list(exercises(notebook))
    for place in places:
        assert notebook.cells[place.cell].source != answers[notebook.cells[place.cell].id]
        notebook.cells[place.cell].source = answers[notebook.cells[place.cell].id]
    checks = [index for place in places for index in place.checks.values()]
    wrong = ", ".join(f"{name!r}: {answers}" for name, answers in WRONG[number].items())
    last = NONSENSE.replace("NUMBER", f"{number:02d}").replace("WRONG", f"{{{wrong}}}").replace("SLOWEST_S", str(SLOWEST_S))
    last = last.replace("FORBIDDEN", repr(FORBIDDEN.get(number, {})))
    if number == 10:
        last = "ANSWER_1 = dict(moves_1)\n" + last
    # A student runs a check more than once, and after "Run All" too: no second run may fail.
    again = [nbformat.v4.new_code_cell(notebook.cells[index].source) for index in checks]
    claims = [nbformat.v4.new_code_cell(code) for code in (*CLAIMS.get(number, {}).values(), *WORDS.get(number, {}).values())]
    notebook.cells += [*again, *claims, nbformat.v4.new_code_cell(last)]
    run(notebook, course / "student")
    for cell in [*(notebook.cells[index] for index in checks), *again]:
        assert printed(cell).startswith("Yes."), (cell.source, printed(cell))
    # `print`, of the nonsense, may have said something before.
    assert printed(notebook.cells[-1]).splitlines()[-2:] == ["open again []", "passed [] raised [] slow [] refused []"]
