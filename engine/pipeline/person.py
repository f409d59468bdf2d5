"""One person's landmarks → one moving body: lift, fit, in-fill, smooth, place in front of the camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..fit.camera import camera_translation
from ..fit.points import PointBody
from ..fit.pose import fit_frames, fit_shape
from ..fit.residual import rest_residual
from ..fit.snap import snap_to_detections
from ..motion.infill import infill_translation, infill_values
from ..motion.smoothing import (
    CORRECTION_WIDTH,
    smooth_correction,
    smooth_keypoints,
    smooth_take,
    smooth_translation,
    smooth_values,
    translation_outliers,
)
from .lift import Lift, MeshLifter
from .stopwatch import Stopwatch

BASIS_FRAMES, SHAPE_FRAMES = 100, 50
"""Frames spread over the take that decide the residual's basis; of those, the ones that decide the shape."""
RESIDUAL_RANK = 16
RESIDUAL_WIDTH = 0.25
"""Seconds: the residual is soft tissue and clothing at most, so it may only move slowly."""
CHUNK = 128
SURE, ENOUGH_POINTS = 0.3, 11
"""A frame counts where at least half of the 22 points below the head are seen with this confidence."""
SHORTEST_SIGHT, BLINK = 0.15, 0.04
"""Seconds: people who are seen for less are ghosts, not counting interruptions of at most so long."""
TRUNK = (11, 12), (23, 24), (11, 23), (12, 24)
ARMS = (11, 13), (13, 15), (12, 14), (14, 16)
LEGS = (23, 25), (25, 27), (24, 26), (26, 28)
BONES = np.array([*TRUNK, *ARMS, *LEGS])
"""(12,2) landmarks at their ends."""
AROUND, USUAL_RANK, STRETCH = 1.0, 0.8, 1.25
"""Seconds before and after, the share of their frames that say how long all bones together may look, and
how many times as long a figure is impossible. Captured motion before made-up cameras looks longer without
any fault in one frame of 7000."""
SORT_CHUNK = 512
"""Frames whose neighbourhoods are sorted at a time."""


Resize = Callable[[np.ndarray], float]
"""The shape (10,) that somebody seems to have → the factor that makes them as large as they are."""


@dataclass(frozen=True)
class PersonMotion:
    """A body in motion, camera frame.

    Attributes:
        poses: (F,24,3); betas: (10,); trans: (F,3); visible: (F,) bool, where the person was seen;
            infilled: (F,) bool, where the motion is not the frame's own measurement: unseen, or an outlier.
        residual_basis: (K,N,3) coarse, rest frame, metres; residual: (F,K) its coefficients.
        points: the body reduced to the N coarse vertices and its landmarks.
        detections: (F,33,3) the calm detections it lies on; confidence 0 where the frame is not its own.
    """

    poses: np.ndarray
    betas: np.ndarray
    trans: np.ndarray
    visible: np.ndarray
    infilled: np.ndarray
    residual_basis: np.ndarray
    residual: np.ndarray
    points: PointBody
    detections: np.ndarray


