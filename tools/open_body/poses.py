"""Poses in which the body has to be right: from motions, and over the whole range of motion."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ANKLES, FEET, ELBOWS, WRISTS, HANDS = [7, 8], [10, 11], [18, 19], [20, 21], [22, 23]


def from_motions(motions: Any, held_out: bool, count: int, random: np.random.Generator) -> Array:
    """(count, 24, 3) poses facing forward; every tenth clip is held out.

    Forearms, hands, ankles and toes are turned a little at random: motion capture hardly moves them, and
        what does not vary cannot be learned.
    """
    frames = motions["unique_idx"]
    chosen = random.choice(
        frames[(motions["clip_index"][frames] % 10 == 3) == held_out], count, replace=False
    )
    poses = np.asarray(motions["poses"][chosen], np.float64)
    poses[:, 0] = 0.0
    poses[:, ELBOWS, 0] += random.normal(0.0, 0.5, (count, 2))
    for joints, spread in ((WRISTS, 0.4), (HANDS, 0.2), (ANKLES, 0.15), (FEET, 0.15)):
        poses[:, joints] += random.normal(0.0, spread, (count, 2, 3))
    return poses


def range_of_motion(count: int, random: np.random.Generator) -> Array:
    """(count, 24, 3) poses with every joint drawn on its own from roughly what a person can do."""

    def between(low: float, high: float) -> Array:
        return np.radians(random.uniform(low, high, count))

    poses = random.normal(0.0, 0.15, (count, 24, 3))
    poses[:, 0] = 0.0
    for odd, side in ((0, 1.0), (1, -1.0)):  # turns about y and z change sign from left to right
        poses[:, 1 + odd, 0] += between(-115, 25)
        poses[:, 1 + odd, 1] += side * between(-20, 30)
        poses[:, 1 + odd, 2] += side * between(-10, 40)
        poses[:, 4 + odd, 0] += between(0, 140)
        poses[:, 7 + odd, 0] += between(-30, 30)
        poses[:, 13 + odd, 2] += side * between(-12, 25)
        poses[:, 16 + odd, 0] += between(-50, 50)
        poses[:, 16 + odd, 1] += side * between(-90, 20)
        poses[:, 16 + odd, 2] += side * between(-80, 60)
        poses[:, 18 + odd, 0] += between(-40, 40)
        poses[:, 18 + odd, 1] += side * between(-135, 0)
        poses[:, 20 + odd, 0] += between(-70, 70)
        poses[:, 20 + odd, 2] += side * between(-50, 50)
    for limits, joints in (
        (((-15, 25), (-15, 15), (-10, 10)), (3, 6, 9)),
        (((-30, 30), (-35, 35), (-15, 15)), (12, 15)),
    ):
        for joint in joints:
            for axis, (low, high) in enumerate(limits):
                poses[:, joint, axis] += between(low, high)
    return poses
