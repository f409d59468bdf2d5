"""What the published training does to true 2D joints so that they look detected.

Human3.6M joints get Gaussian errors measured on a detector. COCO joints get the error kinds of human pose
detectors (Ronchi and Perona 2017), drawn as PoseFix draws them (Moon, Chang and Lee 2019): a good or jittered
joint, a miss, or an exchange of sides. Both work in pixels of the 288 x 384 crop.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ...pose2mesh.preprocess import NETWORK_SIZE
from ...pose2mesh.skeletons import joint_set

Array = npt.NDArray[np.float64]

# Per joint of human36m17: mean x, mean y, deviation x, deviation y in pixels of a 256-pixel crop, and how
# often the error is there. Measured by Chang, Moon and Lee (AbsPoseLifter, arXiv:1910.12029); the numbers are
# those of data/Human36M/noise_stats.py in hongsukchoi/Pose2Mesh_RELEASE.
HUMAN36M_ERRORS: Final = np.array(
    [
        (-0.06, -2.37, 1.33, 2.13, 1.00),  # pelvis
        (-0.83, -2.07, 3.41, 2.69, 1.00),  # right hip
        (-0.04, -1.01, 1.74, 2.20, 0.95),  # right knee
        (0.52, -3.40, 1.39, 2.14, 0.93),  # right ankle
        (0.78, -2.79, 3.26, 2.28, 1.00),  # left hip
        (0.42, -0.15, 1.53, 1.99, 0.94),  # left knee
        (-0.15, -3.78, 1.39, 2.39, 0.93),  # left ankle
        (-0.05, 0.10, 1.36, 1.74, 0.99),  # torso
        (0.14, -2.56, 1.18, 1.15, 0.99),  # neck
        (0.13, -0.26, 0.78, 0.59, 0.98),  # nose
        (0.09, 0.49, 1.35, 0.87, 0.99),  # head
        (-0.19, 0.31, 2.51, 1.48, 0.99),  # left shoulder
        (0.11, -0.60, 1.79, 1.76, 0.95),  # left elbow
        (-0.02, 0.88, 2.02, 2.10, 0.91),  # left wrist
        (0.52, -0.12, 2.23, 1.73, 0.99),  # right shoulder
        (0.06, -0.44, 1.93, 1.63, 0.95),  # right elbow
        (0.05, 0.16, 2.02, 2.24, 0.90),  # right wrist
    ]
)
_MEASURED_SIZE = 256.0

# The 17 detected joints of coco19: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
COCO_DETECTED: Final = 17
# Annotators' deviations as shares of the root of a person's area, from COCO's keypoint evaluation.
COCO_SIGMAS: Final = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000.0
# How often a joint jitters, is missed, or changes sides; the rest are good.
JITTER_SHARE: Final = np.array([0.10] + [0.15] * 10 + [0.20] * 2 + [0.10] * 4)
MISS_SHARE: Final = np.array([0.02] * 5 + [0.05] * 2 + [0.10] * 8 + [0.05] * 2)
INVERSION_SHARE: Final = np.array([0.01] * 5 + [0.03] * 6 + [0.06] * 6)
MISS_BESIDE_PAIR: Final = 0.2  # of the misses lie around the other side's joint
_PAIR_OF: Final = {a: b for pair in joint_set("coco19").flip_pairs for a, b in (pair, pair[::-1])}
GOOD, JITTER, MISS, INVERSION = range(4)


def _up_to_kind() -> Array:
    """(17, 3) how often a joint is good; good or jitters; all but an inversion."""
    shares = np.stack((JITTER_SHARE, MISS_SHARE, INVERSION_SHARE), axis=1)
    shares = np.column_stack((1.0 - shares.sum(axis=1), shares))
    for joint in range(COCO_DETECTED):
        if joint not in _PAIR_OF:  # the nose: the other kinds take over what would have been inversions
            shares[joint, INVERSION] = 0.0
    up_to: Array = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)
    return up_to[:, :INVERSION]


_UP_TO_KIND: Final = _up_to_kind()


def human36m_errors(rng: np.random.Generator) -> Array:
    """Errors (17, 2) to add to the joints of `human36m17`, pixels of the network's crop."""
    mean, deviation, share = HUMAN36M_ERRORS[:, :2], HUMAN36M_ERRORS[:, 2:4], HUMAN36M_ERRORS[:, 4]
    errors = rng.normal(mean, deviation) * (rng.uniform(size=len(share)) < share)[:, None]
    return np.asarray(errors / _MEASURED_SIZE * NETWORK_SIZE)


def similarity_radius(similarity: float, area: float) -> Array:
    """At what distance (17,) in pixels a joint's object keypoint similarity falls to `similarity`."""
    return np.asarray(np.sqrt(-2.0 * area * (2.0 * COCO_SIGMAS) ** 2 * np.log(similarity)))


def coco_errors(joints: npt.NDArray[np.floating], area: float, rng: np.random.Generator) -> Array:
    """The 17 detected joints (17, 2) of `coco19` as a detector might have found them.

    One joint after another, a joint's other side being where it has been moved to by then. Each is

    * good: within the radius of similarity 0.85;
    * jitter: between those of 0.85 and 0.5;
    * miss: between those of 0.5 and 0.1, one in five around its other side instead;
    * inversion: within the radius of 0.5 around its other side.

    Distances are uniform, directions too, and what lies nearer to the wrong of the two joints is drawn again.
    The published code raises the shares where few joints are visible; in its training all are.

    Args:
        joints: true joints in the crop, pixels.
        area: of the person's box, square pixels.
    """
    moved = np.array(joints, dtype=np.float64)
    good, half, far = (similarity_radius(level, area) for level in (0.85, 0.5, 0.1))
    kinds = (rng.random((COCO_DETECTED, 1)) > _UP_TO_KIND).sum(axis=1)
    beside = rng.random(COCO_DETECTED) < MISS_BESIDE_PAIR
    for j, kind in enumerate(kinds):
        pair = _PAIR_OF.get(j)
        here, there = moved[j], None if pair is None else moved[pair]
        if there is not None and (kind == INVERSION or (kind == MISS and beside[j])):
            here, there = there, here
        inner, outer = ((0.0, good[j]), (good[j], half[j]), (half[j], far[j]), (0.0, half[j]))[kind]
        moved[j] = _around(here, there, inner, outer, half[j] if kind == MISS else None, rng)
    return moved


def _around(
    centre: Array,
    other: Array | None,
    inner: float,
    outer: float,
    clearance: float | None,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """A point between two radii of `centre` and further from `other` than from it, or than `clearance`.

    At least half of the directions lead away from `other`, so few draws are needed.
    """
    x, y = float(centre[0]), float(centre[1])
    if other is None or (other == centre).all():  # then nothing is nearer to one than to the other
        to_x = to_y = math.inf
    else:
        to_x, to_y = float(other[0]), float(other[1])
    while True:
        radius, angle = inner + (outer - inner) * rng.random(), 2.0 * math.pi * rng.random()
        point = x + radius * math.cos(angle), y + radius * math.sin(angle)
        nearest = radius if clearance is None else clearance
        if not math.hypot(point[0] - to_x, point[1] - to_y) <= nearest:
            return point
