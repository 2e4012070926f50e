"""Public recordings by name: what there is, where it comes from, under which licence; fetched and read in one call."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from deepstrf.datasets.crcns import read_crcns_aa
from deepstrf.datasets.download import downloaded
from deepstrf.datasets.folder import RecordingFolder
from deepstrf.datasets.nems import read_nems
from deepstrf.datasets.nwb import read_nwb
from deepstrf.datasets.recording import Recording
from deepstrf.datasets.source import Source
from deepstrf.deprecation import did_you_mean, keywords
from deepstrf.paths import as_path
from deepstrf.writing import replace_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fetch"]

CATALOGUE = Path(__file__).with_name("catalogue.json")
FOLDER = "DEEPSTRF_DATA"
READERS: dict[str, Any] = {
    "read_nems": read_nems,
    "read_crcns_aa": read_crcns_aa,
    "read_nwb": read_nwb,
    "RecordingFolder": RecordingFolder,
}
SHOWN = ("title", "species", "region", "units", "sounds", "megabytes", "licence", "state", "citation")
STATES = ("tried", "untried", "address unknown", "own account")
NOTES = "fetched.json"
"""Beside the files of a set: checksum of what was fetched first, and that its licence was shown."""


@overload
def fetch(name: None = None, *, catalogue: str | os.PathLike[str] | None = None) -> pd.DataFrame: ...
@overload
def fetch(
    name: str,
    *,
    split: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    catalogue: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **options: Any,
) -> Recording: ...
@keywords()
def fetch(
    name: str | None = None,
    *,
    split: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    catalogue: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **options: Any,
) -> Recording | pd.DataFrame:
    """A public recording by its name; without a name, the table of those that the catalogue knows.

    The first call downloads the files, shows the licence, and notes their checksum where the source publishes none;
    later ones compare with it and need no network. A download that was cut goes on where it ended.

    Parameters
    ----------
    name : str, optional
    split : str, optional
        Part of the sounds that the authors kept apart, such as ``"validation"``; None is all sounds.
    folder : str or path, optional
        Where files are kept, one folder for each set. None: that of the environment variable ``DEEPSTRF_DATA``, else
        the cache folder of the user.
    catalogue : str or path, optional
        Another catalogue in the form of ``deepstrf/datasets/catalogue.json``, such as a laboratory's own.
    progress : bool
        Show a bar.
    **options
        Of the reader: ``units``, ``sounds``, ...

    Returns
    -------
    Recording or DataFrame
        The recording's ``source`` is its `Source` in the catalogue.

    Raises
    ------
    ImportError
        pooch is not installed: ``pip install 'deepstrf-lab[data]'``.
    FileNotFoundError
        The catalogue has no address; the message says how to get the files and where to put them.
    ConnectionError
        There is no network, or the download was cut.
    OSError
        The disk is full, or nothing can be written into the folder.
    ValueError
        There is no such set or split, what came is not the file, its checksum has changed, or the file cannot be read.

    Examples
    --------
    >>> fetch().loc["nat4-a1", ["region", "licence", "state"]].tolist()
    ['A1', 'CC-BY-4.0', 'untried']
    """
    sets = _sets(CATALOGUE if catalogue is None else as_path("catalogue", catalogue))
    if name is None:
        if split is not None or options:
            raise ValueError(f"name must be one of {sorted(sets)}, got None: without it only the table is given")
        return _table(sets)
    if name not in sets:
        raise ValueError(f"name must be one of {sorted(sets)}, got {name!r}{did_you_mean(str(name), sets)}")
    source = sets[name]
    if split is not None:
        if split not in source.splits:
            raise ValueError(f"split must be one of {sorted(source.splits)} for {name!r}, got {split!r}")
        if options.get("sounds") is not None:
            raise ValueError(f"sounds must not be given with split, got {options['sounds']!r} and {split!r}")
        options["sounds"] = source.splits[split]
    here = _folder(folder) / name
    path = _files(source, here, progress)
    if source.reader is None:
        raise ValueError(f"{name}: there is no reader for its layout, which is not known here; its files are in {path}")
    recording: Recording = READERS[source.reader](path, **{**source.options, **options})
    recording.source = source
    return recording


def _sets(file: Path) -> dict[str, Source]:
    if not file.is_file():
        raise FileNotFoundError(f"there is no catalogue {file}")
    known = {one.name for one in fields(Source)} - {"name"}
    try:
        listed = _listed(file)
        for name, entry in listed.items():
            if strange := sorted(set(entry) - known):
                raise ValueError(
                    f"{file}: {name!r} has the unknown key {strange[0]!r}{did_you_mean(strange[0], known)}"
                )
            if entry.get("state") not in STATES:
                raise ValueError(f"{file}: state of {name!r} must be one of {list(STATES)}, got {entry.get('state')!r}")
            if entry.get("reader") not in (None, *READERS):
                raise ValueError(f"{file}: reader of {name!r} must be one of {list(READERS)}, got {entry['reader']!r}")
            for key, value in entry.items():
                if not _is_fit(key, value):
                    raise ValueError(
                        f"{file}: {key} of {name!r} must be {_KINDS.get(key, 'a text')}, got {value!r:.60}"
                    )
            for one in (name, entry.get("file") or "x"):
                if Path(one).name != one or one in ("", ".."):
                    raise ValueError(f"{file}: names of sets and files must not lead to other folders, got {one!r}")
        return {name: Source(name=name, **entry) for name, entry in listed.items()}
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{file} is no catalogue as catalogue.json is: {error!r}") from error


def _listed(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))["sets"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{file} is no catalogue as catalogue.json is: {error!r}") from error


_KINDS = {
    "redistribution": "true or false",
    "units": "a number",
    "sounds": "a number",
    "megabytes": "a number",
    "options": "an object",
    "splits": "an object of texts",
}


def _is_fit(key: str, value: Any) -> bool:
    """Whether a value of a catalogue is of the kind that its key wants; null stands for what is not known."""
    if key == "redistribution":
        return isinstance(value, bool)
    if key == "options":
        return isinstance(value, dict)
    if key == "splits":
        return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    if value is None:
        return key not in ("title", "state", "licence", "citation", "note")
    if key in ("units", "sounds"):
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    if key == "megabytes":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9
    return isinstance(value, str) and "\x00" not in value


def _table(sets: dict[str, Source]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(
        [[getattr(one, key) for key in SHOWN] for one in sets.values()], index=list(sets), columns=SHOWN
    )
    for key in ("units", "sounds", "megabytes"):
        frame[key] = frame[key].astype("Int64")
    return frame


def _folder(folder: str | os.PathLike[str] | None) -> Path:
    if folder is not None:
        return as_path("folder", folder)
    if os.environ.get(FOLDER):
        return as_path(FOLDER, os.environ[FOLDER])
    try:
        import pooch
    except ImportError as error:
        raise ImportError("fetch needs the package pooch: pip install 'deepstrf-lab[data]'") from error
    return Path(pooch.os_cache("deepstrf"))


def _files(source: Source, here: Path, progress: bool) -> Path:
    """The archive or the folder with the files of a set."""
    if source.address is None or source.file is None:
        own = [one for one in sorted(here.iterdir()) if one.name != NOTES] if here.is_dir() else []
        if not own:
            at = f"https://doi.org/{source.doi}" if source.doi else source.citation
            raise FileNotFoundError(
                f"{source.name} cannot be fetched ({source.state}): {source.note} Get its files from {at} and put them "
                f"into {here}; they are read from there by the same call. Licence: {source.licence}"
            )
        _show_licence(source, here)
        return own[0] if len(own) == 1 else here
    notes = _notes(here)
    known = source.checksum or notes.get("checksum")
    path, checksum = downloaded(
        source.address, here / source.file, checksum=known, megabytes=source.megabytes, progress=progress
    )
    if known is None:
        _note(here, checksum=checksum, address=source.address)
    _show_licence(source, here)
    return path


def _show_licence(source: Source, here: Path) -> None:
    """Print the licence, once for each folder."""
    if _notes(here).get("licence") == source.licence:
        return
    more = "" if source.redistribution else " Its files, and pages that hold them, must not be passed on."
    print(f"{source.name}: {source.title}. Licence: {source.licence}. Please cite {source.citation}.{more}")
    _note(here, licence=source.licence)


def _notes(here: Path) -> dict[str, Any]:
    try:
        notes = json.loads((here / NOTES).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(f"{here / NOTES} is damaged, which holds the checksum of what was fetched: {error}") from error
    return notes if isinstance(notes, dict) else {}


def _note(here: Path, **notes: str) -> None:
    replace_file(here / NOTES, json.dumps(_notes(here) | notes, indent=2).encode())