def solve_person(
    times: np.ndarray,
    keypoints: np.ndarray,
    visible: np.ndarray,
    camera_matrix: np.ndarray,
    points: PointBody,
    lifter: MeshLifter,
    smoothing: float,
    progress: Callable[[int, int], None],
    watch: Stopwatch,
    resize: Resize | None = None,
) -> PersonMotion:
    """Everything about one person that does not need the others.

    Args:
        times: (F,) s; keypoints: (F,33,3) px; visible: (F,) bool, at least one true; camera_matrix: (3,3) px.
        smoothing: strength, 1 is the default, 0 none.
        points: the body reduced to the lifter's vertices and its landmarks.
        progress: called with (frames done, frames in all), often enough to give up there.
        watch: counts the stage "lift".
        resize: corrects the size of what is lifted; None leaves it as the network guesses it.
    """
    visible = trustworthy(times, keypoints, visible)
    seen = np.flatnonzero(visible)
    with watch("lift"):
        of_clip = lifter.lift_clip(times[seen], keypoints[seen], camera_matrix)

    def lift(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with watch("lift"):
            vertices, landmarks = of_clip(frames)
        return factor * vertices, factor * landmarks

    factor = 1.0
    if resize is not None:
        some = spread_evenly(len(seen), SHAPE_FRAMES)
        factor = resize(usual_shape(points, np.concatenate(lift(some), axis=1)))

    def pass_of(number: int) -> Callable[[int], None]:
        """Each of the three passes over the frames is a third of the way."""
        return lambda done: progress((number * len(seen) + done) // 3, len(seen))

    betas, poses, basis, residual = fit_person(points, visible, lift, pass_of(0))
    place = Placement(points, betas, keypoints, visible, camera_matrix)
    trans = place(poses)
    poses[seen], trans[seen] = snap_to_detections(
        points, poses[seen], betas, trans[seen], keypoints[seen], camera_matrix, progress=pass_of(1)
    )
    smooth = smooth_take(times, poses, trans, visible, strength=smoothing)
    # The smoothed pose is placed anew, so that it lies on the person and not where the raw pose lay.
    trans = infill_translation(times, place(smooth.poses), visible)
    trans = infill_translation(times, trans, ~translation_outliers(times, trans))
    trans = smooth_translation(times, trans, strength=smoothing)
    own = visible & ~smooth.infilled
    calm = smooth_keypoints(times, keypoints, visible, strength=smoothing)
    calm[~own, :, 2] = 0.0
    poses = smooth.poses
    if smoothing > 0:
        # Calm poses, laid once more on calm detections: smoothing takes reach from quick limbs.
        snapped, moved = poses.copy(), trans.copy()
        snapped[own], moved[own] = snap_to_detections(
            points, poses[own], betas, trans[own], calm[own], camera_matrix, progress=pass_of(2)
        )
        poses = smooth_correction(times, poses, snapped, own, strength=smoothing)
        way = smooth_values(times, infill_values(times, moved - trans, own), CORRECTION_WIDTH * smoothing)
        trans = trans + way.astype(np.float32)
    residual = infill_values(times, residual, visible).astype(np.float32)
    if smoothing > 0 and len(times) > 2:
        residual = smooth_values(times, residual, RESIDUAL_WIDTH * smoothing).astype(np.float32)
    return PersonMotion(poses, betas, trans, visible, smooth.infilled, basis, residual, points, calm)


def fit_person(
    points: PointBody,
    visible: np.ndarray,
    lift: Lift,
    progress: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fit every visible frame by itself, with one shape and one residual basis for all.

    Args:
        visible: (F,) bool; lift: of the visible frames, counted among themselves.
        progress: called with the frames done.

    Returns:
        betas (10,), poses (F,24,3), the residual's basis (K,N,3) and coefficients (F,K); zeros where unseen.
    """
    seen = np.flatnonzero(visible)
    poses = np.zeros((len(visible), 24, 3), np.float32)

    def fit(frames: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Fit some of the seen frames; returns their residuals (K,N,3)."""
        found, trans, _ = fit_frames(points, target, betas)
        poses[seen[frames]] = found
        return rest_residual(points, target, found, betas, trans)[:, :-33]

    chosen = spread_evenly(len(seen), BASIS_FRAMES)
    target = np.concatenate(lift(chosen), axis=1)
    betas = usual_shape(points, target)
    residual = fit(chosen, target)
    basis = residual_basis(residual)
    coefficients = np.zeros((len(visible), len(basis)), np.float32)
    coefficients[seen[chosen]] = np.tensordot(residual, basis, ((1, 2), (1, 2)))
    progress(len(chosen))
    others = np.setdiff1d(np.arange(len(seen)), chosen)
    for start in range(0, len(others), CHUNK):
        frames = others[start : start + CHUNK]
        residual = fit(frames, np.concatenate(lift(frames), axis=1))
        coefficients[seen[frames]] = np.tensordot(residual, basis, ((1, 2), (1, 2)))
        progress(len(chosen) + start + len(frames))
    return betas, poses, basis, coefficients


def usual_shape(points: PointBody, target: np.ndarray) -> np.ndarray:
    """The shape (10,) that fits some of the frames of (F,N,3) best, whatever their poses."""
    return np.asarray(fit_shape(points, target[spread_evenly(len(target), SHAPE_FRAMES)]), np.float32)


def spread_evenly(count: int, most: int) -> np.ndarray:
    """At most so many numbers from 0 to `count` - 1, both included, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


class Placement:
    """Poses → place in front of the camera, by the detections of the visible frames; zeros elsewhere."""

    def __init__(
        self,
        points: PointBody,
        betas: np.ndarray,
        keypoints: np.ndarray,
        visible: np.ndarray,
        camera_matrix: np.ndarray,
    ) -> None:
        self.landmarks = points.only(slice(-33, None))
        self.betas, self.camera_matrix = betas, camera_matrix
        self.keypoints, self.visible = keypoints[visible], visible

    def __call__(self, poses: np.ndarray) -> np.ndarray:
        """(F,24,3) → (F,3) metres."""
        still = np.zeros((int(self.visible.sum()), 3))
        landmarks = self.landmarks.posed(poses[self.visible], self.betas, still)
        trans = np.zeros((len(poses), 3), np.float32)
        trans[self.visible] = camera_translation(landmarks, self.keypoints, self.camera_matrix).translation
        return trans


def trustworthy(times: np.ndarray, keypoints: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The frames (F,) bool worth lifting: a possible person, enough of whom is seen for more than a moment.

    A person cut off by the edge of the picture, limbs drawn into the glare of the sun, or a ghost of a few
    frames would otherwise bend the motion between the frames that are sound. Where nothing is sound,
    everything visible is taken.
    """
    sure = (keypoints[:, 11:, 2] > SURE).sum(axis=1) >= ENOUGH_POINTS
    sound = visible & sure
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    sound &= ~stretched(keypoints, sound, round(AROUND / step))
    frames = np.flatnonzero(sound)
    for sight in np.split(frames, np.flatnonzero(np.diff(frames) - 1 > round(BLINK / step)) + 1):
        if len(sight) * step < SHORTEST_SIGHT:
            sound[sight] = False
    return sound if sound.any() else visible


def stretched(keypoints: np.ndarray, sound: np.ndarray, around: int) -> np.ndarray:
    """The frames (F,) bool of `sound` where somebody is drawn larger than they can be.

    A bone may look shorter than it is, not longer, so the lengths of all bones in the picture together
    have a limit that changes only as slowly as the distance to the camera does. The limit is taken from
    the sound frames up to `around` before and after; few as they may be, it lets most of them pass.
    """
    ends = keypoints[:, BONES, :2]
    length = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=-1).sum(axis=1)
    # Frames that do not count, and those beyond the ends, are infinite: they come last in order.
    known = np.pad(np.where(sound, length, np.inf), around, constant_values=np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(known, 2 * around + 1)
    usual = np.empty(len(length))
    for start in range(0, len(length), SORT_CHUNK):  # sorting copies every window it sees
        near = np.sort(windows[start : start + SORT_CHUNK], axis=1)
        rank = np.rint(USUAL_RANK * (np.isfinite(near).sum(axis=1) - 1)).astype(int)
        usual[start : start + SORT_CHUNK] = near[np.arange(len(near)), np.maximum(rank, 0)]
    return np.asarray(sound & (length > STRETCH * usual))


def residual_basis(residual: np.ndarray) -> np.ndarray:
    """The `RESIDUAL_RANK` directions (K,N,3), orthonormal, that hold most of the residuals (F,N,3).

    Not centred: a residual that never moves is a direction like any other. A low rank keeps a take of any
    length small and lets Blender carry it with as many shape keys.
    """
    flat = residual.reshape(len(residual), -1).astype(np.float64)
    _, _, rows = np.linalg.svd(flat, full_matrices=False)
    return rows[:RESIDUAL_RANK].reshape(-1, *residual.shape[1:]).astype(np.float32)
