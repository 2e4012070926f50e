"""Sound files, tables and NWB files in all states."""

from __future__ import annotations

import csv
import io
import os
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from deepstrf.datasets import RecordingFolder, read_nwb
from deepstrf.stimuli import read_wav, spectrogram_from_wav
from tests.adversary.doors import Attempt, Door, damaged

RATE_HZ = 8000
SETTINGS: dict[str, Any] = {"n_bands": 5, "min_hz": 500.0, "max_hz": 3000.0}
FORMATS = (
    ("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("WAVEX", "PCM_24"),
    ("WAV", "IMA_ADPCM"),
    ("WAV", "GSM610"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("AU", "PCM_16"),
    ("CAF", "PCM_16"), ("CAF", "ALAC_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"), ("NIST", "PCM_16"), ("VOC", "PCM_16"), ("MAT5", "PCM_16"), ("PAF", "PCM_16"),
)  # fmt: skip
EXTREMES = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-300, 1e300, 2.0**53, -(2.0**63))


@cache
def _sound(container: str, subtype: str) -> tuple[bytes, int]:
    """A sound of some thousand samples, and how many samples a decoder gives."""
    file = io.BytesIO()
    rate_hz = 48000 if subtype == "OPUS" else RATE_HZ
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, 2400)
    soundfile.write(file, samples, rate_hz, format=container, subtype=subtype)
    frames = 2560 if subtype == "GSM610" else 2525 if subtype == "IMA_ADPCM" else 2400
    return file.getvalue(), frames


def sound(rng: np.random.Generator, folder: Path) -> Attempt:
    """A sound file that was cut, flipped, or has a header that lies."""
    container, subtype = FORMATS[rng.integers(len(FORMATS))]
    data, frames = _sound(container, subtype)
    path = folder / f"song.{rng.choice(['wav', 'WAV', 'flac', 'aiff', 'bin', 'raw', 'mp3', 'm4a'])}"
    is_right = None
    kind = rng.random()
    if kind < 0.3:
        data = data[: int(rng.integers(len(data)))]
        is_right = lambda answer: abs(len(answer[0]) - frames) <= 0  # noqa: E731
        if subtype in ("GSM610", "IMA_ADPCM"):
            is_right = lambda answer: len(answer[0]) in range(frames - 160, frames + 320)  # noqa: E731
    elif kind < 0.9:
        data = damaged(rng, data, head=int(rng.choice([32, 64, 512])))
    else:
        data = data[:8] + rng.bytes(int(rng.integers(4000)))
    path.write_bytes(data)
    if is_right is None and rng.random() < 0.5:
        return Attempt(lambda: spectrogram_from_wav(path), (path.name,))
    return Attempt(lambda: read_wav(path), (path.name,), is_right)


HEADER = ["unit", "stimulus", "trial", "time_s"]


