"""The FreiHAND benchmark's own truth for its evaluation set, which the published annotation files lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...datasets.files import read_json, reading
from ...errors import EngineError

Array = npt.NDArray[Any]

JOINTS_FILE, VERTICES_FILE = "evaluation_xyz.json", "evaluation_verts.json"


def read_hand_truth(folder: Path, samples: int) -> tuple[Array, Array]:
    """Joints (N, 21, 3) and vertices (N, V, 3) in metres, as the benchmark's evaluation set ships them.

    Args:
        folder: of `evaluation_xyz.json` and `evaluation_verts.json`.
        samples: N, how many there must be.

    Raises:
        EngineError: a file is missing, damaged, or of other samples.
    """
    joints, vertices = (_read(folder / name, samples) for name in (JOINTS_FILE, VERTICES_FILE))
    return joints, vertices


def _read(path: Path, samples: int) -> Array:
    with reading(path):
        points = np.asarray(read_json(path, list), np.float64)
        if points.ndim != 3 or points.shape[2] != 3 or not np.isfinite(points).all():
            raise ValueError(f"shape {points.shape} instead of samples of points")
    if len(points) != samples:
        raise EngineError(
            f"{path} is about {len(points)} hands, the test set has {samples}: use files of one release."
        )
    return points
