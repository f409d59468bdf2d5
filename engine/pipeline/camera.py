"""The camera nobody told us about: a pinhole at a focal length typical of phones and video cameras."""

from __future__ import annotations

import numpy as np

from ..errors import EngineError
from ..video.frames import VideoInfo

TYPICAL_FOCAL = 0.9
"""Focal length over the longer side of the picture. Phones in video mode and 24-35 mm lenses on full frame
lie between 0.7 and 1.0. A wrong guess moves the person along the optical axis and hardly changes the pose."""


def camera_matrix(info: VideoInfo, focal_px: float | None) -> np.ndarray:
    """(3,3) float32 pixels, principal point in the middle.

    Raises:
        EngineError: a focal length that is not a positive number.
    """
    if focal_px is not None and not (np.isfinite(focal_px) and focal_px > 0):
        raise EngineError(
            f"A focal length of {focal_px} px is not possible: give pixels above 0 or leave it out."
        )
    focal = focal_px or TYPICAL_FOCAL * max(info.width, info.height)
    matrix = [[focal, 0, info.width / 2], [0, focal, info.height / 2], [0, 0, 1]]
    return np.asarray(matrix, np.float32)