def table(rng: np.random.Generator, folder: Path) -> Attempt:
    """A folder of one sound and a table, written as some program writes it and then, half of the time, damaged."""
    (folder / "stimuli").mkdir()
    (folder / "stimuli" / "a.wav").write_bytes(_tone())
    spikes = sorted({(f"u{rng.integers(3)}", "a", int(rng.integers(3)), int(rng.integers(2800))) for _ in range(40)})
    rows = [[u, s, str(t), f"{x / 10000:.4f}"] for u, s, t, x in spikes]
    expected = {(u, t, x // 50) for u, _, t, x in spikes}
    rows, header, options = _as_written(rng, rows)
    between = str(rng.choice([",", ";", "\t", "|"]))
    if between != "," and rng.random() < 0.4:
        rows = [[cell.replace(".", ",") if cell[:2] == "0." else cell for cell in row] for row in rows]
    if rng.random() < 0.5:
        return _harmed(rng, folder, rows, header, between, len(spikes))
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if rng.random() < 0.2 else csv.QUOTE_MINIMAL
    end = str(rng.choice(["\n", "\r\n", "\r"]))
    csv.writer(text, delimiter=between, quoting=quoting, lineterminator=end).writerows([header, *rows])
    said = "sep=" + between + end if rng.random() < 0.2 else ""
    content = said + text.getvalue() + end * int(rng.integers(3))
    encoding = str(rng.choice(["utf-8", "utf-8-sig", "utf-16"]))
    (folder / "spikes.csv").write_bytes(content.encode(encoding))

    def is_right(recording: RecordingFolder) -> bool:
        found = {
            (unit, r, int(t))
            for n, unit in enumerate(recording.neuron_names)
            for r, t in np.argwhere(recording.responses[0, n].nan_to_num(0.0).numpy() > 0)
        }
        trials = sorted({t for _, t, _ in expected})
        return found == {(unit, trials.index(t), x) for unit, t, x in expected} and recording.responses.nansum() == len(
            spikes
        )

    return Attempt(lambda: RecordingFolder(folder, **SETTINGS, **options), (str(folder),), is_right, may_refuse=False)


def _as_written(rng: np.random.Generator, rows: list[list[str]]) -> tuple[list[list[str]], list[str], dict[str, Any]]:
    """The same rows as a spreadsheet, pandas or MATLAB would have them, and what reads them."""
    header, options = list(HEADER), {}
    if rng.random() < 0.2:
        rows = [[u, s, f"{t}.0", x] for u, s, t, x in rows]
    if rng.random() < 0.2:
        rows = [[u, str(rng.choice(["a", "a.wav", "A", "a.WAV", "b'a'", " a "])), t, x] for u, s, t, x in rows]
    if rng.random() < 0.2:
        rows, options = [[u, s, t, f"{1000 * float(x):.1f}"] for u, s, t, x in rows], {"time_unit": "ms"}
    if rng.random() < 0.2:
        header = [str(rng.choice([name.upper(), f" {name}", name.title(), name.replace("_", " ")])) for name in header]
    if rng.random() < 0.2:
        rows, header = [[str(i), *row] for i, row in enumerate(rows)], ["", *header]
    if rng.random() < 0.2:
        rows, header = [[*row, "good, or so"] for row in rows], [*header, "note"]
    if rng.random() < 0.2:
        rows, header = [[*row, "", ""] for row in rows], [*header, "", ""]
    if rng.random() < 0.2:
        rows = [one for row in rows for one in ([row, [""] * len(row)] if rng.random() < 0.2 else [row])]
    order = rng.permutation(len(header)) if rng.random() < 0.3 else np.arange(len(header))
    return [[row[i] for i in order] for row in rows], [header[i] for i in order], options


def _harmed(
    rng: np.random.Generator, folder: Path, rows: list[list[str]], header: list[str], between: str, spikes: int
) -> Attempt:
    data = "\n".join(between.join(row) for row in [header, *rows]).encode() + b"\n"
    lost = False
    match rng.integers(7):
        case 0:
            data = damaged(rng, data, head=len(data))
        case 1:
            at = int(rng.integers(len(data)))
            data = data[:at] + b'"' + data[at:]
        case 2:
            lines = data.splitlines(keepends=True)
            lines.insert(int(rng.integers(len(lines))), b"x" * int(rng.integers(200_000)) + b"\n")
            data = b"".join(lines)
        case 3:
            data = data[: int(rng.integers(len(data)))]
            lost = True
        case 4:
            data = rng.bytes(int(rng.integers(1000)))
        case 5:
            cells = ["1e400", "-1", "nan", "", "0x1", "9" * 400, "1e30", "é", "\\N", "1,5", "\ud800", "../a", "None"]
            row = int(rng.integers(len(rows)))
            rows[row][int(rng.integers(len(rows[row])))] = str(rng.choice(cells))
            data = "\n".join(between.join(row) for row in [header, *rows]).encode("utf-8", "surrogatepass")
            lost = True
        case _:
            data = data.decode().encode(str(rng.choice(["utf-16-le", "utf-32-be", "utf-7", "cp037"])))
            lost = True
    (folder / "spikes.csv").write_bytes(data)
    if rng.random() < 0.3:
        trials = "unit,stimulus,trial,start_s\n" + "".join(f"u{u},a,{t},\n" for u in range(3) for t in range(3))
        (folder / "trials.csv").write_bytes(damaged(rng, trials.encode(), head=len(trials)))
    options = {} if rng.random() < 0.7 else {"late_spikes": "drop", "pre_onset": "drop"}

    def is_right(recording: RecordingFolder) -> bool:
        """Every row that has something in its first cells is a spike, unless it may lie outside the sound."""
        if lost or options or (folder / "trials.csv").exists():
            return True
        there = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        filled = sum(bool(line.strip(b' ",;\t|\xef\xbb\xbf')) for line in there)
        return int(recording.responses.nansum()) == filled - 1

    return Attempt(lambda: RecordingFolder(folder, **SETTINGS, **options), (str(folder), "units"), is_right)


@cache
def _tone() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, 0.3 * np.sin(np.arange(2400) * 0.7), RATE_HZ, format="WAV", subtype="FLOAT")
    return file.getvalue()


@cache
def _nwb() -> bytes:
    """A small NWB file as pynwb writes it: two sounds, four trials, two units with times of observation."""
    import tempfile
    from datetime import datetime

    import pynwb

    file = pynwb.NWBFile(session_description="x", identifier="x", session_start_time=datetime(2024, 1, 1, tzinfo=UTC))
    tone = 0.3 * np.sin(np.arange(2400) * 0.7)
    file.add_stimulus_template(
        pynwb.TimeSeries(name="low", data=(tone * 2**15).astype(np.int16), unit="V", rate=float(RATE_HZ))
    )
    file.add_stimulus(pynwb.TimeSeries(name="high", data=np.stack([tone, tone], 1), unit="V", rate=float(RATE_HZ)))
    file.add_trial_column(name="stimulus", description="x")
    file.add_trial_column(name="stim_on", description="x")
    for i, name in enumerate(("low", "high", "low", "low")):
        file.add_trial(start_time=10.0 + i, stop_time=10.4 + i, stimulus=name, stim_on=10.1 + i)
    for unit in (3, 9):
        file.add_unit(id=unit, spike_times=np.arange(10, 14, 0.043), obs_intervals=[[9.0, 12.2], [12.5, 20.0]])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.nwb")
        with pynwb.NWBHDF5IO(path, mode="w") as io_:
            io_.write(file)
        return Path(path).read_bytes()


def nwb(rng: np.random.Generator, folder: Path) -> Attempt:
    """An NWB file whose bytes or whose contents were changed."""
    path = folder / "session.nwb"
    whole = _nwb()
    if rng.random() < 0.4:
        path.write_bytes(damaged(rng, whole, head=int(rng.choice([512, 4096, len(whole)]))))
    else:
        path.write_bytes(whole)
        _change_contents(rng, path)
    options: dict[str, Any] = {} if rng.random() < 0.6 else {"onset": "stim_on"}
    if rng.random() < 0.2:
        options["neurons"] = [9]
    return Attempt(lambda: read_nwb(path, **SETTINGS, **options), (path.name,), lambda answer: len(answer) >= 1)


def _change_contents(rng: np.random.Generator, path: Path) -> None:
    import h5py

    with h5py.File(path, "r+") as root:
        places: list[str] = []
        root.visit(lambda name: places.append(name) if name.startswith(("units", "intervals", "stimulus")) else None)
        for _ in range(int(rng.integers(1, 4))):
            place = str(rng.choice(places))
            node = root.get(place) if place.rpartition("/")[0] in root else None
            if node is None:
                continue
            kind = rng.integers(9)
            if kind == 0:
                del root[place]
            elif kind == 1:
                name = str(rng.choice(["rate", "conversion", "offset", "colnames", "unit"]))
                node.attrs[name] = [0.0, -1.0, np.nan, 1e300, "x", np.zeros(3), np.array([b"a"])][rng.integers(7)]
            elif kind == 2:
                del root[place]
                root[place] = [np.float64(3), b"text", np.zeros((3, 3)), np.zeros(0), np.arange(5), [b"low"] * 4][
                    rng.integers(6)
                ]
            elif kind == 3:
                del root[place]
                shape = [(10**10,), (10**6, 10**6), (3, 0, 5), (10**4,)][rng.integers(4)]
                root.create_dataset(place, shape=shape, dtype=str(rng.choice(["f8", "i8", "u1", "S10"])), chunks=True)
            elif kind == 4:
                del root[place]
                root.create_dataset(place, shape=(40,), dtype="f4", external=[("/dev/zero", 0, 160)])
            elif kind == 5:
                del root[place]
                link = [h5py.ExternalLink("gone.h5", "/x"), h5py.SoftLink("/nowhere"), h5py.SoftLink("/" + place)]
                root[place] = link[rng.integers(3)]
                break  # h5py itself stumbles over a link to itself
            elif kind == 6:
                del root[place]
                root.create_group(place)
            elif isinstance(node, h5py.Dataset) and node.dtype.kind in "iuf" and 0 < node.size < 10**7 and node.shape:
                values = node[...]
                with np.errstate(all="ignore"):
                    values.reshape(-1)[rng.integers(values.size)] = np.float64(rng.choice(EXTREMES)).astype(node.dtype)
                node[...] = values
            elif isinstance(node, h5py.Dataset) and h5py.check_string_dtype(node.dtype) and node.size and node.shape:
                words = [
                    "",
                    "none",
                    "low",
                    "high",
                    "x" * 5000,
                    "é",
                    "../low",
                    "\ud800".encode("utf-8", "surrogatepass"),
                ]
                node[int(rng.integers(node.size))] = words[rng.integers(len(words))]


DOORS = {"sound": Door(3000, sound), "table": Door(3000, table), "NWB": Door(2000, nwb)}
