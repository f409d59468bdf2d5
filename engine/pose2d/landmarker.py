"""MediaPipe's PoseLandmarker (BlazePose GHUM): 33 landmarks of every person in a frame.

Valentin Bazarevsky et al., "BlazePose: On-device Real-time Body Pose Tracking", 2020. The Tasks API in VIDEO
mode, on the CPU, from a bundle that ships (`tools/build_pose_bundle.py`); nothing is downloaded or sent.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from ..video.frames import Frame
from .mirrored import merged, unmirrored

LANDMARKS: Final = 33
MODELS: Final = ("full", "heavy")
"""Heavy is more precise and takes twice the time."""
_ASSETS: Final = Path(__file__).parent.parent / "assets"
BUNDLE: Final = _ASSETS / "pose_landmarker_full.task"
BYSTANDERS: Final = 2
"""How many more people than asked for are looked at, so that a passer-by cannot push the chosen one out."""


def bundle_path(model: str) -> Path:
    """The bundle of one of `MODELS`, to be read by `read_bundle`.

    Raises:
        EngineError: no such model.
    """
    if model not in MODELS:
        raise EngineError(f"There is no pose model {model!r}; choose {' or '.join(MODELS)}.")
    return _ASSETS / f"pose_landmarker_{model}.task"


def read_bundle(path: Path) -> bytes:
    """A bundle, whole or kept as numbered parts: PATH, or PATH.1, PATH.2, ...

    Raises:
        EngineError: it is missing.
    """
    parts = [path] if path.is_file() else sorted(path.parent.glob(f"{path.name}.[0-9]"))
    if not parts:
        raise EngineError(f"The pose model {path} is missing; install the engine again.", "internal")
    return b"".join(part.read_bytes() for part in parts)


class Landmarker:
    """Landmarks of the people in consecutive frames of one video. A context manager.

    Args:
        people: how many people the user wants; `BYSTANDERS` more are looked for.
        bundle: see `read_bundle`.
        mirrored: look at every frame's mirror image, too, on another core: half the noise, twice the work.

    Raises:
        EngineError: the bundle is missing or damaged, or MediaPipe does not start.
    """

    def __init__(self, people: int = 1, bundle: Path = BUNDLE, *, mirrored: bool = False) -> None:
        data = read_bundle(bundle)
        # Read by MediaPipe's logging when it is loaded.
        os.environ.setdefault("GLOG_minloglevel", "3")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        self._bundle = data
        self._task = _create("VIDEO", people + BYSTANDERS, data)
        self._mirror = _create("VIDEO", people + BYSTANDERS, data) if mirrored else None
        self._beside = ThreadPoolExecutor(1, "mirror")
        self._closer: Any = None
        self._last_ms = -1
        # Until they have once found somebody, when the last part of their graph starts.
        self._chatty = self._chatty_closer = True

    def detect(self, frame: Frame) -> NDArray[np.float32]:
        """Landmarks (N,33,3) of the N people seen: x px, y px in the upright picture, confidence 0-1.

        The confidence is visibility x presence: the model's belief that the point is inside the picture and
        not hidden by something. Points outside the picture have coordinates there.
        """
        # MediaPipe wants whole milliseconds that grow; two frames may share one.
        self._last_ms = max(round(frame.time * 1000), self._last_ms + 1)
        with _quiet() if self._chatty else contextlib.nullcontext():
            if self._mirror is not None:
                flipped = _image(frame.image[:, ::-1])
                mirror = self._beside.submit(self._mirror.detect_for_video, flipped, self._last_ms)
            looks = [self._task.detect_for_video(_image(frame.image), self._last_ms)]
            if self._mirror is not None:
                looks.append(mirror.result())
        self._chatty = self._chatty and not all(look.pose_landmarks for look in looks)
        straight, *other = (_points(look, frame.image.shape) for look in looks)
        return merged(straight, unmirrored(other[0], frame.image.shape[1])) if other else straight

    def look(self, frame: Frame, window: tuple[int, int, int, int]) -> NDArray[np.float32]:
        """Landmarks as of `detect`, but only of people inside a window (left, top, right, bottom) px.

        The detector sees a whole frame at 224 px, so small or strangely posed people are only found from
        near.
        """
        if self._closer is None:
            self._closer = _create("IMAGE", 2, self._bundle)
        left, top, right, bottom = window
        crop = frame.image[top:bottom, left:right]
        with _quiet() if self._chatty_closer else contextlib.nullcontext():
            result = self._closer.detect(_image(crop))
        self._chatty_closer = self._chatty_closer and not result.pose_landmarks
        points = _points(result, crop.shape)
        points[..., :2] += np.array([left, top], np.float32)
        return points

    def close(self) -> None:
        """Release the models."""
        self._beside.shutdown()
        with _quiet():
            self._task.close()
            if self._mirror is not None:
                self._mirror.close()
            if self._closer is not None:
                self._closer.close()

    def __enter__(self) -> Landmarker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _create(mode: str, people: int, bundle: bytes) -> Any:
    """A MediaPipe task; imported here because the import takes a second."""
    with _quiet():
        try:
            from mediapipe.tasks.python.core.base_options import BaseOptions
            from mediapipe.tasks.python.vision import PoseLandmarker, PoseLandmarkerOptions, RunningMode

            # A buffer, not a path: MediaPipe's own file reading fails on some unicode paths on Windows.
            base = BaseOptions(model_asset_buffer=bundle, delegate=BaseOptions.Delegate.CPU)
            options = PoseLandmarkerOptions(
                base_options=base, running_mode=RunningMode[mode], num_poses=people
            )
            return PoseLandmarker.create_from_options(options)
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            raise EngineError(
                f"MediaPipe cannot start ({error}); run `python -m engine doctor`.", "internal"
            ) from error


def _image(pixels: NDArray[np.uint8]) -> Any:
    from mediapipe import Image, ImageFormat

    return Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(pixels))


def _points(result: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(N,33,3) px and confidence of a result on a picture of this shape (H,W,3)."""
    height, width = shape[:2]
    rows = [
        [(p.x * width, p.y * height, p.visibility * p.presence) for p in person]
        for person in result.pose_landmarks
    ]
    points = np.asarray(rows, np.float32).reshape(-1, LANDMARKS, 3)
    return points[np.isfinite(points).all((1, 2))]


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
