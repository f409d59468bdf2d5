"""How the datasets' cameras see: rigid placement and the two kinds of projection. Points in millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Projection(Protocol):
    """Points (N, 3) mm in camera axes to pixels (N, 2)."""

    def project(self, points: Array) -> Array: ...


@dataclass(frozen=True)
class Pinhole:
    """Focal lengths (2,) and principal point (2,), pixels."""

    focal: Array
    centre: Array

    def project(self, points: Array) -> Array:
        """x / z times the focal length, from the principal point."""
        return np.asarray(points[:, :2] / points[:, 2:] * self.focal + self.centre)


@dataclass(frozen=True)
class ScaledOrthographic:
    """The camera of the fits to COCO: pixels per metre (1,) or (2,), and the origin's pixel (2,)."""

    scale: Array
    origin: Array

    def project(self, points: Array) -> Array:
        """x and y in metres, scaled and moved."""
        return np.asarray(points[:, :2] / 1000.0 * self.scale + self.origin)


def turned(points: Array, rotation: Array, centre: Array) -> Array:
    """Points (N, 3) turned by a rotation (3, 3) about a point (3,).

    What the published loaders do to a body by multiplying its root joint's rotation.
    """
    return np.asarray((points - centre) @ rotation.T + centre)
