"""A reporter that remembers, the shipped sample video, and the truth about a made-up person."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SAMPLE = Path(__file__).parents[3] / "engine" / "assets" / "sample" / "balance_cam01.mp4"


@dataclass
class Recorder:
    """A `Reporter`; `cancel_after` progress calls it gives up."""

    live: bool = False
    cancel_after: int | None = None
    stages: dict[str, list[int]] = field(default_factory=dict)
    meshes: dict[int, np.ndarray] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    start: tuple[object, ...] | None = None
    calls: int = 0

    def started(self, *what: object) -> None:
        self.start = what

    def progress(self, stage: str, done: int, total: int | None) -> None:
        self.calls += 1
        self.stages.setdefault(stage, []).append(done)

    def wants_vertices(self) -> bool:
        return self.live

    def vertices(self, frame_index: int, person: int, vertices: np.ndarray) -> None:
        self.meshes[frame_index] = vertices

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def cancelled(self) -> bool:
        return self.cancel_after is not None and self.calls >= self.cancel_after


@dataclass(frozen=True)
class Walker:
    """A body swinging its limbs while it comes nearer: truth and perfect detections."""

    times: np.ndarray
    poses: np.ndarray
    betas: np.ndarray
    trans: np.ndarray
    keypoints: np.ndarray
    camera: np.ndarray
