"""Predictors that look at nothing, for scale: what the millimetres of the tables have to be compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pose2mesh.metrics import procrustes


def baselines(truth: NDArray[np.floating], facing: NDArray[np.floating]) -> dict[str, dict[str, float]]:
    """MPJPE and PA-MPJPE in mm of two constants.

    Args:
        truth: (N,J,3) m, root-centred, camera axes; facing: (N,3,3) the pelvis in them.

    Returns:
        "average pose": the mean of the truth itself, the same whatever is seen. "average pose, facing known":
        the mean pose in the body's own axes, turned as the person truly stands.
    """
    own = truth @ facing  # rows: x @ R = Rᵀ x
    turned = own.mean(axis=0) @ np.swapaxes(facing, 1, 2)
    constant = np.broadcast_to(truth.mean(axis=0), truth.shape)
    return {
        "average pose": _figures(constant, truth),
        "average pose, facing known": _figures(turned, truth),
    }


def _figures(predicted: NDArray[np.floating], truth: NDArray[np.floating]) -> dict[str, float]:
    plain = np.linalg.norm(predicted - truth, axis=-1).mean()
    aligned = np.linalg.norm(procrustes(predicted, truth) - truth, axis=-1).mean()
    return {"mpjpe": 1000 * float(plain), "pa_mpjpe": 1000 * float(aligned)}
