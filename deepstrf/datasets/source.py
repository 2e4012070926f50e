"""Where a public recording comes from, and what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Source:
    """One set of the catalogue: where a recording comes from, and what may be done with it."""

    name: str
    title: str
    state: str
    licence: str
    citation: str
    redistribution: bool = False
    species: str | None = None
    region: str | None = None
    units: int | None = None
    sounds: int | None = None
    doi: str | None = None
    file: str | None = None
    address: str | None = None
    megabytes: float | None = None
    checksum: str | None = None
    reader: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    note: str = ""
