"""Linear regressors from vertices to joints and to MediaPipe's landmarks, right across shapes and poses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.body.model import JOINT_NAMES

from .source import Source

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Landmark:
    """Where a MediaPipe landmark sits: on a joint, a bone's head, a vertex or a pupil, plus an offset.

    ``place`` names it ("joint elbow", "bone finger2-1", "vertex 12131 5532", "pupil"), ``frame`` is the
    joint that carries it, ``offset`` is outward, up, forward in millimetres on a body of 1.84 m. Only
    offsets that were the same over four appearances and detector models are applied; the places are
    accurate to about 1 % of the stature.
    """

    place: str
    frame: str
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)


OFFSET_STATURE = 1.84
NOSE = Landmark("vertex 5054 5054", "head")
# MediaPipe lists left, then right, except for the eyes: three of the left, three of the right.
EYES = (
    Landmark("vertex 6882 98", "head"),
    Landmark("pupil", "head"),
    Landmark("vertex 6923 145", "head"),
)
PAIRS = (
    Landmark("vertex 12131 5532", "head", (-23, 5, 23)),  # ear
    Landmark("vertex 7189 429", "head"),  # mouth
    Landmark("joint shoulder", "shoulder"),
    Landmark("joint elbow", "elbow"),
    Landmark("joint wrist", "wrist"),
    Landmark("bone finger5-1", "wrist", (-5, -8, 32)),  # pinky
    Landmark("bone finger2-1", "wrist", (-23, -9, -14)),  # index
    Landmark("bone finger1-3", "wrist", (-18, 32, -46)),  # thumb
    Landmark("joint hip", "pelvis", (-19, 8, 29)),
    Landmark("joint knee", "knee"),
    Landmark("joint ankle", "knee", (3, 26, 10)),
    Landmark("vertex 12442 5845", "ankle", (-7, 18, 29)),  # heel
    Landmark("vertex 11551 4933", "foot", (26, 7, -28)),  # foot index
)


def landmark_list() -> list[tuple[Landmark, str]]:
    """MediaPipe's 33 landmarks with their side."""
    out = [(NOSE, "left")]
    out += [(eye, side) for side in ("left", "right") for eye in EYES]
    out += [(pair, side) for pair in PAIRS for side in ("left", "right")]
    return out


def joint_index(name: str, side: str) -> int:
    return JOINT_NAMES.index(name if name in JOINT_NAMES else f"{side}_{name}")


def landmark_points(source: Source, shapes: Array, heads: Array, pupils: Array, joints: Array) -> Array:
    """The 33 landmarks (N, 33, 3) of T-posed shapes."""
    scale = np.ptp(shapes[:, :, 1], axis=1)[:, None] / OFFSET_STATURE
    points = []
    for landmark, side in landmark_list():
        kind, *names = landmark.place.split()
        which = 0 if side == "left" else 1
        if kind == "vertex":
            point = shapes[:, np.flatnonzero(source.base_ids == int(names[which]))[0]]
        elif kind == "pupil":
            point = pupils[:, which]
        elif kind == "joint":
            point = joints[:, joint_index(names[0], side)]
        else:
            point = heads[:, source.bone(f"{names[0]}.{'LR'[which]}")]
        outward = 1.0 if side == "left" else -1.0
        points.append(point + scale * 1e-3 * np.array(landmark.offset) * [outward, 1.0, 1.0])
    return np.stack(points, axis=1)


def fit_row(template: Array, point: Array, samples: Array, targets: Array, count: int, ridge: float) -> Array:
    """One row of a regressor: weights (V,) of the ``count`` vertices nearest to a point.

    Least squares over the samples with a ridge on the weights, subject to reproducing the point on the
    template under every affine map (weights sum to 1 and their mean of the template is the point), so rigid
    motion is exact.

    Args:
        template: (V, 3); point: (3,) wanted there.
        samples: (M, V, 3), targets: (M, 3).
        ridge: relative to the number of sample coordinates, square metres.
    """
    distance = np.linalg.norm(template - point, axis=1)
    if distance.min() < 1e-6:  # the point is a vertex
        return np.asarray(np.eye(1, len(template), int(distance.argmin()))[0])
    # A tie would choose between mirror images by rounding.
    chosen = np.argsort(distance.round(7), kind="stable")[:count]
    # Relative to the target, sum-to-one rows lose nothing in precision.
    rows = (
        (samples[:, chosen].astype(np.float64) - targets[:, None]).transpose(0, 2, 1).reshape(-1, len(chosen))
    )
    normal = rows.T @ rows / len(rows) + ridge * np.eye(len(chosen))
    constraint = np.concatenate([np.ones((1, len(chosen))), (template[chosen] - point).T])
    system = np.block([[normal, constraint.T], [constraint, np.zeros((4, 4))]])
    right = np.zeros(len(chosen) + 4)
    right[len(chosen)] = 1.0
    weights = np.zeros(len(template))
    weights[chosen] = np.linalg.solve(system, right)[: len(chosen)]
    return weights


def swapped_sides(names: list[str]) -> Array:
    """Index of the left-right partner of each name."""
    swap = {"left": "right", "right": "left"}
    partner = ["_".join(swap.get(word, word) for word in name.split("_")) for name in names]
    return np.array([names.index(name) for name in partner])


def landmark_mirror() -> Array:
    """(33,) index of the left-right partner of each landmark."""
    return np.array([0, 4, 5, 6, 1, 2, 3, *(i + 1 if i % 2 else i - 1 for i in range(7, 33))])
