"""MediaPipe's PoseLandmarker (BlazePose GHUM): 33 landmarks of every person in a frame.

Valentin Bazarevsky et al., "BlazePose: On-device Real-time Body Pose Tracking", 2020. The Tasks API in VIDEO
mode, on the CPU, from the bundle that ships (`tools/build_pose_bundle.py`); nothing is downloaded or sent.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from ..video.frames import Frame

LANDMARKS: Final = 33
BUNDLE: Final = Path(__file__).parent.parent / "assets" / "pose_landmarker_full.task"
BYSTANDERS: Final = 2
"""How many more people than asked for are looked at, so that a passer-by cannot push the chosen one out."""


class Landmarker:
    """Landmarks of the people in consecutive frames of one video. A context manager.

    Args:
        people: how many people the user wants; `BYSTANDERS` more are looked for.
        bundle: the `.task` file.

    Raises:
        EngineError: the bundle is missing or damaged, or MediaPipe does not start.
    """

    def __init__(self, people: int = 1, bundle: Path = BUNDLE) -> None:
        if not bundle.is_file():
            raise EngineError(f"The pose model {bundle} is missing; install the engine again.", "internal")
        # Read by MediaPipe's logging when it is loaded.
        os.environ.setdefault("GLOG_minloglevel", "3")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with _quiet():
            try:
                self._mediapipe, self._task = _create(people + BYSTANDERS, bundle)
            except (ImportError, OSError, ValueError, RuntimeError) as error:
                raise EngineError(
                    f"MediaPipe cannot start ({error}); run `python -m engine doctor`.", "internal"
                ) from error
        self._last_ms = -1
        self._chatty = True  # until it has once found somebody, when the last part of its graph starts

    def detect(self, frame: Frame) -> NDArray[np.float32]:
        """Landmarks (N,33,3) of the N people seen: x px, y px in the upright picture, confidence 0-1.

        The confidence is visibility x presence: the model's belief that the point is inside the picture and
        not hidden by something. Points outside the picture have coordinates there.
        """
        # MediaPipe wants whole milliseconds that grow; two frames may share one.
        self._last_ms = max(round(frame.time * 1000), self._last_ms + 1)
        media = self._mediapipe
        image = media.Image(image_format=media.ImageFormat.SRGB, data=np.ascontiguousarray(frame.image))
        with _quiet() if self._chatty else contextlib.nullcontext():
            result = self._task.detect_for_video(image, self._last_ms)
        self._chatty = self._chatty and not result.pose_landmarks
        height, width = frame.image.shape[:2]
        rows = [
            [(p.x * width, p.y * height, p.visibility * p.presence) for p in person]
            for person in result.pose_landmarks
        ]
        points = np.asarray(rows, np.float32).reshape(-1, LANDMARKS, 3)
        return points[np.isfinite(points).all((1, 2))]

    def close(self) -> None:
        """Release the model."""
        with _quiet():
            self._task.close()

    def __enter__(self) -> Landmarker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _create(people: int, bundle: Path) -> tuple[Any, Any]:
    """The mediapipe package and a task; imported here because it takes a second."""
    import mediapipe
    from mediapipe.tasks.python.core.base_options import BaseOptions
    from mediapipe.tasks.python.vision.core.vision_task_running_mode import VisionTaskRunningMode
    from mediapipe.tasks.python.vision.pose_landmarker import PoseLandmarker, PoseLandmarkerOptions

    # A buffer, not a path: MediaPipe's own file reading fails on some unicode paths on Windows.
    base = BaseOptions(model_asset_buffer=bundle.read_bytes(), delegate=BaseOptions.Delegate.CPU)
    options = PoseLandmarkerOptions(
        base_options=base, running_mode=VisionTaskRunningMode.VIDEO, num_poses=people
    )
    return mediapipe, PoseLandmarker.create_from_options(options)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep MediaPipe's native start-up messages off the error stream; failures still raise."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
