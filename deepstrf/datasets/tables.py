"""A table of text as spreadsheets, pandas, R and MATLAB write it, read into a data frame or refused with the row."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepstrf.memory import LIMIT_GB, check_memory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column_name", "plain_name", "read_table"]

DELIMITERS = ",;\t|"
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
PACKED = {
    b"PK\x03\x04": "a workbook of Excel or Numbers, or a zip file: save it as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "a workbook of an old Excel: save it as CSV",
    b"\x1f\x8b": "compressed by gzip: unpack it",
    b"\x89HDF": "a file of HDF5 or MATLAB 7.3: write a table, or see deepstrf.datasets.read_arrays",
    b"MATLAB": "a file of MATLAB: write a table (writetable), or see deepstrf.datasets.read_arrays",
}
"""What files that are no text begin with."""
NO_TIME = frozenset(("", "nan", "na", "n/a", "none", "null"))
"""What programs write in place of the time of a spike that there is not."""

OTHER_NUMBERS = {
    r"[+-]?\d{1,3}([ ,.'\u00a0\u2009\u202f]\d{3})+([.,]\d+)?": "write it without marks between the thousands",
    r"[+-]?\d*[.,]?\d+[dD][+-]?\d+": "write its exponent with E",
    r"[\u2212\u2012\u2013]\s*\d.*": "write its sign as a plain -",
    r".*\d[:/-]\d.*": "write seconds from the onset of the sound, no date or time of day",
    r"[+-]?\d*[.,]?\d+\s*[^\W\d_]{1,3}": "write it without its unit (see time_unit)",
}
"""Numbers that are no plain ones, and what to do about them."""
MOST_COLUMNS = 1000
BYTES_PER_ROW = 100
"""What a row costs here and in who reads spikes from it: numbers of unit, stimulus, trial, bin, and copies of them."""
SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
ANY_ROW = re.compile(rb"[^\n]")
WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")


def read_table(
    file: Path,
    *,
    text: Sequence[str],
    numbers: Sequence[str],
    optional: Sequence[str] = (),
    encoding: str | None = None,
    max_gb: float = LIMIT_GB,
) -> pd.DataFrame:
    """Columns of a table, one row for each row of the file that is not blank; the index is its number in the file.

    Between columns may stand commas, semicolons, tabs or bars; except with commas, numbers may have a decimal comma.
    Columns may stand in any order and have capitals and blanks in their names; other columns are passed over. A line
    ``sep=;``, a byte-order mark, blank rows, and empty cells after the last column do no harm.

    Parameters
    ----------
    file : Path
    text : sequence of str
        Columns of names, none of them empty; categorical, as `plain_name` gives them, in the order of the file.
    numbers, optional : sequence of str
        Columns of finite numbers, float64. Those of ``optional`` may be missing; an empty cell in them is NaN.
    encoding : str, optional
        None: UTF-8, or what a byte-order mark says.
    max_gb : float
        Memory that the table may take.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is empty or too large, is in another encoding, lacks a column, or has a row that is not as said.
    """
    needed = (*text, *numbers)
    data = _utf8_of(file, encoding, needed, max_gb)
    header = _Header.of(file, data, needed)
    position = {name: header.names.index(name) for name in (*needed, *optional) if name in header.names}
    frame = _parsed(file, data, header, position, text)
    names = {name: _Names.of(frame.pop(name)) for name in text}
    if all("" in column.written for column in names.values()):
        cells = frame.astype(object).where(frame.notna(), "").astype("str")
        blank = np.logical_and.reduce([column.is_blank() for column in names.values()])
        blank[blank] = (cells[blank].apply(lambda column: column.str.strip()) == "").all(axis=1)
        frame, names = frame[~blank], {name: column.without(blank) for name, column in names.items()}
    frame = frame[[name for name in position if name not in text]].copy()
    for name in frame.columns:
        _check_numbers(file, frame[name], name, name in optional)
    for name, column in names.items():
        frame[name] = column.plain(file, frame.index, name)
    return frame


def plain_name(name: str) -> str:
    """A name without what programs add to it: blanks around it, ``b'...'`` of bytes, ``.0`` of a whole number.

    Letters with accents come in their composed form (NFC), whichever system wrote them.

    Examples
    --------
    >>> plain_name(" 7.0 "), plain_name("b'song 1'")
    ('7', 'song 1')
    """
    name = _without_marks(name)
    whole = WHOLE_NUMBER.fullmatch(name)
    return whole[1] if whole else name


def _without_marks(name: str) -> str:
    name = unicodedata.normalize("NFC", name.strip())
    is_bytes = len(name) >= 3 and name[:2] in ("b'", 'b"') and name[-1] == name[1]
    return name[2:-1].strip() if is_bytes else name


def _utf8_of(file: Path, encoding: str | None, needed: Sequence[str], max_gb: float) -> bytes:
    """The file's text in UTF-8 without a mark, with "\\n" between its lines."""
    if not file.is_file():
        alike = sorted(one.name for one in file.parent.glob("*") if one.stem.casefold() == file.stem.casefold())
        beside = f"; beside it lies {alike[0]!r}: save or rename it as {file.name}" if alike else ""
        raise FileNotFoundError(f"{file} is missing: it must be a table with the columns {','.join(needed)}{beside}")
    check_memory(str(file), 4.0 * file.stat().st_size, max_gb)
    data = file.read_bytes()
    for start, what in PACKED.items():
        if data.startswith(start):
            raise ValueError(f"{file} is {what}: a table must be plain text, with commas, semicolons or tabs")
    marked = next(((mark, name) for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), (b"", "utf-8"))
    text = ""
    try:
        if encoding is not None or not data.isascii():
            text = data.removeprefix(marked[0]).decode(encoding or marked[1])
    except LookupError:
        raise ValueError(f"encoding must be one that Python knows, such as 'cp1252', got {encoding!r}") from None
    except UnicodeError as error:
        at = getattr(error, "start", 0) + len(marked[0])
        row = 1 + data.count(b"\n", 0, at)
        way_out = (
            "; encoding='cp1252' reads what Excel writes on Windows (cp1253 in Greek, cp1251 in Russian, gbk ...)"
            if encoding is None
            else ""
        )
        raise ValueError(
            f"{file}, row {row}: its text must be {encoding or marked[1].upper()}, got byte 0x{data[at]:02x}{way_out}"
        ) from None
    if encoding is not None or marked[1] != "utf-8":
        data = text.encode()
    data = data.removeprefix(marked[0])
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\0" in data:
        row = 1 + data.count(b"\n", 0, data.index(0))
        raise ValueError(
            f"{file}, row {row}: a table must hold no NUL characters; the file is damaged, or no text, or in UTF-16 "
            "without a mark (encoding='utf-16-le')"
        )
    if not data or data.isspace():
        raise ValueError(f"{file} is empty: its first row must be {','.join(needed)}")
    rows = np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
    check_memory(str(file), 4.0 * len(data) + BYTES_PER_ROW * rows, max_gb)
    if b'"' in data:
        for row, line in enumerate(data.split(b"\n"), start=1):
            if line.count(b'"') % 2:
                raise ValueError(f"{file}, row {row}: a quote must be closed in its row, got {_shown(line.decode())}")
    return data


