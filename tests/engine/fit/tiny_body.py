"""A small articulated body with the real tree, made from tubes: enough to test fitting without the shipped
asset.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

PARENTS = np.array([-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21])
# Left side and midline of a 1.75 m T-pose, metres, y up; the right side mirrors it.
_JOINTS = {
    0: (0, 0, 0), 1: (0.08, -0.09, 0), 3: (0, 0.1, -0.01), 4: (0.1, -0.48, 0), 6: (0, 0.24, -0.01), 7: (0.11,
        -0.9, -0.04),
    9: (0, 0.3, 0), 10: (0.13, -0.96, 0.09), 12: (0, 0.5, -0.02), 13: (0.08, 0.42, -0.01), 15: (0, 0.58,
        0.02),
    16: (0.18, 0.44, -0.02), 18: (0.45, 0.43, -0.03), 20: (0.71, 0.43, -0.03), 22: (0.8, 0.42, -0.03),
}  # fmt: skip
MIRROR = {1: 2, 4: 5, 7: 8, 10: 11, 13: 14, 16: 17, 18: 19, 20: 21, 22: 23}
TIPS = {10: (0.0, 0.0, 0.09), 11: (0.0, 0.0, 0.09), 15: (0, 0.18, 0.02), 22: (0.09, 0, 0), 23: (-0.09, 0, 0)}
RADIUS = np.array([0.13, 0.08, 0.08, 0.12, 0.06, 0.06, 0.12, 0.04, 0.04, 0.13, 0.035, 0.035, 0.06, 0.06, 0.06,
0.09,
                   0.05, 0.05, 0.04, 0.04, 0.03, 0.03, 0.025, 0.025])  # fmt: skip


def rest_joints() -> np.ndarray:
    joints = np.zeros((24, 3))
    for j, position in _JOINTS.items():
        joints[j] = position
        if j in MIRROR:
            joints[MIRROR[j]] = np.array(position) * [-1, 1, 1]
    return joints


def tiny_body(rings: int = 5, around: int = 8, seed: int = 0) -> SimpleNamespace:
    """An object with what fitting reads of BodyModel: one open tube per bone, no correctives."""
    rng = np.random.default_rng(seed)
    joints = rest_joints()
    points: list[Any] = []
    weights: list[Any] = []
    triangles: list[Any] = []
    for j in range(24):
        children = np.flatnonzero(j == PARENTS)
        ends = [joints[c] for c in children] or [joints[j] + np.array(TIPS.get(j, (0, 0, 0.1)))]
        for end in ends:
            axis = end - joints[j]
            length = np.linalg.norm(axis)
            axis = axis / length
            side = np.cross(axis, [0.3, 0.5, 0.8])
            side /= np.linalg.norm(side)
            up = np.cross(axis, side)
            start = sum(len(p) for p in points)
            for along in np.linspace(0.05, 0.95, rings):
                angles = np.linspace(0, 2 * np.pi, around, endpoint=False)
                # An oval with a bump, so that twist is visible.
                r = RADIUS[j] * (1 + 0.25 * np.cos(2 * angles) + 0.15 * np.cos(angles))
                centre = joints[j] + axis * length * along
                points.append(
                    centre + r[:, None] * (np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * up)
                )
                w = np.zeros((around, 24))
                mix = np.clip(0.5 - 2 * along, 0, 0.5) if PARENTS[j] >= 0 else 0.0
                w[:, j] = 1 - mix
                w[:, PARENTS[j]] += mix
                weights.append(w)
            for a in range(rings - 1):
                for b in range(around):
                    p, q = start + a * around + b, start + a * around + (b + 1) % around
                    triangles += [(p, q, p + around), (q, q + around, p + around)]
    template, skin_weights = np.concatenate(points), np.concatenate(weights)
    # Shape: stature first, then girth, then random affine modes of a few millimetres.
    directions = np.zeros((len(template), 3, 10))
    joint_directions = np.zeros((24, 3, 10))
    directions[..., 0], joint_directions[..., 0] = template * 0.05, joints * 0.05
    centre = skin_weights @ joints
    directions[..., 1] = (template - centre) * 0.1
    for s in range(2, 10):
        linear = rng.normal(0, 0.02 / s, (3, 3))
        linear = (linear + linear.T) / 2  # a turn is no shape
        directions[..., s], joint_directions[..., s] = template @ linear, joints @ linear
    extended = np.concatenate([template, np.ones((len(template), 1))], axis=1)
    # A regressor that reproduces template and shape joints: least squares on template, directions and row
    # sums.
    basis = np.concatenate([extended, directions.reshape(len(template), -1)], axis=1)
    goal = np.concatenate([joints, np.ones((24, 1)), joint_directions.reshape(24, -1)], axis=1)
    regressor = np.linalg.lstsq(basis.T, goal.T, rcond=None)[0].T
    landmarks = np.zeros((33, len(template)))
    landmarks[np.arange(33), rng.choice(len(template), 33, replace=False)] = 1.0
    return SimpleNamespace(
        v_template=template.astype(np.float32),
        shapedirs=directions.astype(np.float32),
        weights=skin_weights.astype(np.float32),
        joint_regressor=regressor.astype(np.float32),
        parents=PARENTS,
        triangles=np.array(triangles, dtype=np.int32),
        landmark_regressor=landmarks.astype(np.float32),
        posedirs=None,
    )


def random_poses(frames: int, seed: int = 0) -> np.ndarray:
    """(F,24,3) plausible ranges: any heading, strong hips, knees, shoulders and elbows, a calm spine, still
    fingers.
    """
    rng = np.random.default_rng(seed)
    spread = np.full(24, 0.2)
    spread[[1, 2, 16, 17]] = 0.7
    spread[[4, 5, 18, 19]] = 0.8
    spread[[7, 8, 12, 15, 20, 21]] = 0.35
    spread[[22, 23]] = 0.0
    poses = rng.normal(0, 1, (frames, 24, 3)) * spread[:, None]
    poses[:, 0] = rng.normal(0, 0.3, (frames, 3)) + np.array(
        [np.pi, 0, 0]
    )  # upright in a camera frame with y down
    poses[:, 0, 1] += rng.uniform(-1, 1, frames)
    return poses
