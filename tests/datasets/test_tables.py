"""Tables in the state in which laboratories have them: read right, or refused with the row and the way out."""

import contextlib
import csv
import io
import sys
import unicodedata

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf.datasets import RecordingFolder, align
from deepstrf.datasets.tables import plain_name, read_table
from tests.datasets.conftest import RATE_HZ, SETTINGS, sound

SPIKES = {0: (21.5, 110.5, 240.5), 1: (22.5, 140.5), 2: (23.5, 120.5, 330.5, 410.5)}
"""Times of one unit with one sound of 0.5 s, ms, by trial."""

ROWS = [("u1", "a", str(trial), f"{ms / 1000:.4f}") for trial, times in SPIKES.items() for ms in times]
HEADER = ("unit", "stimulus", "trial", "time_s")


def table(rows=ROWS, header=HEADER, between=","):
    return "".join(between.join(row) + "\n" for row in (header, *rows))


@pytest.fixture
def read(tmp_path):
    """Function that reads the recording whose spikes.csv holds these bytes or this text."""

    def read(content, trials=None, **options):
        (tmp_path / "stimuli").mkdir(exist_ok=True)
        if not any((tmp_path / "stimuli").iterdir()):
            soundfile.write(tmp_path / "stimuli" / "a.wav", sound(), RATE_HZ)
        (tmp_path / "spikes.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        if trials is not None:
            (tmp_path / "trials.csv").write_text(trials)
        return RecordingFolder(tmp_path, **{**SETTINGS, **options})

    return read


def assert_right(recording, unit="u1"):
    assert recording.neuron_names == (unit,)
    assert recording.responses.shape == (1, 1, 3, 100)
    for trial, times in SPIKES.items():
        assert recording.responses[0, 0, trial].nonzero().flatten().tolist() == [int(ms // 5) for ms in times]


@pytest.mark.parametrize(
    "content",
    [
        table(),
        table().replace("\n", "\r\n"),
        table().replace("\n", "\r"),
        "\ufeff" + table(),
        table().encode("utf-16"),
        ("\ufeff" + table()).encode("utf-16-be"),
        "\ufeff" + table(between=";").replace("0.", "0,"),
        table(between="\t"),
        table(between="\t").replace("0.", "0,"),
        "sep=;\n" + table(between=";"),
        table([(str(i), *row) for i, row in enumerate(ROWS)], ("", *HEADER)),
        table([(*row, "0.9", "good, or so") for row in ROWS], (*HEADER, "amplitude", "note"), "|"),
        table([(u, s, f"{t}.0", x) for u, s, t, x in ROWS], ("Unit", " Stimulus", " Trial", " Time S")),
        table([(*row, "", "") for row in [*ROWS, ("",) * 4, ("",) * 4]], (*HEADER, "", "")),
        table([(*row, "") for row in ROWS]),
        "\n\n" + table() + "\n\n\n",
        table().replace("\n", "\n\n"),
        table([tuple(f'"{cell}"' for cell in row) for row in ROWS], tuple(f'"{name}"' for name in HEADER)),
        table([(x, u, t, s) for u, s, t, x in ROWS], ("time_s", "unit", "trial", "stimulus")),
        table([(f" {u} ", f" {s}.wav ", f" {t} ", f" {x} ") for u, s, t, x in ROWS]),
        table([(f"b'{u}'", f"b'{s}'", t, x) for u, s, t, x in ROWS]),
        table([("1", *row) for row in ROWS], ("session", *HEADER)),
    ],
    ids=[
        "plain", "CRLF", "CR", "mark", "UTF-16", "UTF-16 big-endian", "Excel in German", "tabs", "tabs and commas",
        "sep=", "index", "other columns", "capitals and float trials", "empty columns and rows", "trailing commas",
        "blank ends", "blank rows", "quotes", "order", "blanks", "bytes", "numbers before",
    ],
)  # fmt: skip
def test_what_laboratories_write_is_read(read, content):
    assert_right(read(content))


def test_a_name_in_another_encoding_is_kept_or_the_encoding_named(read):
    content = table([("unité 1", *row[1:]) for row in ROWS]).encode("cp1252")
    with pytest.raises(
        ValueError, match=r"spikes\.csv, row 2: its text must be UTF-8, got byte 0xe9; encoding='cp1252'"
    ):
        read(content)
    assert_right(read(content, encoding="cp1252"), "unité 1")
    assert_right(read(table([("unité 1", *row[1:]) for row in ROWS])), "unité 1")
    with pytest.raises(ValueError, match="encoding must be one that Python knows, such as 'cp1252', got 'latin-9000'"):
        read(content, encoding="latin-9000")
    with pytest.raises(ValueError, match=r"row 1: a table must hold no NUL characters.*encoding='utf-16-le'"):
        read(table().encode("utf-16-le"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            table([*ROWS[:2], ('"u1', *ROWS[2][1:]), *ROWS[3:]]),
            r"row 4: a quote must be closed in its row, got '\"u1,a",
        ),
        (
            table().replace("0.1105", "0,1105"),
            r"row 3: there must be 4 values, got 'u1,a,0,0,1105'; with a decimal com",
        ),
        (table().replace("0.1105", "\0"), "row 3: a table must hold no NUL characters; the file is damaged"),
        *(
            (
                table().replace("0.1105", none),
                "row 3: time_s must be .*: a trial without a spike has a row in trials.csv",
            )
            for none in ("", "NaN", "None", "n/a")
        ),
        (table().replace("0.1105", "0x1p-3"), "row 3: time_s must be a finite number of seconds, got '0x1p-3'"),
        (table().replace("0.1105", "1e400"), "row 3: time_s must be a finite number of seconds, got (inf|'1e400')"),
        (table().replace("u1,a,0,0.1105", "u1,a,1e30,0.1"), r"row 3: trial must be a whole number, got 1e\+30"),
        (
            table([("7", *ROWS[0][1:]), ("7.0", *ROWS[1][1:])]),
            "row 3: unit must be written alike .*, got '7' and '7.0'",
        ),
        (table(header=("unit", "unit", "trial", "time_s")), "lacks the column 'stimulus'"),
        (
            table(header=("unit", "stimulus", "trial", "trial", "time_s")),
            "row 1: the column 'trial' must stand there on",
        ),
        (table([("u1", "b/../a", "0", "0.1")]), "row 2: stimulus must be the name of a file in stimuli/, got 'b/../a'"),
        (",".join(HEADER) + "," * 2000, "row 1: there must be at most 1000 columns, got 2004"),
        (b"\xff\xfe\x00", "row 1: its text must be UTF-16-LE"),
        (" \n \n", "spikes.csv is empty: its first row must be unit,stimulus,trial,time_s"),
        (",,,\n,,,\n", "lacks the column 'unit'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_row(read, content, message):
    with pytest.raises(ValueError, match=rf"spikes\.csv.*{message}|{message}"):
        read(content)


@pytest.mark.parametrize(("unit", "name"), [("007", "007"), ("7", "7"), ("7.0", "7"), ("1e3", "1e3"), ("NA", "NA")])
def test_names_that_look_like_numbers_are_names(read, unit, name):
    assert_right(read(table([(unit, *row[1:]) for row in ROWS])), name)


def test_a_table_pasted_twice_is_noticed(read):
    with pytest.warns(UserWarning, match=r"spikes\.csv: 9 of 18 spikes repeat another .*\(first in row 11\)"):
        read(table(ROWS + ROWS))


def test_times_that_do_not_ascend_are_noticed(read):
    with pytest.warns(UserWarning, match=r"times do not ascend within 1 of 3 trials \(first in row 3\): has a clock"):
        assert_right(read(table([ROWS[1], ROWS[0], *ROWS[2:]])))


def in_units(scale, digits=6):
    return table([(u, s, t, f"{float(x) * scale:.{digits}f}") for u, s, t, x in ROWS])


@pytest.mark.parametrize("late_spikes", ["error", "drop"])
def test_another_unit_of_time_is_guessed_and_read(read, late_spikes):
    with pytest.raises(
        ValueError, match=r"row 2: .* all 9 times .*, here 21\.5 s and a lasts 0\.5 s: milliseconds\? time"
    ):
        read(in_units(1e3), late_spikes=late_spikes)
    assert_right(read(in_units(1e3), time_unit="ms"))
    assert_right(read(in_units(1e6, 0), time_unit="us"))
    with pytest.raises(ValueError, match=r"samples\? time_unit=1/30000 reads those of a rate of 30 kHz"):
        read(in_units(30000, 0), late_spikes=late_spikes)
    assert_right(read(in_units(30000, 0), time_unit=1 / 30000))
    for written, options, guess in (
        (in_units(1e6, 0), {}, r"microseconds\? time_unit='us'"),
        (in_units(1e6, 1), {}, r"microseconds\? time_unit='us'"),
        (in_units(1e9, 0), {}, r"nanoseconds\? time_unit=1e-09"),
        (in_units(48000, 0), {}, r"samples\? time_unit=1/40000 .*; it must be at least 39\.\d kHz"),
        (in_units(1e6, 0), {"time_unit": "ms"}, r"here 21\.5 s .*: microseconds\? time_unit='us'"),
        (in_units(1e3, 1), {"time_unit": 10.0}, r"here 215 s .*: milliseconds\? time_unit='ms'"),
    ):
        with pytest.raises(ValueError, match=guess):
            read(written, late_spikes=late_spikes, **options)
    with pytest.raises(ValueError, match=r"time_unit must be one of \['s', 'ms', 'us'\], got 'min'"):
        read(in_units(1.0), time_unit="min")
    with pytest.raises(ValueError, match="time_unit must be a positive number of seconds, got 0"):
        read(in_units(1.0), time_unit=0)


@pytest.mark.parametrize("late_spikes", ["error", "drop"])
def test_the_clock_of_the_session_is_guessed_and_aligned(read, tmp_path, late_spikes):
    rows = [(u, s, t, f"{1234.5 + 2 * int(t) + float(x):.4f}") for u, s, t, x in ROWS]
    with pytest.raises(
        ValueError, match=r"1234\.52 s .*: times of the session\? deepstrf\.datasets\.align counts them"
    ):
        read(table(rows), late_spikes=late_spikes)
    with pytest.raises(ValueError, match=r"times of the session in milliseconds\? Divide them by 1000 and deepstrf"):
        read(table([(u, s, t, f"{1000 * float(x):.1f}") for u, s, t, x in rows]), late_spikes=late_spikes)
    times = [float(row[3]) for row in rows]
    aligned = align({"u1": times}, [1234.5, 1236.5, 1238.5], ["a", "a", "a"], after_ms=500)
    assert_right(read(aligned.to_csv(index=False)))


def test_align_counts_presentations_and_keeps_what_was_wanted():
    spikes = {"u": [1.0, 5.0, 5.2, 9.9, 10.05, 20.0], "v": []}
    frame = align(spikes, [5.0, 10.0, 20.0], ["a", "b", "a"], before_ms=100, after_ms=200)
    assert frame.to_numpy().tolist() == [
        ["u", "a", 0, 0.0], ["u", "b", 0, -0.1], ["u", "b", 0, 0.05], ["u", "a", 1, 0.0]
    ]  # fmt: skip
    for options, message in (
        ({"stimuli": ["a"]}, "stimuli must name one sound for each of 3 onsets, got 1"),
        ({"spikes": {}}, "spikes must hold the times of at least one unit, got none"),
        ({"spikes": {"u": [np.nan]}}, "spikes and onsets_s must be finite, got other times for unit 'u'"),
        ({"after_ms": 0}, r"after_ms must be positive \(ms\), got 0"),
        ({"before_ms": -1}, "before_ms must be at least 0 ms, got -1"),
    ):
        given = {"spikes": spikes, "onsets_s": [5.0, 10.0, 20.0], "stimuli": ["a", "b", "a"], "after_ms": 200}
        with pytest.raises(ValueError, match=message):
            align(**{**given, **options})


def test_spikes_before_the_onset(read):
    early = [("u1", "a", "0", "-0.3100"), ("u1", "a", "1", "-2e-10"), ("u1", "a", "2", "-0.1200")]
    with pytest.raises(ValueError, match=r"row 2: time_s must be at least 0 s, got -0\.31; pre_onset='drop' leaves"):
        read(table(early + ROWS))
    dropped = read(table(early + ROWS), pre_onset="drop")
    assert dropped.responses.sum() == 10
    assert dropped.responses[0, 0, 1, 0] == 1  # what is before the onset by rounding alone is at it
    assert dropped.spontaneous_hz is None
    kept = read(table(early + ROWS), pre_onset="keep")
    assert torch.equal(kept.responses, dropped.responses)
    assert kept.spontaneous_hz.tolist() == pytest.approx([2 / (3 * 0.31)])
    trials = "unit,stimulus,trial,start_s\nu1,a,0,-0.5\nu1,a,1,-0.5\nu1,a,2,-0.25\n"
    assert read(table(early + ROWS), trials, pre_onset="keep").spontaneous_hz.tolist() == pytest.approx([2 / 1.25])


def test_what_was_not_recorded_of_a_trial_is_nan(read):
    trials = "unit,stimulus,trial,start_s,stop_s\nu1,a,0,,0.2525\nu1,a,1,0.02,\nu1,a,2,,\n"
    recording = read(table(), trials)
    missing = recording.responses[0, 0].isnan()
    assert missing.sum(1).tolist() == [50, 4, 0]
    assert missing[0, 50:].all()
    assert missing[1, :4].all()
    with pytest.raises(ValueError, match=r"trials\.csv, row 2: stop_s must not lie before start_s, got 0\.3 and 0\.1"):
        read(table(), "unit,stimulus,trial,start_s,stop_s\nu1,a,0,0.3,0.1\n")


def test_most_spikes_dropped_and_silent_units_are_noticed(read):
    late = [("u1", "a", "0", f"{1 + i / 10}") for i in range(20)]
    with pytest.warns(UserWarning, match=r"20 of 29 spikes of .*spikes\.csv lie outside their sounds"):
        read(table(late + ROWS), late_spikes="drop")
    trials = "unit,stimulus,trial\n" + "".join(f"{u},a,{t}\n" for t in range(3) for u in ("u1", "u2"))
    with pytest.warns(UserWarning, match=r"1 of the neurons have no spike in any trial of .*: \['u2'\]"):
        assert read(table(), trials).neuron_names == ("u1", "u2")


def test_sounds_are_found_by_name_whatever_its_ending_and_form(read, tmp_path):
    (tmp_path / "stimuli").mkdir()
    rows = []
    for file, written in (
        ("a.WAV", "a"), ("b.flac", "B.FLAC"), (unicodedata.normalize("NFD", "é.aiff"), "é"), ("7.wav", "7.0"),
        ("my song.wav", "my song.wav"), ("x.wav", "x"), ("x.v2.flac", "x.v2"), ("c.wav", "c.wav"), ("c.flac", "c.flac"),
    ):  # fmt: skip
        kind = {"wav": "WAV", "flac": "FLAC", "aiff": "AIFF"}[file.rpartition(".")[2].lower()]
        soundfile.write(tmp_path / "stimuli" / file, sound(), RATE_HZ, format=kind)
        rows.append(("u1", written, "0", "0.1"))
    recording = read(table(rows))
    assert recording.responses.nansum() == len(rows)
    names = [unicodedata.normalize("NFC", name) for name in recording.stimulus_names]
    assert names == ["a", "b", "é", "7", "my song", "x", "x.v2", "c", "c.flac"]
    with pytest.raises(ValueError, match=r"row 2: .* 'c' may be c\.flac and c\.wav: write its ending"):
        read(table([("u1", "c", "0", "0.1")]))


@pytest.mark.parametrize("written", ["a", "A.m4a", "a.m4a"])
def test_a_sound_of_a_format_that_is_not_read_is_named(read, tmp_path, written):
    (tmp_path / "stimuli").mkdir()
    (tmp_path / "stimuli" / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    with pytest.raises(ValueError, match=r"row 2: .*a\.m4a is of a format that is not read: turn it into WAV or FLAC"):
        read(table([("u1", written, "0", "0.1")]))


@given(st.lists(st.tuples(*[st.text(max_size=8)] * 4), max_size=5), st.sampled_from(",;\t|"))
def test_any_rows_are_read_or_refused(tmp_path_factory, rows, between):
    file = tmp_path_factory.mktemp("table") / "spikes.csv"
    text = io.StringIO()
    csv.writer(text, delimiter=between).writerows([HEADER, *rows])
    file.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ValueError):
        frame = read_table(file, text=HEADER[:2], numbers=HEADER[2:])
        expected = [row for row in rows if any(cell.strip() for cell in row)]
        assert frame["unit"].astype(str).tolist() == [plain_name(row[0]) for row in expected]
        assert frame["time_s"].tolist() == [float(row[3].replace(",", ".")) for row in expected]


def test_a_table_larger_than_allowed_is_not_read(read):
    with pytest.raises(ValueError, match=r"spikes\.csv needs .* GB of memory, limit 1e-06 GB; raise it with max_gb=1"):
        read(table(), max_gb=1e-6)


def test_trial_numbers_cannot_fill_the_memory(read):
    rows = [(f"u{i}", "a", str(i), "0.1") for i in range(9000)]
    with pytest.raises(
        ValueError, match=r"responses of 9000 neurons in 9000 trials of 1 stimuli of 100 bins needs 30 GB"
    ):
        read(table(rows))


def test_no_python_runs_for_each_row(read):
    """So a million spikes cost little more than in pandas alone (`tests/benchmarks/spike_table.py` has the times)."""

    def lines_run(rows):
        count, before = 0, sys.gettrace()

        def tracer(_frame, event, _argument):
            nonlocal count
            count += event == "line"
            return tracer

        text = table([(f"u{i % 5}", "a", str(i % 7), f"{i * 0.4 / rows:.6f}") for i in range(rows)])
        read(text)  # what runs once only
        sys.settrace(tracer)
        try:
            read(text)
        finally:
            sys.settrace(before)
        return count

    few, many = lines_run(1_000), lines_run(21_000)
    assert few > 1_000
    assert many - few < 2_000  # a tenth of a line for each further row


@pytest.mark.parametrize(
    ("written", "way_out"),
    [
        ("'1,021.5'", "without marks between the thousands"),
        ("1 021", "without marks between the thousands"),
        ("2.1500D-02", "write its exponent with E"),
        ("\u22120.02", "write its sign as a plain -"),
        ("0:00:00.0215", "no date or time of day"),
        ("2024-01-02 10:00", "no date or time of day"),
        ("21.5 ms", "without its unit"),
    ],
)
def test_numbers_of_other_programs_are_refused_with_how_to_write_them(read, written, way_out):
    row = f"u1,a,0,{written}\n".replace("'", '"')
    with pytest.raises(ValueError, match=rf"row 11: time_s must be a finite number of seconds, got .*: .*{way_out}"):
        read(table() + row)


@pytest.mark.parametrize(
    ("start", "what"),
    [(b"PK\x03\x04", "workbook"), (b"\x1f\x8b\x08", "compressed by gzip"), (b"\x89HDF\r\n", "HDF5 or MATLAB 7.3")],
)
def test_files_that_are_no_text_say_what_they_are(read, start, what):
    with pytest.raises(ValueError, match=rf"spikes\.csv is .*{what}.*: a table must be plain text"):
        read(start + bytes(range(256)))


def test_what_lies_in_the_place_of_folder_and_table_is_named(read, tmp_path):
    read(table())
    (tmp_path / "spikes.csv").rename(tmp_path / "Spikes.XLSX")
    with pytest.raises(FileNotFoundError, match=r"beside it lies 'Spikes\.XLSX': save or rename it as spikes\.csv"):
        RecordingFolder(tmp_path)
    with pytest.raises(ValueError, match=r"folder must be a folder, .*Spikes\.XLSX is a file: unpack it"):
        RecordingFolder(tmp_path / "Spikes.XLSX")


def test_units_whose_names_look_alike_are_two_with_a_warning(read):
    for other, unit in (("U1", "u1"), ("\u03bc1", "\u00b51")):
        with pytest.warns(UserWarning, match=rf"the units '{unit}' and '{other}' differ in capitals or look alike"):
            assert read(in_units(1).replace("u1", unit) + f"{other},a,0,0.3\n").neuron_names == (unit, other)


def test_starts_and_stops_that_leave_nothing_or_lose_spikes(read):
    def spans(*rows):
        return "unit,stimulus,trial,start_s,stop_s\n" + "".join(f"u1,a,{i},{x},{y}\n" for i, (x, y) in enumerate(rows))

    clock = spans(*((1234.5 + 2 * i, 1235 + 2 * i) for i in range(3)))
    with pytest.raises(ValueError, match=r"trials\.csv: .* no trial overlaps its sound, here from 1234\.5 to 1235 s"):
        read(table(), clock)
    with pytest.warns(UserWarning, match=r"1 of 3 trials do not overlap their sound, first from 0\.5 to 1 s, trial 2"):
        assert read(table(ROWS[:5]), spans((0, 0.5), (0, 0.5), (0.5, 1))).responses.nansum() == 5
    with pytest.warns(UserWarning, match=r"spikes\.csv: 2 of 9 spikes lie outside .* \(first in row 9\) and are left"):
        assert read(table(), spans((0, 0.5), (0, 0.5), (0, 0.3))).responses.nansum() == 7
    with pytest.warns(UserWarning, match=r"stop_s lies 1e\+03 times as late as the sounds end: is it in milliseconds"):
        assert_right(read(table(), spans((0, 500), (0, 500), (0, 500))))
