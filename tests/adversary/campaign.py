"""The whole campaign: every door, all of its hostile inputs, and a table of what happened.

    python tests/adversary/campaign.py [--share 0.01 | --first 1000 --inputs 500] [--jobs 2] [door ...]

Each door is opened in processes of its own, one for each 2,500 of its inputs and as many side by side as there are
cores. They are watched from outside: what takes longer than 20 s of the processor, or two minutes in all on a machine
that is busy, is hung, and a process that ends is dead. Inputs follow from the seed alone, so that any of them can be
made again.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import numpy as np
import psutil

SECONDS, SECONDS_IN_ALL = 20.0, 120.0
LIMIT_GB = 4.0
SEED = 20
PIECE = 2500
KINDS = ("right", "refused", "wrong", "raw", "hung", "dead")
ROOT = Path(__file__).resolve().parents[2]


def work(name: str, first: int, count: int) -> None:
    """Open one door with inputs ``first`` to ``count``; a line for each goes to the standard output."""
    import resource

    from tests.adversary.all_doors import DOORS
    from tests.adversary.doors import outcome

    for number in range(first, count):
        print(json.dumps({"begin": number}), flush=True)
        with tempfile.TemporaryDirectory() as folder:
            rng = np.random.default_rng([SEED, number, *name.encode()])
            started = time.monotonic()
            kind, message = outcome(DOORS[name].make(rng, Path(folder)))
            seconds = time.monotonic() - started
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            json.dumps({"number": number, "kind": kind, "message": message, "seconds": seconds, "gb": peak_gb}),
            flush=True,
        )


def watch(name: str, count: int, first: int = 0) -> dict[str, float]:
    """Figures of one door with inputs ``first`` to ``count``; faults are printed as they come."""
    figures: dict[str, float] = collections.Counter()
    slowest, peak_gb, opened = 0.0, 0.0, time.monotonic()
    while first < count:
        worker = subprocess.Popen(
            [sys.executable, __file__, "--work", name, str(first), str(count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=_pass_on, args=(worker.stdout, lines))
        reader.start()
        process, fault = psutil.Process(worker.pid), ""
        began, used = time.monotonic(), 0.0
        while not fault:
            try:
                line = lines.get(timeout=1.0)
            except queue.Empty:
                if _processor_s(process) - used > SECONDS or time.monotonic() - began > SECONDS_IN_ALL:
                    fault = "hung"
                continue
            began, used = time.monotonic(), _processor_s(process)
            if not line:
                fault = "" if first >= count else "dead"
                break
            report = json.loads(line)
            if "begin" in report:
                continue
            first = report["number"] + 1
            figures[report["kind"]] += 1
            slowest, peak_gb = max(slowest, report["seconds"]), max(peak_gb, report["gb"])
            if report["kind"] in ("wrong", "raw"):
                print(f"    {name} {report['number']}: {report['kind']}: {report['message']}", flush=True)
        worker.kill()
        worker.wait()
        reader.join()
        if fault:
            figures[fault] += 1
            print(f"    {name} {first}: {fault}", flush=True)
            first += 1
    return {**figures, "slowest s": slowest, "GB": peak_gb, "minutes": (time.monotonic() - opened) / 60}


def _pass_on(output: IO[str], lines: queue.Queue[str]) -> None:
    """Put each line in the queue when it comes, and an empty one at the end."""
    for line in output:
        lines.put(line)
    lines.put("")


def _processor_s(process: psutil.Process) -> float:
    """Seconds of the processor that a process has used; 0 where it has ended."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def main() -> int:
    """Run the doors that are named, or all; 0 when no fault was found."""
    from tests.adversary.all_doors import DOORS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("doors", nargs="*")
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--inputs", type=int)
    parser.add_argument("--jobs", type=int, default=len(psutil.Process().cpu_affinity()))
    options = parser.parse_args()
    counts = {name: max(1, round(options.share * DOORS[name].count)) for name in options.doors or DOORS}
    if options.inputs is not None:
        counts = {name: min(count, options.first + options.inputs) for name, count in counts.items()}
    # The doors with most inputs first, so that all processes end at about the same time.
    pieces = [
        (name, min(first + PIECE, count), first)
        for name, count in sorted(counts.items(), key=lambda item: -item[1])
        for first in range(options.first, count, PIECE)
    ]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        found = list(pool.map(lambda piece: watch(*piece), pieces))
    faults, rows = 0, []
    for name, count in counts.items():
        of_door = [figures for (door, *_), figures in zip(pieces, found, strict=True) if door == name]
        total = {kind: sum(int(one.get(kind, 0)) for one in of_door) for kind in KINDS}
        most = {kind: max((one[kind] for one in of_door), default=0.0) for kind in ("slowest s", "GB")}
        minutes = sum(one["minutes"] for one in of_door)
        cells = (f"{most['slowest s']:.1f}", f"{most['GB']:.2f}", f"{minutes:.1f}")
        rows.append((name, max(0, count - options.first), *total.values(), *cells))
        faults += sum(total[kind] for kind in KINDS[2:]) + (most["GB"] > LIMIT_GB)
    head = ("door", "inputs", *KINDS, "slowest s", "peak GB", "minutes")
    print("\n" + "\n".join(" ".join(f"{cell!s:>10}" for cell in row) for row in (head, *rows)))
    return int(faults > 0)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "widgets")]
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(main())