@dataclass(frozen=True)
class _Header:
    """What the first row that is not blank says: its number, where the next one begins, and the columns."""

    row: int
    end: int
    delimiter: str
    names: list[str]

    @classmethod
    def of(cls, file: Path, data: bytes, needed: Sequence[str]) -> _Header:
        """Names come in small letters, with ``_`` for blanks."""
        said, row, start, line = DELIMITERS, 0, 0, ""
        while not line.strip(DELIMITERS + ' "') and start < len(data):
            end = data.find(b"\n", start) % (len(data) + 1)
            row, line, start = row + 1, data[start:end].decode(), end + 1
            if marked := SEPARATOR.fullmatch(line):
                said, line = marked[1], ""
        choices = {one: [column_name(cell) for cell in _cells(file, row, line, one)] for one in said}
        delimiter = max(choices, key=lambda one: sum(name in choices[one] for name in needed))
        names = choices[delimiter]
        shown = _shown(",".join(name for name in names if name))
        if missing := [name for name in needed if name not in names]:
            raise ValueError(
                f"{file} lacks the column {missing[0]!r}: its first row must name {','.join(needed)}, got {shown}; "
                "above it there may be no title or remark, and between columns commas, semicolons, tabs or bars"
            )
        if twice := [name for name in needed if names.count(name) > 1]:
            raise ValueError(f"{file}, row {row}: the column {twice[0]!r} must stand there once, got {shown}")
        if len(names) > MOST_COLUMNS:
            raise ValueError(f"{file}, row {row}: there must be at most {MOST_COLUMNS} columns, got {len(names)}")
        return cls(row, start, delimiter, names)


