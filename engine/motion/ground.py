"""Where the ground is, and Blender's world on it: Z up, metres, floor at Z = 0.

    up = estimate_up(times, joints, feet, slow)                             # (3,) in the camera frame
    world_from_camera = world_frame(up, joints, feet, contact_or_slow)      # (4,4) float32
    world = to_world(world_from_camera, points)                             # (...,3)

The camera's tilt is estimated from the person. Three witnesses, joined as one small weighted least-squares
problem in the two angles of tilt away from the camera's own up (-y):
- people balance: on stretched legs, the line from the standing feet to the middle of the body is vertical on
  average;
- people stand upright: from pelvis to neck is vertical while the legs are straight and the trunk is still;
- feet stand on one plane: the places where feet rested, when they are apart, have equal heights;
and a prior: photographers hold cameras level to about ten degrees. Where somebody stands straight and the
first two agree, the prior gives way to them (a Student's t in place of a normal distribution), so that a
camera may well be rolled by 45 degrees; sitting, kneeling and bent people must not tip the world.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .contacts import runs
from .infill import Array, Mask

CAMERA_UP = np.array([0.0, -1.0, 0.0])
ROLL_SIGMA, PITCH_SIGMA = np.radians(8.0), np.radians(15.0)  # how level cameras are held
BALANCE_SIGMA = np.radians(5.0)  # one standing moment; a whole take is not better than BALANCE_LEAST
BALANCE_LEAST = np.radians(2.0)
UPRIGHT_SIGMA = np.radians(10.0)
UPRIGHT_LEAST = np.radians(5.0)
AGREEMENT = np.radians(15.0)  # between balance and standing straight, for both to outweigh the prior
TAIL = 5.0  # degrees of freedom of the prior that gives way
STRETCHED = 0.8  # pelvis to resting feet over the legs' length: on bent legs people lean, squat or sit
STEEPEST = 0.5  # cosine of how far from the camera's own up somebody may stand straight: not lying
PLANE_SIGMA = 0.04  # metres: the height of one resting place seen by one camera

# Where the mass is, roughly (pelvis, hips, knees, ankles, spine, head, shoulders, elbows, wrists), SMPL
# order.
_MASS = np.array(
    [12, 5, 5, 8, 5, 5, 8, 2, 2, 9, 0.5, 0.5, 4, 2, 2, 6, 3, 3, 2, 2, 1, 1, 0.5, 0.5], dtype=np.float64
)
MASS = _MASS / _MASS.sum()


def estimate_up(times: Array, joints: Array, feet: Array, slow: Mask) -> NDArray[np.float64]:
    """The unit vector against gravity in the camera frame, from one person's take.

    Args:
        times: (F,) seconds.  joints: (F,24,3) SMPL joints, camera frame.  feet: (F,4,3) left heel, toe, right
            heel, toe.
        slow: (F,4) feet that rest (contacts.slow_feet).

    Returns:
        (3,), never NaN; the camera's own up where nothing speaks.
    """
    times = np.asarray(times, dtype=np.float64)
    joints, feet = np.asarray(joints, dtype=np.float64), np.asarray(feet, dtype=np.float64)
    good = np.asarray(np.isfinite(joints).all((1, 2)) & np.isfinite(feet).all((1, 2)))
    if not good.any():
        return CAMERA_UP.copy()
    balance, is_balanced = _balance(joints, feet, slow)
    is_balanced &= good
    upright, is_upright = _upright(joints)
    rests = _resting_places(feet, slow & good[:, None])
    gives_way = _agree(balance[is_balanced], upright[good & is_upright])

    up = CAMERA_UP.copy()
    for _ in range(5):
        right = np.cross(up, [0.0, 0.0, 1.0])
        right = right / np.linalg.norm(right) if np.linalg.norm(right) > 1e-3 else np.array([1.0, 0.0, 0.0])
        axes = np.stack([right, np.cross(right, up)])  # tilting by a, b: up + a * axes[0] + b * axes[1]
        # The prior: distance of the present estimate from the camera's up along both axes.
        away = axes @ (CAMERA_UP - up)
        level = np.array([1 / ROLL_SIGMA**2, 1 / PITCH_SIGMA**2])
        if gives_way:
            level *= np.minimum((TAIL + 1) / (TAIL + away**2 * level), 1.0)
        information, vector = np.diag(level), level * away
        for directions, rows, sigma, least in (
            (balance, is_balanced, BALANCE_SIGMA, BALANCE_LEAST),
            (upright, good & is_upright, UPRIGHT_SIGMA, UPRIGHT_LEAST),
        ):
            a, b = _direction_evidence(times, directions[rows], rows, up, axes, sigma, least)
            information += a
            vector += b
        a, b = _plane_evidence(rests, up, axes)
        up = up + axes.T @ np.linalg.solve(information + a, vector + b)
        up /= np.linalg.norm(up)
    return up


def world_frame(
    up: Array, joints: Array, soles: Array, standing: Mask, visible: Mask | None = None
) -> NDArray[np.float32]:
    """world_from_camera (4,4): Z along `up`, floor at 0, first visible pelvis at x = y = 0, camera looking
    along +Y.

    A person who faces the camera then faces -Y, Blender's front.

    Args:
        up: (3,) camera frame.  joints: (F,24,3).
        soles: (F,K,3) points of the soles, camera frame; K = 4 contact points, or every sole vertex.
        standing: (F,K) where they rest on the ground; with none, the lowest points of all frames serve.
    """
    z = np.asarray(up, dtype=np.float64) / max(float(np.linalg.norm(up)), 1e-9)
    forward = np.array([0.0, 0.0, 1.0])
    y = forward - (forward @ z) * z
    if np.linalg.norm(y) < 0.1:  # looking straight up or down: the picture's own up is the world's forward
        y = CAMERA_UP * -np.sign(forward @ z)
        y = y - (y @ z) * z
    y /= np.linalg.norm(y)
    rotation = np.stack([np.cross(y, z), y, z])
    heights = np.asarray(soles, dtype=np.float64) @ z
    rows = np.ones(len(heights), dtype=bool) if visible is None else np.asarray(visible, dtype=bool).copy()
    rows &= np.isfinite(heights).all(axis=1) & np.isfinite(joints).all(axis=(1, 2))
    if not rows.any():
        rotation_only = np.eye(4, dtype=np.float32)
        rotation_only[:3, :3] = rotation
        return rotation_only
    resting = np.asarray(standing, dtype=bool) & rows[:, None]
    if resting.shape == heights.shape and resting.sum() >= 3:
        floor = np.quantile(heights[resting], 0.3)
    else:
        floor = np.quantile(heights[rows].min(axis=1), 0.1)
    pelvis = rotation @ np.asarray(joints, dtype=np.float64)[rows][0, 0]
    world = np.eye(4)
    world[:3, :3] = rotation
    world[:3, 3] = [-pelvis[0], -pelvis[1], -floor]
    return world.astype(np.float32)


def to_world(world_from_camera: Array, points: Array) -> NDArray[np.float64]:
    """Camera-frame points (...,3) to the world."""
    m = np.asarray(world_from_camera, dtype=np.float64)
    return np.asarray(np.asarray(points, dtype=np.float64) @ m[:3, :3].T + m[:3, 3])


def to_camera(world_from_camera: Array, points: Array) -> NDArray[np.float64]:
    """World points (...,3) to the camera frame."""
    m = np.asarray(world_from_camera, dtype=np.float64)
    return np.asarray((np.asarray(points, dtype=np.float64) - m[:3, 3]) @ m[:3, :3])


def _balance(joints: Array, feet: Array, slow: Mask) -> tuple[NDArray[np.float64], Mask]:
    """(F,3) from the resting feet's middle to the body's, unit length; (F,) whether they carry it."""
    weight = slow / np.maximum(slow.sum(axis=1, keepdims=True), 1)
    standing = (weight[..., None] * feet).sum(axis=1)
    line = MASS @ joints - standing
    bones = np.linalg.norm(joints[:, [1, 2, 4, 5]] - joints[:, [4, 5, 7, 8]], axis=-1).sum(axis=1) / 2
    stretched = np.linalg.norm(joints[:, 0] - standing, axis=-1) > STRETCHED * bones
    return _unit(line), np.asarray(slow.any(axis=1) & stretched)


def _upright(joints: Array) -> tuple[NDArray[np.float64], Mask]:
    """(F,3) pelvis to neck, and (F,) whether the person stands: both legs, or one, in line with the trunk."""
    trunk = _unit(joints[:, 12] - joints[:, 0])
    legs = np.stack([_unit(joints[:, h] - joints[:, a]) for h, a in ((1, 7), (2, 8))], axis=1)
    shins = np.stack([_unit(joints[:, k] - joints[:, a]) for k, a in ((4, 7), (5, 8))], axis=1)
    aligned = ((legs @ trunk[..., None])[..., 0] > 0.9) & ((shins * legs).sum(-1) > 0.97)
    return trunk, aligned.any(axis=1)


def _agree(balance: Array, upright: Array) -> bool:
    """Whether they balance (M,3) the way they stand straight (N,3), and do not seem to lie in the picture."""
    if len(balance) == 0 or len(upright) == 0:
        return False
    lines = _unit(np.stack([np.median(balance, axis=0), np.median(upright, axis=0)]))
    return bool(lines[0] @ lines[1] > np.cos(AGREEMENT) and (lines @ CAMERA_UP).min() > STEEPEST)


def _unit(vectors: Array) -> NDArray[np.float64]:
    """(...,3) made one long."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


