"""What a recorded drag says: frames per second, latency, settling, growth of the lag. Pure functions of the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class DragFigures:
    """Figures of one drag; times in ms, rates per second."""

    events_per_s: float
    page_fps: float
    local_fps: float
    answers_per_s: float
    median_ms: float
    p95_ms: float
    work_ms: float
    settle_ms: float
    lag_growth_ms: float
    in_flight: int = 0

    def lines(self) -> list[str]:
        """One line per figure, for people."""
        return [
            f"pointer events            {self.events_per_s:6.1f} /s",
            f"page                      {self.page_fps:6.1f} frames/s",
            f"local repaint             {self.local_fps:6.1f} frames/s",
            f"answers painted           {self.answers_per_s:6.1f} /s",
            f"pointer -> answer painted {self.median_ms:6.1f} ms median, {self.p95_ms:.1f} ms p95",
            f"kernel's work             {self.work_ms:6.1f} ms an answer (median)",
            f"settled after release     {self.settle_ms:6.1f} ms",
            f"lag growth, 3rd - 1st s   {self.lag_growth_ms:6.1f} ms",
            f"requests in flight        {self.in_flight:6d} at most",
        ]


def first_at_least(times: Sequence[float], moment: float) -> float:
    """The first of the ascending ``times`` which is not before ``moment``; infinity when there is none."""
    place = int(np.searchsorted(times, moment, side="left"))
    return float(times[place]) if place < len(times) else float("inf")


def response_times(record: dict[str, Any]) -> tuple[list[float], list[float]]:
    """When each pointer move came, and how long until an answer at least as new as it was painted, both in ms.

    A move travels in the first request that leaves after it; an answer acknowledges all requests up to its number; it
    is on screen at the end of the first frame in which the response was drawn after it had arrived.
    """
    moves = [pointer["at"] for pointer in record["pointers"] if pointer["kind"] == "pointermove"]
    sent_at = [send["at"] for send in record["sends"]]
    painted = record["paints"].get("rate", [])
    delays = []
    for moment in moves:
        place = int(np.searchsorted(sent_at, moment, side="left"))
        seq = record["sends"][place]["seq"] if place < len(sent_at) else float("inf")
        arrived = next((answer["at"] for answer in record["answers"] if answer["seq"] >= seq), float("inf"))
        delays.append(first_at_least(painted, arrived) - moment)
    return moves, delays


def shown_times(record: dict[str, Any], name: str) -> tuple[list[float], list[float]]:
    """The same for a text on screen which shows the dragged value: each move's value, or a newer one, is read there.

    The drag goes one way, so a newer value is a larger one.
    """
    moves = [(p["at"], p["value"]) for p in record["pointers"] if p["kind"] == "pointermove" and p["value"] is not None]
    shown = [(entry["at"], float(entry["text"])) for entry in record["shown"].get(name, [])]
    delays = []
    for moment, value in moves:
        seen = next((at for at, text in shown if at >= moment and text >= value - 1e-9), float("inf"))
        delays.append(seen - moment)
    return [moment for moment, _ in moves], delays


def rate_of(times: Sequence[float], start: float, end: float) -> float:
    """How many of ``times`` per second lie between ``start`` and ``end`` (ms)."""
    return 1000.0 * sum(start <= time <= end for time in times) / (end - start)


def growth(moves: Sequence[float], delays: Sequence[float], start: float) -> float:
    """Median delay of the third second minus that of the first (ms); a delay without an end counts as infinite."""
    seconds = [[d for m, d in zip(moves, delays, strict=True) if start + a <= m < start + a + 1000] for a in (0, 2000)]
    if not all(seconds):
        raise ValueError("record must have pointer moves in its first and in its third second, got none in one of them")
    first, third = (float(np.median(part)) for part in seconds)
    return third - first if np.isfinite(first) else float("inf")


def most_in_flight(record: dict[str, Any]) -> int:
    """The most requests that had left and were not yet acknowledged, at any time."""
    most = 0
    for place, send in enumerate(record["sends"]):
        seen = max((answer["seq"] for answer in record["answers"] if answer["at"] <= send["at"]), default=-1)
        most = max(most, sum(other["seq"] > seen for other in record["sends"][: place + 1]))
    return most


def drag_figures(record: dict[str, Any], *, text: str | None = None) -> DragFigures:
    """Figures of a recorded drag; ``text`` names the watched text where there are no answers to follow."""
    start = next(pointer["at"] for pointer in record["pointers"] if pointer["kind"] == "pointerdown")
    end = next(pointer["at"] for pointer in reversed(record["pointers"]) if pointer["kind"] == "pointerup")
    if text is None:
        moves, delays = response_times(record)
        last = max((send["seq"] for send in record["sends"]), default=float("inf"))
        final = next((answer["at"] for answer in record["answers"] if answer["seq"] >= last), float("inf"))
        settled = first_at_least(record["paints"].get("rate", []), final)
        arrivals = [first_at_least(record["paints"].get("rate", []), answer["at"]) for answer in record["answers"]]
        painted = sorted(set(arrivals))
        local = record["paints"].get("field", [])
    else:
        moves, delays = shown_times(record, text)
        painted = [entry["at"] for entry in record["shown"].get(text, [])]
        settled = painted[-1] if painted else float("inf")
        local = painted
    inside = [(m, d) for m, d in zip(moves, delays, strict=True) if start < m <= end]
    moves, delays = [m for m, _ in inside], [d for _, d in inside]
    work = [answer["work"] for answer in record["answers"]]
    return DragFigures(
        events_per_s=rate_of(moves, start, end),
        page_fps=rate_of(record["frames"], start, end),
        local_fps=rate_of(local, start, end),
        answers_per_s=rate_of(painted, start, end),
        median_ms=float(np.median(delays)),
        p95_ms=float(np.quantile(delays, 0.95, method="higher")),
        work_ms=float(np.median(work)) if work else float("nan"),
        settle_ms=max(settled - end, 0.0),
        lag_growth_ms=growth(moves, delays, start),
        in_flight=most_in_flight(record),
    )
