"""A weight file against a motion file: what leaves the fit, which is what the user gets, before smoothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..body.model import BodyModel
from ..fit.points import PointBody
from ..fit.pose import fit_frames, fit_shape
from ..pose2mesh.body_network import BodyNetwork, load_body_network, shipped_weights
from ..pose2mesh.observation import Observation
from .body_torch import BodyTorch
from .evaluate import Predict, evaluate
from .motions import load_motions

BATCH = 256


def evaluate_weights(weights: str, motions: Path, device: torch.device) -> dict[str, dict[str, float]]:
    """`evaluate.evaluate` for a shipped weight file (by name) or any other (by path), through the fit.

    Joints are the fitted skeleton's; vertices the network's own.
    """
    path = Path(weights) if weights.endswith(".safetensors") else shipped_weights(weights)
    network = load_body_network(path, device)
    body = BodyModel.load("open_body")
    points = BodyTorch(body, network.mesh.vertex_ids)
    return evaluate(fitted(network, body, device), points, load_motions(motions, body, unique_only=False))


def fitted(network: BodyNetwork, body: BodyModel, device: torch.device) -> Predict:
    """A clip through the network and the fit with one shape for the clip."""
    points = PointBody.of(body, network.mesh.vertex_ids, landmarks=True)

    @torch.inference_mode()
    def predict(observation: Observation) -> tuple[np.ndarray, np.ndarray]:
        vertices, landmarks = [], []
        for start in range(0, len(observation.extent), BATCH):
            part = Observation(*(field[start : start + BATCH].to(device) for field in observation))
            lifted, mesh = network(part)
            vertices.append(mesh.cpu().numpy())
            landmarks.append(lifted.cpu().numpy())
        mesh_vertices = np.concatenate(vertices)
        targets = np.concatenate([mesh_vertices, np.concatenate(landmarks)], axis=1)
        sample = np.unique(np.linspace(0, len(targets) - 1, min(len(targets), 150)).astype(int))
        betas = fit_shape(points, targets[sample])
        poses, trans, _ = fit_frames(points, targets, betas)
        return points.joints_posed(poses, betas, trans).astype(np.float32), mesh_vertices

    return predict
