"""The body while it is being captured: one frame at a time, unsmoothed, with the shape known so far."""

from __future__ import annotations

import numpy as np

from ..body.model import BodyModel
from ..fit.camera import camera_translation
from ..fit.points import PointBody
from ..fit.pose import fit_frames, fit_shape
from ..fit.residual import full_vertices
from .lift import MeshLifter

SHAPE_FRAMES = 30
"""The first frames decide the preview's shape; the take's own comes from the whole video at the end."""


class LivePreview:
    """Landmarks of one frame → the whole mesh in front of the camera.

    Args:
        points: the body reduced to the lifter's vertices and its landmarks; camera_matrix: (3,3) px.
    """

    def __init__(
        self, body: BodyModel, points: PointBody, lifter: MeshLifter, camera_matrix: np.ndarray
    ) -> None:
        self.body, self.points, self.lifter, self.camera_matrix = body, points, lifter, camera_matrix
        self.betas = np.zeros(10, np.float32)
        self._first: list[np.ndarray] = []

    def vertices(self, keypoints: np.ndarray) -> np.ndarray:
        """(33,3) px and confidence → (V,3) metres, camera frame."""
        target = np.concatenate(self.lifter.lift(keypoints[None], self.camera_matrix), axis=1)
        self._learn_shape(target)
        poses, _, _ = fit_frames(self.points, target, self.betas, rounds=1)
        still = np.zeros((1, 3), np.float32)
        landmarks = self.points.posed(poses, self.betas, still)[:, -33:]
        place = camera_translation(landmarks, keypoints[None], self.camera_matrix).translation
        mesh: np.ndarray = full_vertices(self.body, poses, self.betas, place)[0]
        return mesh

    def _learn_shape(self, target: np.ndarray) -> None:
        if len(self._first) < SHAPE_FRAMES:
            self._first.append(target[0])
            if len(self._first) in (5, SHAPE_FRAMES):
                self.betas = np.asarray(fit_shape(self.points, np.stack(self._first)), np.float32)
