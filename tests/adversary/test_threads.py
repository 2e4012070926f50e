"""Ten threads read and edit one session: every answer is that of one of its states, and the model stays whole."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

import deepstrf
from deepstrf.metrics import corrcoef
from deepstrf.training import Fitter, Progress
from deepstrf.training.under_way import turns_of
from deepstrf_widgets import BenchWidget, Edit, LiveSession
from deepstrf_widgets.bench.html_export import save_html
from deepstrf_widgets.explorer.diagnosis import diagnose_session
from deepstrf_widgets.figures.neuron_figure import figure_updates
from deepstrf_widgets.neuron_gallery import Gallery
from deepstrf_widgets.neuron_gallery.tuning_table import COLUMNS, TuningTable
from deepstrf_widgets.session.edited_model import FitUnderWayError
from deepstrf_widgets.session.notifications import THREAD_NAME
from deepstrf_widgets.session.serialization import restore_state, state_text
from tests.adversary.scale import WHOLE

pytestmark = [pytest.mark.slow] if WHOLE else []


SECONDS = 10.0 if WHOLE else 1.0
THREADS = 10
HUNG_S = 20.0
CHECKED = 300 if WHOLE else 60

PAIRINGS = {
    "edit and read": ("set", "rate", "score"),
    "undo": ("set", "undo", "redo", "rate", "value"),
    "revert and restore": ("set", "revert", "restore", "rate", "score", "state"),
    "another stimulus": ("set", "stimulus", "rate", "score", "drive", "figure"),
    "gestures": ("gesture", "rate", "bench", "undo", "drive"),
    "whole population": ("set", "prefilter", "tuning", "rate", "map"),
    "files": ("set", "prefilter", "save", "page", "state", "rate"),
    "diagnosis": ("set", "undo", "diagnosis", "rate", "snapshot"),
    "pages and panels": ("gesture", "set", "explanation", "gallery", "one page", "diagnosis", "rate"),
    "two sessions": ("set", "second", "undo", "rate", "score", "value", "snapshot"),
    "modes of torch": ("set", "prefilter", "inference", "no grad", "double", "rate", "score", "drive"),
    "a fit": ("fit", "refused", "rate", "score", "snapshot", "figure"),
    "everything": (
        *("set", "prefilter", "gesture", "undo", "redo", "revert", "restore", "stimulus", "bench"),
        *("rate", "score", "value", "drive", "map", "tuning", "snapshot", "figure", "save", "state"),
    ),
}


@dataclass
class Answer:
    """What observers in a thread were passed between two versions; ``sound`` is the stimulus where it is known."""

    kind: str
    neuron: int
    value: Any
    first: int
    last: int


@dataclass
class Crowd:
    """A session of the demo, with a record of all of its states, and what threads may do to it."""

    folder: Path
    steps: set[str] = field(default_factory=set)
    answers: list[Answer] = field(default_factory=list)
    done: collections.Counter[str] = field(default_factory=collections.Counter)
    errors: collections.Counter[str] = field(default_factory=collections.Counter)

    def __post_init__(self) -> None:
        demo = deepstrf.load_demo()
        model = demo.model.requires_grad_(True)
        stimulus = demo.stimulus.values[..., :160]
        self.session = LiveSession(
            model, stimulus, demo.responses[..., :160], dt_ms=demo.stimulus.dt_ms, cf_hz=demo.stimulus.cf_hz
        )
        self.other = stimulus.flip(-1)[..., :120].clone()
        self.shapes = {name: tensor.shape for name, tensor in self.session.model.state_dict().items()}
        self.identities = {name: id(one) for name, one in self.session.model.named_parameters()}
        self.states: dict[int, tuple[dict[str, torch.Tensor], torch.Tensor]] = {}
        edited = self.session._edited
        carry_out = edited._carry_out

        def recording(plan: Any) -> None:
            carry_out(plan)
            self.record()

        edited._carry_out = recording
        self.record()
        donor = LiveSession(demo.model, stimulus, dt_ms=demo.stimulus.dt_ms, cf_hz=demo.stimulus.cf_hz)
        self.texts = [state_text(donor)]
        donor.set("strf.weight", 0.33, (2, 0, 0))
        donor.set("activation.beta", 3.0, (4,))
        self.texts.append(state_text(donor))
        self.numbers = itertools.count()
        self.of_type = threading.Lock()
        self.second = LiveSession(
            self.session.model,
            stimulus,
            demo.responses[..., :160],
            dt_ms=demo.stimulus.dt_ms,
            cf_hz=demo.stimulus.cf_hz,
            copy_model=False,
        )
        self.called: list[int] = []
        self.session.observe(lambda change: self.called.append(change.version))
        self.bench = BenchWidget(self.session)
        self.recording = self.session.first_stimulus.cpu(), self.session.first_responses

    def record(self) -> None:
        """Keep the state as it is now; the session's lock is held."""
        state = self.session._edited.state
        tensors = {name: tensor.clone() for name, tensor in state.twin.tensors.items()}
        self.states[state.version] = tensors, state.played.batch

    def run(self, mix: tuple[str, ...], seconds: float) -> int:
        """Number of threads that hang, after ten of them have done what the mix says for so long."""
        end = threading.Event()

        def work(seed: int) -> None:
            draw = random.Random(seed)
            torch.set_num_threads(1)
            # One thread alone fits: two fits of one model are the user's error.
            mine = [one for one in mix if one != "fit"] if seed else list(mix)
            while not end.is_set():
                kind = "fit" if "fit" in mine and not seed else draw.choice(mine)
                try:
                    self.once(kind, draw)
                except FitUnderWayError:
                    self.done["refused during a fit"] += 1
                except Exception as error:  # noqa: BLE001 - every error is a finding
                    self.errors[f"{kind}: {type(error).__name__}: {str(error)[:120]}"] += 1
                else:
                    self.done[kind] += 1

        threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(THREADS)]
        if "fit" in mix:
            # The first optimizer of a process imports many modules: beside nine busy threads for ten seconds.
            torch.optim.Adam([torch.zeros(1, requires_grad=True)])
        threads[0].start()
        deadline = time.monotonic() + HUNG_S
        while "fit" in mix and turns_of(self.session.model) is None and time.monotonic() < deadline:
            time.sleep(0.001)
        for thread in threads[1:]:
            thread.start()
        time.sleep(seconds)
        # Where other programs have the cores, the first step of a fit comes later.
        while "fit" in mix and len(self.states) < 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        end.set()
        deadline = time.monotonic() + HUNG_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return sum(thread.is_alive() for thread in threads)

    def once(self, kind: str, draw: random.Random) -> None:
        """Do one thing, and keep the answer."""
        session, neuron = self.session, draw.randrange(6)
        if kind in ("rate", "score", "value", "drive"):
            first = session._edited.state.version
            value = {
                "rate": lambda: session.rate(neuron),
                "score": lambda: session.score(neuron),
                "value": lambda: session.value("strf.weight", (neuron,)),
                "drive": lambda: session.live.drive(neuron),
            }[kind]()
            self.answers.append(Answer(kind, neuron, value, first, session._edited.state.version))
        elif kind == "snapshot":
            now = session.snapshot()
            self.answers.append(Answer("rate", neuron, now.rate(neuron), now.version, now.version))
            self.answers.append(Answer("score", neuron, now.score(neuron), now.version, now.version))
            self.answers.append(Answer("value", neuron, now.value("strf.weight", (neuron,)), now.version, now.version))
        elif kind == "figure":
            first = session._edited.state.version
            drawn = figure_updates(session, neuron)
            answer = Answer("figure", neuron, (drawn["model"]["y"], drawn.get("drive")), first, 0)
            answer.last = session._edited.state.version
            self.answers.append(answer)
        else:
            self.change(kind, neuron, draw)

    def change(self, kind: str, neuron: int, draw: random.Random) -> None:
        """Do something that has no answer of its own."""
        session = self.session
        acts: dict[str, Callable[[], object]] = {
            "set": lambda: session.set(
                draw.choice(["strf.weight", "activation.beta", "strf.center_ms"]), draw.uniform(1, 3), (neuron,)
            ),
            "prefilter": lambda: session.set("prefilter.w", draw.uniform(0.2, 0.9), (draw.randrange(34),)),
            "gesture": lambda: session.apply(
                [Edit("strf.weight", draw.uniform(0, 1), (neuron, 0, 0))],
                draw.choice("ab"),
                settled=draw.random() < 0.3,
            ),
            "undo": session.undo,
            "redo": session.redo,
            "revert": lambda: session.revert(None, (neuron,)),
            "restore": lambda: restore_state(session, draw.choice(self.texts)),
            "stimulus": lambda: session.set_stimulus(draw.choice([None, self.other])),
            "map": lambda: session.live.gradient_map(neuron),
            "tuning": self.tuning,
            "diagnosis": lambda: diagnose_session(session),
            "bench": lambda: self.message(draw, neuron),
            "save": lambda: session.save_pretrained(self.folder / f"model-{threading.get_ident()}"),
            "page": lambda: save_html(self.bench, self.folder / f"page-{threading.get_ident()}.html", neurons=[neuron]),
            "one page": lambda: save_html(self.bench, self.folder / "page.html", neurons=[neuron]),
            "explanation": lambda: self.explanation(neuron, draw.uniform(0, 500)),
            "gallery": self.gallery,
            "second": lambda: self.second.set("strf.weight", draw.uniform(1, 3), (neuron,)),
            "inference": lambda: self.within(torch.inference_mode, draw, neuron),
            "no grad": lambda: self.within(torch.no_grad, draw, neuron),
            "double": lambda: self.within(self.double, draw, neuron),
            "state": lambda: state_text(session),
            "fit": self.fit,
            "refused": self.refused,
        }
        acts[kind]()

    def explanation(self, neuron: int, time_ms: float) -> None:
        """The sum is the drive of the same moment of the session."""
        if self.session.on_first_stimulus:
            found = self.session.explain(neuron, time_ms)
            total = found.gain * (sum(found.sums) + found.bias) + found.offset
            assert abs(total - found.drive) < 1e-3 * max(1.0, abs(found.drive))

    def gallery(self) -> None:
        """Made, read and closed beside edits."""
        made = Gallery(self.session)
        assert len(made.readouts()["peak"]) == 6
        made.close()

    def within(self, mode: Callable[[], Any], draw: random.Random, neuron: int) -> None:
        """A cell that edits and reads in another mode of torch."""
        with mode():
            self.change("set", neuron, draw)
            for kind in ("rate", "score", "drive"):
                self.once(kind, draw)

    @contextlib.contextmanager
    def double(self) -> Iterator[None]:
        """The default type of all threads is float64; one thread at a time changes it."""
        with self.of_type:
            torch.set_default_dtype(torch.float64)
            try:
                yield
            finally:
                torch.set_default_dtype(torch.float32)

    def tuning(self) -> None:
        """Read-outs of all neurons: of none may a thread leave what another has begun."""
        table = TuningTable(self.session)
        table.read_fields(range(6))
        table.read_scores(range(6))
        table.read_edited()
        assert torch.isfinite(torch.as_tensor(table.table[:, COLUMNS.index("peak")])).all()

    def message(self, draw: random.Random, neuron: int) -> None:
        """An edit as the browser sends it."""
        client = f"page-{threading.get_ident()}"
        text = {"type": "edit", "client": client, "seq": next(self.numbers), "gesture": "g", "phase": "end"}
        edits = [{"name": "strf.weight", "index": [neuron, 0, 0]}]
        values = torch.tensor([draw.uniform(0, 1)]).numpy().tobytes()
        self.bench._received(None, {**text, "edits": edits}, [values])
        if self.bench.error:
            raise RuntimeError(self.bench.error)

    def refused(self) -> None:
        """An edit during a fit: where the fit has ended before it, there is none."""
        if turns_of(self.session.model) is not None:
            self.session.undo()

    def fit(self) -> None:
        """Forty epochs of a fit of the session's own model, whose whole steps are noted."""
        model, steps = self.session.model, self.steps
        steps.add(fingerprint(model.state_dict()))

        class Watching:
            def __call__(self, progress: Progress) -> None:
                steps.add(fingerprint(progress.model.state_dict()))

            on_batch = __call__

        Fitter(epochs=40, progress=False, batch_size=1, callbacks=[Watching()]).fit(model, self.recording)
        steps.add(fingerprint(model.state_dict()))

    def half_steps(self) -> int:
        """States of the session that are no state between two steps of a fit."""
        return sum(fingerprint(tensors) not in self.steps for tensors, _ in self.states.values())

    # -- what must hold ------------------------------------------------------------------------------------------

    def wrong_answers(self) -> Iterator[str]:
        """Answers that fit no state of the session between their two versions."""
        step = max(1, len(self.answers) // CHECKED)
        model = deepstrf.load_demo().model.eval()
        known: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

        def truth(version: int) -> tuple[torch.Tensor, torch.Tensor]:
            if version not in known:
                tensors, stimulus = self.states[version]
                model.load_state_dict(tensors)
                with torch.no_grad():
                    x = model.prefiltered(stimulus)
                    drive = model.readout.bn(model.readout.strf(x)[:, :, 0])
                    known[version] = model(stimulus)[:, :, 0], drive
            return known[version]

        def fits(answer: Answer, version: int) -> bool:
            rates, drives = truth(version)
            rate, drive = rates[:, answer.neuron], drives[:, answer.neuron]
            if answer.kind == "rate":
                return close(answer.value, rate)
            if answer.kind == "drive":
                return close(answer.value, drive)
            if answer.kind == "value":
                weight = self.states[version][0]["readout.strf.kernel.weight"][answer.neuron]
                return close(torch.as_tensor(answer.value), weight.double())
            if answer.kind == "figure":
                line, lane = answer.value
                same = lane is None or close(torch.as_tensor(lane["y"]), drive[0], 1e-3)
                return same and close(torch.as_tensor(line), rate[0], 1e-3)
            if rate.shape[1] != self.recording[0].shape[3]:
                return answer.value is None
            wanted = corrcoef(rate[:, None, None], self.recording[1][:, answer.neuron, None], reduction="none")
            return answer.value is not None and abs(float(wanted) - answer.value) < 1e-4

        for answer in self.answers[::step]:
            versions = [v for v in range(answer.first, answer.last + 1) if v in self.states]
            if not any(fits(answer, version) for version in versions):
                yield f"{answer.kind} of neuron {answer.neuron}, versions {answer.first} to {answer.last}"

    def damage(self) -> list[str]:
        """What is not as it was: names, shapes and identity of the model's tensors, observers, and the last rates."""
        session, found = self.session, []
        if {name: tensor.shape for name, tensor in session.model.state_dict().items()} != self.shapes:
            found.append("tensors have other names or shapes")
        if {name: id(one) for name, one in session.model.named_parameters()} != self.identities:
            found.append("parameters are other objects")
        with torch.no_grad():
            fresh = session.model.eval()(session.stimulus)[:, :, 0]
        found += [f"rate of neuron {n} is stale" for n in range(6) if not close(session.rate(n), fresh[:, n])]
        # A thread of the session may still be calling observers for those that have ended.
        for thread in threading.enumerate():
            if thread.name == THREAD_NAME:
                thread.join(10)
        if self.called != sorted(self.states)[1:]:
            found.append(f"observers were called with {len(self.called)} of {len(self.states) - 1} changes")
        return found


def fingerprint(tensors: Mapping[str, torch.Tensor]) -> str:
    """The same for equal tensors."""
    values = [tensors[name].numpy().tobytes() for name in sorted(tensors)]
    return hashlib.sha1(b"".join(values)).hexdigest()


def close(one: torch.Tensor, other: torch.Tensor, relative: float = 1e-4) -> bool:
    if one.shape != other.shape:
        return False
    tolerance = relative * max(1.0, float(other.abs().max()))
    return bool((one.double() - other.double()).abs().max() <= tolerance)


@pytest.mark.parametrize("name", PAIRINGS)
def test_ten_threads_at_one_session(tmp_path: Path, name: str) -> None:
    crowd = Crowd(tmp_path)
    hung = crowd.run(PAIRINGS[name], SECONDS)
    wrong = list(crowd.wrong_answers())
    print(f"{name}: {sum(crowd.done.values())} operations, {dict(crowd.done)}")
    if "fit" in PAIRINGS[name]:
        assert crowd.done["refused during a fit"]
        assert len(crowd.states) > 1
        assert not crowd.half_steps(), f"{crowd.half_steps()} of {len(crowd.states)} states are half a step"
    assert not hung, f"{hung} threads hang"
    assert not crowd.errors, dict(crowd.errors)
    assert not wrong, f"{len(wrong)} of {len(crowd.answers)} answers: {wrong[:3]}"
    assert crowd.damage() == []
