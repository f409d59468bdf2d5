"""Lays limbs on their detections: the pose the network sees, nudged until its landmarks project where they
were found.

    poses, trans = snap_to_detections(points, poses, betas, trans, keypoints, camera_matrix)

The network answers in 3D, where a wrist is a few centimetres off; the detector saw it in the picture to about
one centimetre, but not its depth. Both are measurements of the same skeleton, so this is one weighted
least-squares problem in the rotations and the translation: stay near the network's body in all directions, go
to the detections across the viewing ray. Bones keep their length because only rotations move. A fixed number
of linear rounds, like the fit itself.

Pins are points with a known place, such as soles that stand on the ground: the legs and the root share the
way there, and the picture keeps the rest of the body where it is. How far away the body is, no picture says
well, so with pins the whole body may come nearer or go away almost for free, before a leg has to bend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .camera import NEAR
from .points import Array, Float, PointBody, ShapedPoints, matrix, rotvec
from .pose import CHUNK, Levers, StandIns, add_pose_pull, turn

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
FARTHER = 0.03  # with pins: what it costs that the whole body moves along the viewing ray, as a fraction
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
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """New poses (F,24,3) and trans (F,3) whose landmarks project nearer to the detections.

    Args:
        body: with its 33 landmarks as the last points.
        poses: (F,24,3).  betas: (S,).  trans: (F,3) camera frame, already aligned with the detections.
        keypoints: (F,33,3) px, px, confidence; NaN and low confidence do not pull.
        pins: points to hold in place meanwhile.
        strength: 0 changes nothing, 1 is the measured default.
        progress: called with the frames done, every now and then.
    """
    if strength <= 0:
        return np.asarray(poses, dtype=np.float32), np.asarray(trans, dtype=np.float32)
    shaped = body.shaped(betas)
    parts = _Parts(
        shaped,
        StandIns.of(shaped),
        body.only(slice(-33, None)).shaped(betas),
        None if pins is None else pins.body.shaped(betas),
    )
    new_poses = np.empty(np.shape(poses), dtype=np.float32)
    new_trans = np.empty(np.shape(trans), dtype=np.float32)
    k = np.asarray(camera_matrix, dtype=np.float64)
    for start in range(0, len(new_poses), CHUNK):
        part = slice(start, start + CHUNK)
        seen = np.asarray(keypoints[part], dtype=np.float64)
        finite = np.asarray(np.isfinite(seen).all(-1))
        seen = np.where(finite[..., None], seen, 0.0)
        local, t = matrix(poses[part]), np.asarray(trans[part], dtype=np.float64)
        asked = _Asked(
            rays=(seen[..., :2] - k[:2, 2]) / np.array([k[0, 0], k[1, 1]]),
            # Doubtful points lose quickly: a detector that says 0.5 is usually guessing.
            pull=strength * STRENGTH * PULL * np.where(finite, np.clip(seen[..., 2], 0.0, 1.0) ** 2, 0.0),
            places=None if pins is None else np.asarray(pins.targets[part], dtype=np.float64),
            firmness=None if pins is None else strength * PIN * np.asarray(pins.weights[part]),
        )
        stay = None
        for _ in range(rounds):
            transforms = shaped.transforms(local)
            here = parts.stand_ins.posed(local, transforms, t)
            stay = here if stay is None else stay
            local, t = _round(parts, asked, stay - here, local, transforms, t, point_sigma)
        new_poses[part], new_trans[part] = rotvec(local), t
        progress(start + len(local))
    return new_poses, new_trans


@dataclass(frozen=True)
class _Parts:
    """The body of the take: the stand-ins of all of it, its 33 landmarks, its K pinned points."""

    shaped: ShapedPoints
    stand_ins: StandIns
    landmarks: ShapedPoints
    pins: ShapedPoints | None


@dataclass(frozen=True)
class _Asked:
    """What is asked of the frames of a chunk.

    Attributes:
        rays: (f,33,2) x/z and y/z of the detections.  pull: (f,33) how much they weigh.
        places: (f,K,3) of the pins.  firmness: (f,K) how much they weigh.
    """

    rays: Float
    pull: Float
    places: Float | None
    firmness: Float | None


def _round(
    parts: _Parts,
    asked: _Asked,
    away: Array,
    local: Float,
    transforms: Float,
    trans: Float,
    point_sigma: float,
) -> tuple[Float, Float]:
    """One linearised round: new local rotations (f,24,3,3) and trans (f,3).

    Args:
        away: (f,R,3) from the stand-ins to where they were in the beginning.
    """
    levers = Levers.of(parts.stand_ins.anchors, transforms, parts.shaped)
    hessian, gradient = levers.hessian(), levers.gather(away[..., None])[..., 0]
    if parts.pins is not None:
        _free_distance(hessian, gradient, trans)
    # The pull to rest only stiffens what no detection asks for; the network's pose itself stays where it is.
    add_pose_pull(hessian, np.zeros_like(gradient), local, transforms, point_sigma)
    rows, right = _across_rays(parts.landmarks, asked, local, transforms, trans)
    if parts.pins is not None and asked.places is not None and asked.firmness is not None:
        root = np.sqrt(asked.firmness)[..., None]
        missing = asked.places - parts.pins.points(local, transforms) - trans[:, None]
        held = point_jacobian(parts.pins, transforms) * np.swapaxes(root, 1, 2)[:, None]
        rows = np.concatenate([rows, held.reshape(len(local), 75, -1)], axis=-1)
        right = np.concatenate([right, np.swapaxes(missing * root, 1, 2).reshape(len(local), -1)], axis=-1)
    hessian += rows @ np.swapaxes(rows, -1, -2)
    gradient += (rows @ right[..., None])[..., 0]
    step = np.asarray(np.linalg.solve(hessian, gradient[..., None])[..., 0], dtype=np.float64)
    turns: Float = step[:, :72].reshape(-1, 24, 3)
    turns *= np.minimum(1, LARGEST_TURN / np.maximum(np.linalg.norm(turns, axis=-1, keepdims=True), 1e-9))
    return turn(local, transforms, turns, parts.shaped.body.parents), trans + step[:, 72:]


def _free_distance(hessian: Float, gradient: Float, trans: Float) -> None:
    """Let staying in place not mind, but for `FARTHER`, one shift of all points along the viewing ray.

    That shift is an unknown of its own, eliminated from the normal equations (Schur complement), in place.

    Args:
        hessian: (f,75,75), gradient: (f,75) of staying in place alone, the last three unknowns a shift.
        trans: (f,3) where the body is.
    """
    ray = trans / np.maximum(np.linalg.norm(trans, axis=-1, keepdims=True), NEAR)
    along = np.einsum("fij,fj->fi", hessian[:, :, 72:], ray)
    asked = np.einsum("fi,fi->f", gradient[:, 72:], ray)
    share = (1 - FARTHER) / hessian[:, 72, 72]
    gradient -= (share * asked)[:, None] * along
    hessian -= share[:, None, None] * along[:, :, None] * along[:, None, :]


def _across_rays(
    landmarks: ShapedPoints, asked: _Asked, local: Float, transforms: Float, trans: Float
) -> tuple[Array, Array]:
    """Weighted equations that lay landmarks on their rays: transposed rows (f,75,66), right sides (f,66)."""
    posed = landmarks.points(local, transforms) + trans[:, None]
    depth = np.maximum(posed[..., 2:], NEAR)
    error = asked.rays * depth - posed[..., :2]  # (f,33,2) metres across the ray
    weight = asked.pull / np.maximum(np.linalg.norm(error, axis=-1) / OUTLIER, 1.0)
    root = np.sqrt(weight)[..., None]
    rays, scale = (np.swapaxes(values, 1, 2)[:, None].astype(np.float32) for values in (asked.rays, root))
    jacobian = point_jacobian(landmarks, transforms)
    rows = (jacobian[:, :, :2] - rays * jacobian[:, :, 2:]) * scale
    return rows.reshape(len(local), 75, -1), np.swapaxes(error * root, 1, 2).reshape(len(local), -1)


def point_jacobian(points: ShapedPoints, transforms: Float) -> NDArray[np.float32]:
    """(F,75,3,K): how K points move with world-axes turns of the 24 joints, and with a shift."""
    anchors = np.ascontiguousarray(np.moveaxis(points.anchors, 0, -1), dtype=np.float32)
    levers = Levers.of(anchors, transforms, points)
    x, y, z = levers.arm[:, :, 0], levers.arm[:, :, 1], levers.arm[:, :, 2]
    jacobian = np.zeros((len(transforms), 75, 3, len(points.anchors)), np.float32)
    jacobian[:, 0:72:3, 1], jacobian[:, 0:72:3, 2] = -z, y
    jacobian[:, 1:72:3, 0], jacobian[:, 1:72:3, 2] = z, -x
    jacobian[:, 2:72:3, 0], jacobian[:, 2:72:3, 1] = -y, x
    jacobian[:, [72, 73, 74], [0, 1, 2]] = levers.weight
    return jacobian
