"""A person's landmarks as the tracker compares them: where the body is, how large, and how alike two are."""

from __future__ import annotations

from math import exp, hypot
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Nose, shoulders, elbows, wrists, hips, knees, ankles: the points that say where a body is.
_CORE: Final = np.array([0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28])
_SPREAD: Final = 0.15  # OKS's k: standard deviation of a point over the size of the person
STRIDE: Final = 0.02  # how far a lost person gets in a frame, over their size


class Figure:
    """The core points of one person; measured once and compared with many.

    Args:
        points: (33,3) x px, y px, confidence.

    Attributes:
        points: as given.  xy: (13,2) px and sure: (13,) of the core.
        low, high: corners of the box around it, px.  centre: its median, px.  size: the box's diagonal, px.
        confidence: mean of `sure`.
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        core = points[_CORE]
        self.points = points
        self.xy, self.sure = core[:, :2], core[:, 2]
        self.confidence = float(self.sure.mean())
        ordered = np.sort(self.xy, axis=0).tolist()
        self.low, self.centre, self.high = (
            (float(ordered[row][0]), float(ordered[row][1])) for row in (0, len(ordered) // 2, -1)
        )
        self.size = max(hypot(self.high[0] - self.low[0], self.high[1] - self.low[1]), 1.0)

    def moved(self, x: float, y: float) -> Figure:
        """The same figure elsewhere (px)."""
        return Figure(self.points + np.array([x, y, 0], np.float32))

    def away(self, other: Figure) -> float:
        """Distance of the centres, px."""
        return hypot(self.centre[0] - other.centre[0], self.centre[1] - other.centre[1])

    def likeness(self, other: Figure, gap: int) -> float:
        """0-1 for two poses: mean of keypoint similarity and box overlap.

        After a gap of frames the pose may have changed, so being within reach then counts too.
        """
        size = (self.size * other.size) ** 0.5
        apart = self.xy - other.xy
        square = np.einsum("pa,pa->p", apart, apart) / (size * _SPREAD * (1 + 0.05 * (gap - 1))) ** 2
        weight = self.sure * other.sure + 1e-3
        similarity = float(np.exp(-0.5 * square) @ weight) / float(weight.sum())
        inner = self._inner(other)
        outer = self._area() + other._area() - inner
        likeness = 0.5 * similarity + 0.5 * inner / max(outer, 1.0)
        if gap > 3:
            away = self.away(other) / (size * STRIDE * gap)
            ratio = min(self.size, other.size) / max(self.size, other.size)
            likeness = max(likeness, 0.7 * ratio * exp(-0.5 * away**2))
        return likeness

    def covered(self, other: Figure) -> float:
        """Intersection of the two boxes over the smaller one."""
        return self._inner(other) / max(min(self._area(), other._area()), 1.0)

    def _area(self) -> float:
        return (self.high[0] - self.low[0]) * (self.high[1] - self.low[1])

    def _inner(self, other: Figure) -> float:
        width = min(self.high[0], other.high[0]) - max(self.low[0], other.low[0])
        height = min(self.high[1], other.high[1]) - max(self.low[1], other.low[1])
        return max(width, 0.0) * max(height, 0.0)
