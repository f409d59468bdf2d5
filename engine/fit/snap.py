"""Lays limbs on their detections: the pose the network sees, nudged until its landmarks project where they
were found.

    poses, trans = snap_to_detections(points, poses, betas, trans, keypoints, camera_matrix)

The network answers in 3D, where a wrist is a few centimetres off; the detector saw it in the picture to about
one centimetre, but not its depth. Both are measurements of the same skeleton, so this is one weighted
least-squares problem in the rotations and the translation: stay near the network's body in all directions, go
to the detections across the viewing ray. Bones keep their length because only rotations move. A fixed number
of linear rounds, like the fit itself.

Pins are points with a known place, such as soles that stand on the ground: the legs and the root share the
way there, and the picture keeps the rest of the body where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .points import Array, Float, PointBody, ShapedPoints, apply, matrix, rotvec
from .pose import CHUNK, Moments, add_pose_pull, hat, turn

# How much each of MediaPipe's 33 landmarks pulls: ends of limbs, not the crowd of points on face and hands.
PULL = np.full(33, 0.3)
PULL[:11] = 0.1  # face
PULL[[11, 12, 23, 24]] = 0.3  # shoulders, hips
PULL[[13, 14, 25, 26]] = 0.6  # elbows, knees
PULL[[15, 16, 27, 28]] = 1.0  # wrists, ankles
PULL[[17, 18, 19, 20, 21, 22]] = 0.15  # fingers
PULL[[29, 30, 31, 32]] = 0.4  # heels, toes
STRENGTH = 0.1  # weight of one detection at pull 1 against the whole body staying where it is
OUTLIER = 0.06  # metres across the ray: further detections pull with constant force only (Huber)
PIN = 2.0  # weight of one pinned point against the whole body staying where it is
LARGEST_TURN = np.radians(25.0)  # per joint and round


@dataclass(frozen=True)
class Pins:
    """Points held in place.

    Attributes:
        body: the K points, see `PointBody.of(model, [], mixes=...)`.
        targets: (F,K,3) camera frame, metres.  weights: (F,K) 0-1; 0 leaves a point free.
    """

    body: PointBody
    targets: Array
    weights: Array


def snap_to_detections(
    body: PointBody,
    poses: Array,
    betas: Array,
    trans: Array,
    keypoints: Array,
    camera_matrix: Array,
    *,
    pins: Pins | None = None,
    strength: float = 1.0,
    rounds: int = 2,
    point_sigma: float = 0.001,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """New poses (F,24,3) and trans (F,3) whose landmarks project nearer to the detections.

    Args:
        body: with its 33 landmarks as the last points.
        poses: (F,24,3).  betas: (S,).  trans: (F,3) camera frame, already aligned with the detections.
        keypoints: (F,33,3) px, px, confidence; NaN and low confidence do not pull.
        pins: points to hold in place meanwhile.
        strength: 0 changes nothing, 1 is the measured default.
    """
    if strength <= 0:
        return np.asarray(poses, dtype=np.float32), np.asarray(trans, dtype=np.float32)
    shaped = body.shaped(betas)
    moments = Moments.of(shaped)
    new_poses = np.empty(np.shape(poses), dtype=np.float32)
    new_trans = np.empty(np.shape(trans), dtype=np.float32)
    k = np.asarray(camera_matrix, dtype=np.float64)
    for start in range(0, len(new_poses), CHUNK):
        part = slice(start, start + CHUNK)
        seen = np.asarray(keypoints[part], dtype=np.float64)
        finite = np.asarray(np.isfinite(seen).all(-1))
        seen = np.where(finite[..., None], seen, 0.0)
        rays = (seen[..., :2] - k[:2, 2]) / np.array([k[0, 0], k[1, 1]])
        # Doubtful points lose quickly: a detector that says 0.5 is usually guessing.
        pull = strength * STRENGTH * PULL * np.where(finite, np.clip(seen[..., 2], 0.0, 1.0) ** 2, 0.0)
        local, t = matrix(poses[part]), np.asarray(trans[part], dtype=np.float64)
        anchor = shaped.points(local, shaped.transforms(local)) + t[:, None]
        held = None
        if pins is not None:
            weights = strength * PIN * np.asarray(pins.weights[part], dtype=np.float64)
            held = _Held(pins.body.shaped(betas), np.asarray(pins.targets[part], dtype=np.float64), weights)
        for _ in range(rounds):
            local, t = _round(shaped, moments, anchor, rays, pull, held, local, t, point_sigma)
        new_poses[part], new_trans[part] = rotvec(local), t
    return new_poses, new_trans


@dataclass(frozen=True)
class _Held:
    """The pins of one chunk: shaped points, targets (f,K,3), weights (f,K)."""

    shaped: ShapedPoints
    targets: Float
    weights: Float


def _round(
    shaped: ShapedPoints,
    moments: Moments,
    anchor: Float,
    rays: Float,
    pull: Float,
    held: _Held | None,
    local: Float,
    trans: Float,
    point_sigma: float,
) -> tuple[Float, Float]:
    transforms = shaped.transforms(local)
    joints = apply(transforms, shaped.joints)
    posed = shaped.points(local, transforms) + trans[:, None]
    hessian = moments.hessian(transforms, joints)
    gradient = moments.gather(transforms, joints, (anchor - posed)[..., None])[..., 0]
    # The pull to rest only stiffens what no detection asks for; the network's pose itself stays where it is.
    add_pose_pull(hessian, np.zeros_like(gradient), local, transforms, point_sigma)
    landmarks = posed[:, -33:]
    depth = np.maximum(landmarks[..., 2:], NEAR)
    error = rays * depth - landmarks[..., :2]  # (F,33,2) metres across the ray
    size = np.linalg.norm(error, axis=-1)
    weight = pull / np.maximum(size / OUTLIER, 1.0)
    jacobian = point_jacobian(shaped.anchors[-33:], moments, transforms, joints)  # (F,33,3,75)
    across = jacobian[:, :, :2] - rays[..., None] * jacobian[:, :, 2:]
    rows = (across * np.sqrt(weight)[..., None, None]).reshape(len(local), -1, 75)
    right = (error * np.sqrt(weight)[..., None]).reshape(len(local), -1, 1)
    if held is not None:
        root = np.sqrt(held.weights)[..., None]
        jacobian = point_jacobian(held.shaped.anchors, moments, transforms, joints)
        away = held.targets - held.shaped.points(local, transforms) - trans[:, None]
        rows = np.concatenate([rows, (jacobian * root[..., None]).reshape(len(local), -1, 75)], axis=1)
        right = np.concatenate([right, (away * root).reshape(len(local), -1, 1)], axis=1)
    transposed = np.swapaxes(rows, -1, -2)
    hessian += transposed @ rows
    gradient += (transposed @ right)[..., 0]
    step = np.asarray(np.linalg.solve(hessian, gradient[..., None])[..., 0], dtype=np.float64)
    turns: Float = step[:, :72].reshape(-1, 24, 3)
    turns *= np.minimum(1, LARGEST_TURN / np.maximum(np.linalg.norm(turns, axis=-1, keepdims=True), 1e-9))
    return turn(local, transforms, turns, shaped.body.parents), trans + step[:, 72:]


def point_jacobian(anchors: Float, moments: Moments, transforms: Float, joints: Float) -> Float:
    """(F,K,3,75): how points of anchors (K,24,4) move with world-axes turns of the joints and a shift."""
    frames, count = len(transforms), len(anchors)
    share = (transforms[:, None] @ anchors[..., None])[..., 0]  # (F,K,24,3): each joint's part of the point
    part = moments.below @ share
    weight = anchors[..., 3] @ moments.below.T  # (K,24)
    arm = part - weight[..., None] * joints[:, None]
    jacobian = np.zeros((frames, count, 3, 75))
    jacobian[..., :72] = -hat(arm).transpose(0, 1, 3, 2, 4).reshape(frames, count, 3, 72)
    jacobian[..., 72:] = np.eye(3)
    return jacobian
