"""What a public recording costs: ``python tests/benchmarks/public_recordings.py [memory | bench]``.

``memory``: an archive like NAT4 (849 units, 595 sounds, 100 bins per second; a .tgz of NEMS files) is read whole and 20
units of it, each in a fresh process, whose peak above its imports is shown; the bars are 1.2 GiB and 200 MB.
``bench``: from `deepstrf.datasets.fetch` of an archive of 40 units and 100 sounds on this machine to a fitted LN model
on the bench, in five lines; the bar is 60 s.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
BINS_PER_SECOND, BANDS, VALIDATION, CATALOGUE = 100, 18, 18, "catalogue.json"
WHOLE, SOME = (849, 595), 20
SITE = "A1_like.fs100.ch18"
READ = """
import json, sys
from pathlib import Path
from deepstrf.datasets import read_nems

def held(name):
    return next(int(x.split()[1]) for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name))

import pandas
before = held("VmHWM")
units = json.loads(sys.argv[2])
recording = read_nems(sys.argv[1], units=units)
print((held("VmHWM") - before) / 1024, len(recording.neuron_names), len(recording))
"""
FIVE_LINES = """
recording = fetch("nat", catalogue=catalogue, progress=False)
train, validation = recording.select(stimuli=range(80)), recording.select(stimuli=range(80, 100))
model = LinearNonlinear(len(recording.cf_hz), 20, out_neurons=len(recording.neuron_names))
Fitter(progress=False).fit(model, train, validation)
explore(model, validation)
"""


def write(folder: Path, units: int, sounds: int, *, seed: int = 0) -> Path:
    """Archive in the layout of the published recordings: sounds of 1.5 s, raster of counts, some of it missing."""
    random = np.random.default_rng(seed)
    bins = round(1.5 * BINS_PER_SECOND)
    T = sounds * bins
    names = [f"STIM_{'00cat' if i < min(VALIDATION, sounds // 5) else 'cat'}{i:04d}.wav" for i in range(sounds)]
    epochs = "".join(f"{name},{1.5 * i:.2f},{1.5 * (i + 1):.2f}\n" for i, name in enumerate(names))
    chans = {
        "stim": [str(i) for i in range(BANDS)],
        "resp": [f"CRD{n // 40:03d}a-{n % 40:02d}-1" for n in range(units)],
    }
    levels = np.repeat(random.gamma(1.0, 2.0, (T // 5 + 1, BANDS)), 5, axis=0)[:T]
    drive = levels @ random.normal(size=(BANDS, units)) / BANDS
    files = {f"{SITE}.meta.json": json.dumps({"site": SITE}).encode()}
    files[f"{SITE}.resp.epoch.csv"] = f"name,start,end\n{epochs}".encode()
    for signal, of in chans.items():
        about = {"name": signal, "chans": of, "fs": BINS_PER_SECOND, "segments": [[0, T]]}
        files[f"{SITE}.{signal}.json"] = json.dumps(about).encode()
    files[f"{SITE}.stim.csv"] = b"".join(b"%s\n" % b",".join(b"%.3f" % x for x in row) for row in levels.tolist())
    counts = np.minimum(random.poisson(np.maximum(drive, 0.0)), 9).astype(np.uint8)
    text = np.tile(np.frombuffer(b"0.0,", np.uint8), (T, units)).reshape(T, units, 4)
    text[..., 0] += counts
    text[:, -1, 3] = ord("\n")
    files[f"{SITE}.resp.csv"] = text.tobytes()
    path = folder / "A1_like.tgz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, data in files.items():
            (folder / name).write_bytes(data)
            archive.add(folder / name, arcname=f"A1/{name}")
            (folder / name).unlink()
    return path


def peak_mb(path: Path, units: list[int] | None) -> float:
    """Mebibytes above what its imports take, at the peak of a fresh process that reads units of a recording."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "2"}
    arguments = [sys.executable, "-c", READ, str(path), json.dumps(units)]
    found = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout.split()
    wanted = WHOLE[0] if units is None else len(units)
    if int(found[1]) > wanted:
        raise ValueError(f"{path} must give at most {wanted} units, got {found[1]}")
    return float(found[0])


def seconds_to_the_bench(folder: Path, units: int = 40, sounds: int = 100) -> tuple[float, float]:
    """Seconds of the five lines, and of processor time in them, with an archive served from this machine."""
    from deepstrf import Fitter, LinearNonlinear, fetch
    from deepstrf_widgets import explore

    write(folder, units, sounds)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """No line for each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    entry = {
        "title": "Like NAT4", "state": "untried", "licence": "CC-BY-4.0", "citation": "none", "redistribution": True,
        "file": "A1_like.tgz", "address": f"http://127.0.0.1:{server.server_address[1]}/A1_like.tgz",
        "reader": "read_nems", "splits": {},
    }  # fmt: skip
    (folder / CATALOGUE).write_text(json.dumps({"sets": {"nat": entry}}), encoding="utf-8")
    os.environ["DEEPSTRF_DATA"] = str(folder / "data")
    names = {
        "fetch": fetch, "catalogue": folder / CATALOGUE, "LinearNonlinear": LinearNonlinear, "Fitter": Fitter,
        "explore": explore,
    }  # fmt: skip
    began, used = time.perf_counter(), time.process_time()
    try:
        exec(FIVE_LINES, names)
    finally:
        server.shutdown()
        server.server_close()
    return time.perf_counter() - began, time.process_time() - used


def main(arguments: list[str] | None = None) -> None:
    """Print the figures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["memory", "bench"], help="only this one")
    parser.add_argument("--sounds", type=int, default=WHOLE[1], help="of the recording like NAT4")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if given.what != "memory":
            seconds, used = seconds_to_the_bench(Path(folder))
            print(f"fetch to bench, 40 units, 100 sounds: {seconds:.1f} s, {used:.1f} s of processor time", flush=True)
        if given.what != "bench":
            path = write(Path(folder), WHOLE[0], given.sounds)
            for said, units in (("all units", None), (f"{SOME} units", list(range(0, 20 * SOME, 20)))):
                print(f"{WHOLE[0]} units, {given.sounds} sounds, {said}: {peak_mb(path, units):.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
