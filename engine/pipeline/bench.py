"""How long every stage of a capture takes, and the whole against the 2D detector alone, on the same
frames.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from ..video.decode import VideoFile
from .capture import CaptureOptions, capture


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


def bench_pipeline(
    video: Path, device: str = "auto", people: int = 1, network: str = "quality", repeats: int = 3
) -> dict[str, object]:
    """{"stages_ms": {STAGE: ms per frame}, "end_to_end_fps", "pose2d_only_fps", "times_pose2d",
    "processor_times_pose2d"} for a video.

    Both rates count everything from opening the file and the detector to the last byte on disk or the last
    detection, with libraries loaded and caches warm, and the same pose model. The two take turns in one
    process, so that they see the same machine; of each the best run counts. The last figure is the same ratio
    in processor time of all threads: what runs beside the detector counts fully, and other programs disturb
    it less. The stages are those of the best run of the whole, and sum to
    it; "look" (from near, for people whom the detector lost), "lift" and "mesh" are taken out of the stages
    that hold them, and what runs beside the detector (loading the models) is seen only where it is waited
    for.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = CaptureOptions(Path(folder) / "take.npz", people=people, device=device, network=network)
        capture(VideoFile(video, 0, 3), options, Silent())
        alone, runs, busy = [], [], []
        for _ in range(repeats):
            start = time.process_time()
            alone.append(detector_alone(video, options))
            middle = time.process_time()
            runs.append(capture(VideoFile(video), options, Silent()))
            busy.append((middle - start, time.process_time() - middle))
    whole = min(runs, key=lambda run: run.seconds)
    busy_alone, busy_whole = (min(times) for times in zip(*busy, strict=True))
    pose2d_fps, whole_fps = whole.frames / min(alone), whole.frames / whole.seconds
    return {
        "stages_ms": {name: round(1000 * s / whole.frames, 3) for name, s in whole.stages.items()},
        "end_to_end_fps": round(whole_fps, 2),
        "pose2d_only_fps": round(pose2d_fps, 2),
        "times_pose2d": round(pose2d_fps / whole_fps, 3),
        "processor_times_pose2d": round(busy_whole / busy_alone, 3),
    }


def detector_alone(video: Path, options: CaptureOptions) -> float:
    """Seconds to decode a video and detect its people, with the settings of a capture."""
    start = time.perf_counter()
    source = VideoFile(video)
    with options.landmarker() as landmarker:
        for frame in source:
            landmarker.detect(frame)
    return time.perf_counter() - start
