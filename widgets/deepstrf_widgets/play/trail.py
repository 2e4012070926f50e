"""The way of a run: the values that it passed through, thinned, and its losses and scores."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["MOST_POINTS", "Point", "Trail", "Values"]

Values = dict[str, Tensor]

MOST_POINTS = 256
TRAIL_MB = 64.0
"""Room for the values of a run, besides its first and its last ones."""


@dataclass(frozen=True)
class Point:
    """Where a run was after a step.

    ``loss`` and ``scores`` are (N,), None where they are not known there; those of one ``measure`` compare.
    """

    step: int
    values: Values
    loss: Tensor | None = None
    scores: Tensor | None = None
    measure: int = 0

    @property
    def size(self) -> int:
        """Bytes of the values; those that points share are counted for each."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.values.values())


class Trail:
    """Points of a run, ascending; every second one goes when there is no more room, never the first or the last.

    Parameters
    ----------
    megabytes : float
        Room for the values, in 10^6 bytes.
    points : int
        How many there may be.
    """

    def __init__(self, megabytes: float = TRAIL_MB, points: int = MOST_POINTS) -> None:
        self._room, self._most = 1e6 * megabytes, points
        self._stride = 1
        self.points: tuple[Point, ...] = ()

    def __len__(self) -> int:
        return len(self.points)

    def add(self, point: Point) -> None:
        """Add the newest point, in place of the last one where that lies too close behind the one before."""
        points = self.points
        if points and point.step <= points[-1].step:
            points = tuple(one for one in points if one.step < point.step)
        if len(points) > 2 and points[-1].step - points[-2].step < self._stride:
            points = points[:-1]
        points = (*points, point)
        most = max(3, min(self._most, int(self._room / max(point.size, 1))))
        while len(points) > most:
            self._stride *= 2
            points = (points[0], *points[1:-1][1::2], points[-1])
        self.points = points

    def keeps(self, step: int) -> bool:
        """Whether a point there would stay when others follow."""
        steps = [point.step for point in self.points if point.step < step]
        if len(steps) > 2 and steps[-1] - steps[-2] < self._stride:
            steps.pop()
        return len(steps) < 2 or step - steps[-1] >= self._stride

    def nearest(self, step: float) -> Point:
        """The point nearest to a step; ValueError where there is none at all."""
        return min(self.points, key=lambda point: abs(point.step - step))

    def cut(self, step: int) -> None:
        """Forget what came after a step."""
        self.points = tuple(point for point in self.points if point.step <= step)

    def clear(self) -> None:
        """Forget all."""
        self.points, self._stride = (), 1
