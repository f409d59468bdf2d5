"""Every clip cut into pieces, each piece seen by a camera of its own, predicted and measured.

One camera per clip, as the headline figures have it, would tell a clip from its view as little as forty
cameras can: pieces of a second or so give hundreds of views, and every action is seen from many sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from ..pose2mesh.observation import Observation
from ..train.body_torch import BodyTorch
from ..train.evaluate import CASES, JOINTS, Sight, clip_seed, see
from ..train.evaluate_weights import Stages
from ..train.motions import MotionSet
from .measure import Errors, joined, measure
from .views import View, view_of

PredictStages = Callable[[Observation], Stages]
STAGES = Stages._fields
SEED = 7
PIECE = 40
"""Frames of a piece."""
EVERY = 3
"""One piece in so many is looked at: neighbours resemble each other, and a report should not take an hour."""


@dataclass(frozen=True)
class Piece:
    """Frames `start` to `stop` of the motion file, all of one clip, and the seed of their camera."""

    clip: int
    start: int
    stop: int
    first: int
    """Where the clip begins in the file."""
    seed: int


@dataclass(frozen=True)
class Collected:
    """N frames of many pieces, one after the other.

    Attributes:
        pieces: the pieces; piece: (N,) of each frame; frame: (N,) its number in the motion file.
        views: per case, because hidden points differ.
        errors: per case and stage.
        truth: (N,22,3) root-centred, virtual axes of the clean case; facing: (N,3,3) the pelvis in them.
    """

    pieces: list[Piece]
    piece: NDArray[np.int64]
    frame: NDArray[np.int64]
    views: dict[str, View]
    errors: dict[str, dict[str, Errors]]
    truth: NDArray[np.float32]
    facing: NDArray[np.float32]

    @property
    def clip(self) -> NDArray[np.int64]:
        """(N,) clip number of every frame."""
        return np.array([piece.clip for piece in self.pieces])[self.piece]


def pieces(motions: MotionSet, seed: int = SEED, length: int = PIECE, every: int = EVERY) -> list[Piece]:
    """Every clip's frames in pieces of about `length`, the first of each `every` of a clip."""
    found: list[Piece] = []
    for clip in torch.unique(motions.clip).tolist():
        frames = torch.nonzero(motions.clip == clip).flatten().tolist()
        first, count = frames[0], len(frames)
        edges = np.linspace(0, count, max(1, round(count / length)) + 1).astype(int)
        for number in range(0, len(edges) - 1, every):
            start, stop = first + int(edges[number]), first + int(edges[number + 1])
            found.append(Piece(clip, start, stop, first, clip_seed(seed + 1, len(found))))
    return found


def sight_of(body: BodyTorch, motions: MotionSet, piece: Piece, case: str) -> Sight:
    """What is seen of a piece; the same camera and shape in every case."""
    return see(body, motions.rotations[piece.start : piece.stop], case, piece.seed)


def collect(
    predict: PredictStages,
    body: BodyTorch,
    motions: MotionSet,
    seed: int = SEED,
    advance: Callable[[int], object] = lambda frames: None,
    every: int = EVERY,
) -> Collected:
    """Predict and measure all pieces in all cases; `advance` is told of every batch of frames."""
    chosen = pieces(motions, seed, every=every)
    errors: dict[str, dict[str, list[Errors]]] = {case: {stage: [] for stage in STAGES} for case in CASES}
    views: dict[str, list[View]] = {case: [] for case in CASES}
    truth, facing = [], []
    for piece in chosen:
        root = motions.rotations[piece.start : piece.stop, 0].numpy()
        for case in CASES:
            sight = sight_of(body, motions, piece, case)
            views[case].append(view_of(sight, root))
            for stage, points in zip(STAGES, predict(sight.pairs.observation), strict=True):
                errors[case][stage].append(measure(points, sight.pairs))
            advance(piece.stop - piece.start)
            if case == "clean":
                joints = sight.pairs.joints.numpy()
                truth.append((joints - joints[:, :1])[:, JOINTS])
                turn = sight.pairs.observation.rotation.numpy().transpose(0, 2, 1) @ sight.camera.numpy()
                facing.append(turn @ root)
    return Collected(
        chosen,
        np.repeat(np.arange(len(chosen)), [piece.stop - piece.start for piece in chosen]),
        np.concatenate([np.arange(piece.start, piece.stop) for piece in chosen]),
        {case: _joined_views(parts) for case, parts in views.items()},
        {case: {stage: joined(parts) for stage, parts in both.items()} for case, both in errors.items()},
        np.concatenate(truth),
        np.concatenate(facing),
    )


def _joined_views(parts: list[View]) -> View:
    return View(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(View)))
