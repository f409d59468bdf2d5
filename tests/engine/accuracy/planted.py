"""A predictor that knows the truth, to which a test adds errors it knows."""

from __future__ import annotations

from collections.abc import Callable

from engine.accuracy.collect import pieces, sight_of
from engine.accuracy.views import View, view_of
from engine.pose2mesh.observation import Observation
from engine.train.body_torch import BodyTorch
from engine.train.evaluate import CASES, Sight
from engine.train.evaluate_weights import Points, Stages
from engine.train.motions import MotionSet

Disturb = Callable[[Points, Sight, View, str, int], Points]
"""(truth, sight, view, case, number of the piece) → what the fit shall say."""


class Oracle:
    """Knows every sight by what is observed: its network says the truth, its fit what `disturb` says."""

    def __init__(self, points: BodyTorch, motions: MotionSet, disturb: Disturb, every: int = 1) -> None:
        self.answers: dict[bytes, Stages] = {}
        for number, piece in enumerate(pieces(motions, every=every)):
            for case in CASES:
                sight = sight_of(points, motions, piece, case)
                view = view_of(sight, motions.rotations[piece.start : piece.stop, 0].numpy())
                pairs = sight.pairs
                truth = Points(pairs.joints.numpy(), pairs.landmarks.numpy(), pairs.vertices.numpy())
                self.answers[_key(pairs.observation)] = Stages(
                    truth, disturb(truth, sight, view, case, number)
                )

    def __call__(self, observation: Observation) -> Stages:
        return self.answers[_key(observation)]


def _key(observation: Observation) -> bytes:
    return observation.points.numpy().tobytes()
