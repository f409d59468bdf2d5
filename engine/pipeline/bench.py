"""How long every stage of a capture takes, and the whole against the 2D detector alone, on the same
frames.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..body.model import BodyModel
from ..pose2d.landmarker import Landmarker
from ..pose2d.tracking import Tracker
from ..video.decode import VideoFile
from .camera import camera_matrix
from .capture import CaptureOptions, capture, load_models
from .person import solve_person
from .world import stand_on_ground

T = TypeVar("T")


class Silent:
    """A reporter that nobody listens to."""

    def started(self, frames: int | None, fps: float, width: int, height: int, device: str) -> None:
        """Nothing."""

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Nothing."""

    def wants_vertices(self) -> bool:
        """No."""
        return False

    def vertices(self, frame_index: int, person: int, vertices: np.ndarray) -> None:
        """Nothing."""

    def warning(self, text: str) -> None:
        """Nothing."""

    def cancelled(self) -> bool:
        """Never."""
        return False


def bench_pipeline(video: Path, device: str = "auto") -> dict[str, object]:
    """{"stages_ms": {STAGE: ms per frame}, "end_to_end_fps", "pose2d_only_fps"} for one person in a video.

    Both rates count everything from opening the file, models loaded; they are measured one after the other.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = CaptureOptions(Path(folder) / "take.npz", device=device)
        capture(VideoFile(video, 0, 3), options, Silent())  # libraries and models are loaded once before
        whole = _seconds(lambda: capture(VideoFile(video), options, Silent()))[0]
        frames, detector = _detector_alone(video)
        stages = _stages(video, options)
    per_frame = {name: round(1000 * seconds / frames, 3) for name, seconds in stages.items()}
    return {
        "stages_ms": per_frame,
        "end_to_end_fps": round(frames / whole, 2),
        "pose2d_only_fps": round(frames / detector, 2),
    }


def _detector_alone(video: Path) -> tuple[int, float]:
    """Frames, and seconds to decode and detect them."""

    def run() -> int:
        with Landmarker(1) as landmarker:
            return sum(1 for frame in VideoFile(video) if landmarker.detect(frame) is not None)

    seconds, frames = _seconds(run)
    return frames, seconds


def _stages(video: Path, options: CaptureOptions) -> dict[str, float]:
    """Seconds of each stage over the whole video."""
    source = VideoFile(video)
    stages: dict[str, float] = {}
    stages["decode"], frames = _seconds(lambda: list(source))
    tracker = Tracker(1)
    with Landmarker(1) as landmarker:
        stages["pose2d"], detections = _seconds(lambda: [landmarker.detect(frame) for frame in frames])

        def track() -> None:
            for found, frame in zip(detections, frames, strict=True):
                tracker.add(found, frame.image, partial(landmarker.look, frame))

        stages["track"], _ = _seconds(track)
    tracks = tracker.tracks()
    lifter, body = load_models(options)
    camera = camera_matrix(source.info, None)
    times = np.array([frame.time for frame in frames], np.float32)
    stages["lift"], _ = _seconds(lambda: lifter.lift(tracks.keypoints2d[0], camera))
    stages["body"], person = _seconds(
        lambda: solve_person(
            times, tracks.keypoints2d[0], tracks.visible[0], camera, body, lifter, 1.0, lambda *_: None
        )
    )
    stages["body"] -= stages["lift"]
    stages["world"], _ = _seconds(lambda: stand_on_ground(times, [person], body, camera))
    stages["mesh"], _ = _seconds(lambda: _pose_all(body, person.poses, person.betas, person.trans))
    return stages


def _pose_all(body: BodyModel, poses: np.ndarray, betas: np.ndarray, trans: np.ndarray) -> None:
    for start in range(0, len(poses), 32):
        body.vertices(poses[start : start + 32], betas, trans[start : start + 32])


def _seconds(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result
