"""A weight file against a motion file: what leaves the fit, which is what the user gets, before smoothing."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..body.model import BodyModel
from ..fit.points import PointBody
from ..fit.pose import fit_frames, fit_shape
from ..pose2mesh.body_network import BodyNetwork, load_body_network, shipped_weights
from ..pose2mesh.observation import Observation
from .body_torch import BodyTorch
from .evaluate import evaluate
from .motions import load_motions

BATCH = 64
"""Frames at a time, so that the graphs' features stay near the processor."""
SHAPE_FRAMES = 100
"""Frames that decide a clip's shape, as in a capture."""


class Points(NamedTuple):
    """A clip's joints (F,24,3), landmarks (F,33,3), coarse vertices (F,N,3): metres, virtual camera axes."""

    joints: np.ndarray
    landmarks: np.ndarray
    vertices: np.ndarray


class Stages(NamedTuple):
    """What one clip becomes: straight from the network (joints by its regressor), and after the fit."""

    network: Points
    fit: Points


class Predictor:
    """A network and the fit on it: `stages` gives all it makes of a clip, a call what is evaluated.

    Args:
        weights: name of a shipped weight file, or a path that ends in `.safetensors`.
    """

    def __init__(self, weights: str, device: torch.device) -> None:
        self.path = Path(weights) if weights.endswith(".safetensors") else shipped_weights(weights)
        self.network: BodyNetwork = load_body_network(self.path, device)
        self.device = device
        self.body = BodyModel.load("open_body")
        self.points = PointBody.of(self.body, self.network.mesh.vertex_ids, landmarks=True)

    @property
    def truth(self) -> BodyTorch:
        """The body that makes the truth this network is compared with."""
        return BodyTorch(self.body, self.network.mesh.vertex_ids)

    def __call__(self, observation: Observation) -> tuple[np.ndarray, np.ndarray]:
        """`evaluate.Predict`: joints of the fitted skeleton, and the network's own vertices."""
        landmarks, vertices = self.lift(observation)
        poses, betas, trans = self.fit(landmarks, vertices)
        return self.points.joints_posed(poses, betas, trans).astype(np.float32), vertices

    def stages(self, observation: Observation) -> Stages:
        """Everything, for a report."""
        landmarks, vertices = self.lift(observation)
        poses, betas, trans = self.fit(landmarks, vertices)
        joints = self.points.joints_posed(poses, betas, trans).astype(np.float32)
        posed = self.points.posed(poses, betas, trans).astype(np.float32)
        return Stages(
            Points(self.network.mesh.joint_regressor @ vertices, landmarks, vertices),
            Points(joints, posed[:, -33:], posed[:, :-33]),
        )

    @torch.inference_mode()
    def lift(self, observation: Observation) -> tuple[np.ndarray, np.ndarray]:
        """One clip through the network: landmarks (F,33,3) and vertices (F,N,3)."""
        seen = Observation(*(field.to(self.device) for field in observation))
        landmarks = self.network.lift_both_sides(seen, len(seen.extent))
        vertices = [
            self.network.decode_mesh(Observation(*(field[part] for field in seen)), landmarks[part]).cpu()
            for part in (slice(i, i + BATCH) for i in range(0, len(landmarks), BATCH))
        ]
        return landmarks.cpu().numpy(), torch.cat(vertices).numpy()

    def fit(self, landmarks: np.ndarray, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Poses (F,24,3), one shape (10,) for the clip and translations (F,3)."""
        targets = np.concatenate([vertices, landmarks], axis=1)
        sample = np.unique(np.linspace(0, len(targets) - 1, min(len(targets), SHAPE_FRAMES)).astype(int))
        betas = fit_shape(self.points, targets[sample])
        poses, trans, _ = fit_frames(self.points, targets, betas)
        return poses, betas, trans


def evaluate_weights(weights: str, motions: Path, device: torch.device) -> dict[str, dict[str, float]]:
    """`evaluate.evaluate` for a shipped weight file (by name) or any other (by path), through the fit."""
    predictor = Predictor(weights, device)
    return evaluate(predictor, predictor.truth, load_motions(motions, predictor.body, unique_only=False))
