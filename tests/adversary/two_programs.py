"""Programs that save into one folder and read it at the same time: `savers_and_readers` runs them and counts.

python tests/adversary/two_programs.py --seconds 60
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
F, T, N = 6, 4, 3
OWN, READING = ("a", "b"), 2
LEAST = 25
"""Saves or reads of each program, however slow the machine is."""


def work(role: str, folder: Path, seconds: float) -> dict[str, int]:
    """Save models whose every part tells the same number, or read and compare them, until the time is over."""
    import torch

    from deepstrf.models.audio import LinearNonlinear
    from deepstrf.models.prefiltering import AdapTrans

    torch.set_num_threads(1)
    counts = {"done": 0, "mixed": 0, "failed": 0}
    warnings.simplefilter("error")
    end = time.monotonic() + seconds
    while time.monotonic() < end or counts["done"] < LEAST:
        counts["done"] += 1
        number = counts["done"] % 50 + 2 + 100 * (role == "b")
        try:
            if role in OWN:
                model = LinearNonlinear(
                    F, T, out_neurons=N, prefiltering=AdapTrans([0.5] * F, [0.75] * F, kernel_size=number)
                )
                with torch.no_grad():
                    model.readout.bn.weight.fill_(number)
                metadata = {"number": number} if number % 3 else None
                model.eval().save_pretrained(folder, metadata=metadata, model_card=f"{number}")
            else:
                loaded, metadata = LinearNonlinear.from_pretrained(folder, return_metadata=True)
                number = loaded.prefiltering.kernel_size
                wanted = {"number": number} if number % 3 else None
                counts["mixed"] += not (bool((loaded.readout.bn.weight == number).all()) and metadata == wanted)
        except Exception as error:  # noqa: BLE001 - every failure is counted and shown
            counts["failed"] += 1
            print(f"{role}: {type(error).__name__}: {error}", file=sys.stderr)
    return counts


def savers_and_readers(folder: Path, seconds: float) -> dict[str, int]:
    """Counts of two savers and two readers: saves, reads, mixed, failed saves, failed reads."""
    subprocess.run([sys.executable, __file__, "--work", "a", str(folder), "0.1"], check=True, capture_output=True)
    roles = [*OWN, *(f"reader {i}" for i in range(READING))]
    programs = [
        subprocess.Popen([sys.executable, __file__, "--work", role, str(folder), str(seconds)], stdout=subprocess.PIPE)
        for role in roles
    ]
    counts = {"saves": 0, "reads": 0, "mixed": 0, "failed saves": 0, "failed reads": 0}
    for role, program in zip(roles, programs, strict=True):
        found = json.loads(program.communicate()[0])
        kind = "saves" if role in OWN else "reads"
        counts[kind] += found["done"]
        counts["mixed"] += found["mixed"]
        counts[f"failed {kind}"] += found["failed"]
    return counts


def main() -> int:
    """Print the counts; 0 when nothing was mixed and nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    with tempfile.TemporaryDirectory() as folder:
        counts = savers_and_readers(Path(folder) / "model", parser.parse_args().seconds)
    print(counts)
    return int(any(counts[name] for name in ("mixed", "failed saves", "failed reads")))


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "widgets")]
    if sys.argv[1:2] == ["--work"]:
        print(json.dumps(work(sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]))))
    else:
        sys.exit(main())