def column_name(cell: str) -> str:
    """Name of a column as `read_table` gives it: small letters, ``_`` for blanks."""
    return re.sub(r"\s+", "_", cell.strip().casefold())


def _cells(file: Path, row: int, line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise ValueError(f"{file}, row {row}: {error}, got {_shown(line)}") from None


def _parsed(file: Path, data: bytes, header: _Header, position: dict[str, int], text: Sequence[str]) -> pd.DataFrame:
    """All columns: names as they stand there, wanted numbers as float64 with NaN for an empty cell, others numbered."""
    import pandas as pd

    width = len(header.names)
    places = {position[name]: name for name in position}
    end = data.find(b"\n", header.end)
    first = data[header.end : end if end >= 0 else None].decode()

    def read(names: Any, numbers: Any, empty_cells: bool, width: int) -> pd.DataFrame:
        types = {i: (names if places[i] in text else numbers) if i in places else object for i in range(width)}
        if ANY_ROW.search(data, header.end) is None:
            return pd.DataFrame({i: pd.Series(dtype=kind) for i, kind in types.items()})
        rows = io.BytesIO(data)  # shares the bytes, which may be a hundred megabytes
        rows.seek(header.end)
        return pd.read_csv(
            rows,
            sep=header.delimiter,
            header=None,
            names=range(width),
            index_col=False,
            dtype=types,
            decimal="," if header.delimiter != "," and "," in first else ".",
            na_filter=empty_cells,
            keep_default_na=False,
            na_values={i: [""] for i in places if places[i] not in text},
            skip_blank_lines=False,
            skipinitialspace=b'"' in data,
        )

    # The quickest way first. Categories that look like numbers become numbers, 007 as 7; objects do not.
    # pandas' ParserError is a ValueError.
    fits = len(_cells(file, header.row + 1, first, header.delimiter)) <= width
    for names, empty_cells in (("category", False), (object, False), (object, True)) if fits else ():
        with contextlib.suppress(ValueError, OverflowError):
            frame = read(names, "float64", empty_cells, width)
            if names is object or all(_are_texts(frame[i]) for i in places if places[i] in text):
                break
    else:
        width = _widest(file, data, header)
        try:
            frame = read(object, object, False, width)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{file} cannot be read as a table: {error}") from error
        for i in places:
            if places[i] not in text:
                frame[i] = _as_numbers(file, frame[i], places[i], header)
    frame.index = np.arange(len(frame)) + header.row + 1
    frame.columns = [places.get(i, i) for i in range(width)]
    return frame


def _are_texts(cells: pd.Series) -> bool:
    return all(isinstance(one, str) for one in cells.cat.categories)


def _widest(file: Path, data: bytes, header: _Header) -> int:
    """Cells of the longest row; ValueError where one beyond the last column is not empty."""
    widest = width = len(header.names)
    for row, line in enumerate(data[header.end :].decode().split("\n"), start=header.row + 1):
        cells = _cells(file, row, line, header.delimiter)
        if any(cell.strip() for cell in cells[width:]) or len(cells) > MOST_COLUMNS:
            comma = "; with a decimal comma, columns must be separated by ; or tabs" if header.delimiter == "," else ""
            raise ValueError(f"{file}, row {row}: there must be {width} values, got {_shown(line)}{comma}")
        widest = max(widest, len(cells))
    return widest


def _as_numbers(file: Path, cells: pd.Series, name: str, header: _Header) -> pd.Series:
    """float64 from text; ValueError naming the first row that holds none."""
    import pandas as pd

    shown = cells.astype("str").str.strip()
    plain = shown if header.delimiter == "," else shown.str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(plain.where(shown != "", None), errors="coerce").astype("float64")
    bad = np.flatnonzero((numbers.isna() & (shown != "")).to_numpy())
    if bad.size:
        raise ValueError(
            f"{file}, row {bad[0] + header.row + 1}: {name} must be {_kind(name)}, got "
            f"{_shown(shown.iloc[bad[0]])}{_way_out(shown.iloc[bad[0]], name)}"
        )
    return numbers


def _kind(name: str) -> str:
    return "a whole number" if name == "trial" else "a finite number of seconds"


def _way_out(text: str, name: str) -> str:
    """How a number must be written that was written so."""
    if name == "time_s" and text.casefold() in NO_TIME:
        return ": a trial without a spike has a row in trials.csv, and none in a table of spikes"
    for pattern, words in OTHER_NUMBERS.items():
        if re.fullmatch(pattern, text):
            return f": {words}"
    return ""


@dataclass(frozen=True)
class _Names:
    """A column of names: the number of each row's name among those that are written there."""

    number: np.ndarray
    written: list[str]

    @classmethod
    def of(cls, cells: pd.Series) -> _Names:
        """In the order of their first rows."""
        import pandas as pd

        if cells.dtype != "category":
            number, written = pd.factorize(cells.to_numpy(dtype=object))
            return cls(number, [str(one) for one in written])
        number, used = pd.factorize(cells.cat.codes.to_numpy())
        return cls(number, [cells.cat.categories[one] for one in used])

    def is_blank(self) -> np.ndarray:
        """Which rows have nothing but blanks."""
        return np.asarray([not one.strip() for one in self.written])[self.number]

    def without(self, rows: np.ndarray) -> _Names:
        """The same without some rows; names that no row has any more stay in the list."""
        return _Names(self.number[~rows], self.written)

    def plain(self, file: Path, index: pd.Index, name: str) -> pd.Categorical:
        """As `plain_name` gives them; ValueError for an empty one, or two that become the same."""
        import pandas as pd

        spelling: dict[str, str] = {}
        places: dict[str, int] = {}
        used = np.bincount(self.number, minlength=len(self.written)) > 0
        place = np.zeros(len(self.written), dtype=np.int64)
        for number in np.flatnonzero(used):
            plain, one = plain_name(self.written[number]), _without_marks(self.written[number])
            if not plain or spelling.setdefault(plain, one) != one:
                row = index[int(np.argmax(self.number == number))]
                rule = f"be written alike everywhere, got {spelling[plain]!r} and {one!r}" if plain else "not be empty"
                raise ValueError(f"{file}, row {row}: {name} must {rule}")
            place[number] = places.setdefault(plain, len(places))
        alike: dict[str, str] = {}
        for one in places if name == "unit" else ():
            other = alike.setdefault(unicodedata.normalize("NFKC", one).casefold(), one)
            if other != one:
                warnings.warn(
                    f"{file}: the units {other!r} and {one!r} differ in capitals or look alike, and are read as two",
                    UserWarning,
                    stacklevel=2,
                )
        return pd.Categorical.from_codes(place[self.number], list(places))


def _check_numbers(file: Path, cells: pd.Series, name: str, may_be_empty: bool) -> None:
    values = cells.to_numpy()
    bad = np.isinf(values) if may_be_empty else ~np.isfinite(values)
    if name == "trial":
        bad = bad | ~(np.abs(values) < 2**53) | (values != np.rint(values))
    if bad.any():
        at = int(np.argmax(bad))
        got = "an empty cell" if np.isnan(values[at]) else repr(float(values[at]))
        way_out = _way_out("", name) if np.isnan(values[at]) else ""
        raise ValueError(f"{file}, row {cells.index[at]}: {name} must be {_kind(name)}, got {got}{way_out}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
