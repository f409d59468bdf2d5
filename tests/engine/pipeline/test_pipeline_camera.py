from __future__ import annotations

import numpy as np
import pytest

from engine.errors import EngineError
from engine.pipeline.camera import camera_matrix
from engine.video.frames import VideoInfo

PORTRAIT = VideoInfo(1080, 1920, 30.0, 10, None)


def test_the_guess_depends_on_the_longer_side_only() -> None:
    landscape = VideoInfo(1920, 1080, 30.0, 10, None)
    assert camera_matrix(PORTRAIT, None)[0, 0] == camera_matrix(landscape, None)[1, 1]
    np.testing.assert_allclose(camera_matrix(PORTRAIT, None)[:2, 2], [540, 960])


def test_a_known_focal_length_is_used_and_nonsense_refused() -> None:
    assert camera_matrix(PORTRAIT, 1500.0)[0, 0] == 1500
    for wrong in (0.0, -3.0, float("nan")):
        with pytest.raises(EngineError, match="focal length"):
            camera_matrix(PORTRAIT, wrong)
