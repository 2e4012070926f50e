"""A program that is killed while it saves, again and again, beside a reader: `kills` runs both and counts.

python tests/adversary/killed_writers.py --seconds 60
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT), str(ROOT / "widgets")]

import torch  # noqa: E402

from deepstrf.datasets import Recording, RecordingFolder  # noqa: E402
from deepstrf.models.audio import LinearNonlinear  # noqa: E402
from deepstrf_widgets import BenchWidget, LiveSession  # noqa: E402
from deepstrf_widgets.bench import save_html, save_module  # noqa: E402

F, T, N, FRAMES, RATE_HZ = 6, 4, 2, 30, 44100
LATEST_S = 0.15
REFUSALS = (FileExistsError, FileNotFoundError, ValueError)


@dataclass(frozen=True)
class Writer:
    """What saves version 0 or 1 under a path, and what of it can be told from what is read there."""

    name: str
    save: Callable[[int, Path], object]
    read: Callable[[Path], object]
    versions: tuple[object, object]
    replaces: bool = True
    """Whether it writes over what it has written before."""


def writers(folder: Path) -> list[Writer]:
    """All that writes files under a path of the user's choice, both versions of which are saved in ``folder``."""
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(1)
    sound = torch.rand(1, 1, F, FRAMES, generator=draw)
    axes = {"dt_ms": 5.0, "cf_hz": torch.linspace(500.0, 8000.0, F)}
    counts = [torch.full((1, N, 2, FRAMES), version + 1.0) for version in range(2)]
    recordings = [Recording(sound, one, **axes) for one in counts]
    models, benches = [], []
    for version in range(2):
        model = LinearNonlinear(F, T, out_neurons=N).eval()
        with torch.no_grad():
            model.readout.bn.weight.fill_(version + 1.0)
        models.append(model)
        benches.append(BenchWidget(LiveSession(model, sound, **axes)))
    waveform = torch.zeros(8000).numpy()

    def gain(path: Path) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the last save was interrupted
            return float(LinearNonlinear.from_pretrained(path).readout.bn.weight[0])

    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def spikes(recording: Recording) -> float:
        return float(torch.nan_to_num(recording.responses).sum())

    found = [
        ("recording", lambda v, p: recordings[v].save(p), lambda p: spikes(Recording.load(p)), True),
        ("folder", lambda v, p: RecordingFolder.write(p, recordings[v], [waveform], RATE_HZ), _read_folder, False),
        ("model", lambda v, p: models[v].save_pretrained(p), gain, True),
        ("page.html", lambda v, p: save_html(benches[v], p), digest, True),
        ("module.mjs", lambda v, p: save_module(benches[v], p), digest, True),
    ]
    result = []
    for name, save, read, replaces in found:
        versions = []
        for version in range(2):
            path = folder / str(version) / name
            path.parent.mkdir(exist_ok=True)
            save(version, path)
            versions.append(read(path))
        assert versions[0] != versions[1], name
        result.append(Writer(name, save, read, (versions[0], versions[1]), replaces))
    return result


def _read_folder(path: Path) -> float:
    return float(torch.nan_to_num(RecordingFolder(path, dt_ms=5.0, n_bands=F).responses).sum())


def fault(writer: Writer, path: Path, wanted: tuple[object, ...]) -> str:
    """What is wrong with what is read at a path; empty for a whole version and for an error that names the place."""
    try:
        found = writer.read(path)
    except REFUSALS as error:
        named = path.name in str(error)
        return "" if named and None in wanted else f"{writer.name}: {type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - every other error is a finding
        return f"{writer.name}: {type(error).__name__}: {error}"
    return "" if found in wanted else f"{writer.name}: {found} is neither version"


def kills(folder: Path, seconds: float) -> dict[str, object]:
    """Counts of kills, reads beside the writer, and faults by what was wrong."""
    draw, counts = random.Random(0), collections.Counter({"kills": 0, "reads": 0, "ended": 0})
    faults: collections.Counter[str] = collections.Counter()
    (folder / "references").mkdir()
    everything = writers(folder / "references")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        writer = draw.choice(everything)
        path = folder / f"{counts['kills']}" / writer.name
        path.parent.mkdir()
        if writer.replaces:
            writer.save(0, path)
        process = os.fork()
        if process == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            version = 0
            while writer.replaces or version == 0:
                version += 1
                writer.save(version % 2, path)
            os._exit(0)
        latest = time.monotonic() + draw.uniform(0, LATEST_S)
        allowed = writer.versions if writer.replaces else (*writer.versions, None)
        while time.monotonic() < latest:
            faults.update(filter(None, [fault(writer, path, allowed)]))
            counts["reads"] += 1
        os.kill(process, draw.choice([signal.SIGTERM, signal.SIGKILL]))
        _, status = os.waitpid(process, 0)
        counts["kills"] += 1
        if not os.WIFSIGNALED(status):
            counts["ended"] += 1
            faults.update(["the writer failed"] if os.waitstatus_to_exitcode(status) else [])
        faults.update(filter(None, [fault(writer, path, allowed)]))
        # Whatever was left does not stand in the way of the next save.
        if writer.replaces:
            writer.save(0, path)
            faults.update(filter(None, [fault(writer, path, writer.versions[:1])]))
    return {**counts, "faults": dict(faults)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    with tempfile.TemporaryDirectory() as home:
        found = kills(Path(home), parser.parse_args().seconds)
    print(json.dumps(found), flush=True)
    os._exit(int(bool(found["faults"])))  # threads that are inside torch when the interpreter ends would abort it