def _direction_evidence(
    times: NDArray[np.float64],
    directions: Array,
    rows: Mask,
    up: Array,
    axes: Array,
    sigma: float,
    least: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Information (2,2) and vector (2,) from observed up directions; half a second makes a new one."""
    if len(directions) == 0:
        return np.zeros((2, 2)), np.zeros(2)
    tilt = directions @ axes.T / np.maximum(directions @ up, 0.2)[:, None]
    weight = 1 / np.maximum(np.linalg.norm(tilt, axis=1) / sigma, 1.0)  # Huber at one sigma
    weight = np.where(directions @ up > 0.2, weight, 0.0)
    if weight.sum() <= 0:
        return np.zeros((2, 2)), np.zeros(2)
    mean = weight @ tilt / weight.sum()
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.5
    moments = max(weight.sum() * min(step / 0.5, 1.0), min(1.0, weight.mean()))
    precision = 1 / (sigma**2 / moments + least**2)
    return np.eye(2) * precision, mean * precision


def _resting_places(feet: Array, slow: Mask) -> list[tuple[int, NDArray[np.float64]]]:
    """Each foot point's place during each stretch of rest: (which of heel or toe, median position)."""
    stretches = [(k, a, b) for k in range(slow.shape[1]) for a, b in runs(slow[:, k])]
    return [(k % 2, np.median(feet[a:b, k], axis=0)) for k, a, b in stretches]


def _plane_evidence(
    rests: list[tuple[int, NDArray[np.float64]]], up: Array, axes: Array
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Information and vector from resting places having equal heights: heels among heels, toes too."""
    information, vector = np.zeros((2, 2)), np.zeros(2)
    for kind in (0, 1):
        places = np.array([p for k, p in rests if k == kind])
        if len(places) < 2:
            continue
        centred = places - np.median(places, axis=0)
        height, run = centred @ up, centred @ axes.T
        # Equal heights: (up + tilt) . centred = 0. Two steps (Huber) so that a raised foot does not tip the
        # floor.
        weight = np.ones(len(places))
        for _ in range(3):
            a = run.T @ (weight[:, None] * run) / PLANE_SIGMA**2
            b = -run.T @ (weight * height) / PLANE_SIGMA**2
            left = height + run @ np.linalg.solve(a + np.eye(2), b)
            weight = 1 / np.maximum(np.abs(left) / PLANE_SIGMA, 1.0)
        information += a / 2  # heel and toe of one foot are one observation
        vector += b / 2
    return information, vector
