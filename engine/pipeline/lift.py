"""2D landmarks → 3D landmarks and coarse vertices, by Pose2Mesh."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from ..errors import EngineError
from ..pose2mesh.body_network import BodyMesh, load_body_network, shipped_weights
from ..pose2mesh.observation import observe

BATCH = 64


def choose_device(name: str) -> torch.device:
    """ "auto", "cpu" or "cuda" → the torch device.

    Raises:
        EngineError: CUDA is asked for and absent, or the name is unknown.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise EngineError(
            "No CUDA device answers: choose the device 'auto' or 'cpu', or install a CUDA driver.", "device"
        )
    if name not in ("cpu", "cuda"):
        raise EngineError(f"The device {name!r} is unknown: choose auto, cpu or cuda.", "device")
    return torch.device(name)


class MeshLifter(Protocol):
    """A network that turns landmarks into points of a body: our own, or a published one.

    Attributes:
        name: of its weights, as the take will say.
        device: where it runs.
        vertex_ids: (N,) the body's vertices that it returns.
    """

    name: str
    device: torch.device

    @property
    def vertex_ids(self) -> np.ndarray: ...

    def lift(self, keypoints: np.ndarray, camera_matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Lifter.lift`."""


class Lifter:
    """Our own Pose2Mesh ready to run.

    Args:
        weights: name of a shipped weight file, such as "open_body_light".
        device: see `choose_device`.
    """

    def __init__(self, weights: str, device: torch.device) -> None:
        self.name = weights
        self.device = device
        self.network = load_body_network(shipped_weights(weights), device)

    @property
    def mesh(self) -> BodyMesh:
        """The coarse mesh of the vertices it returns."""
        return self.network.mesh

    @property
    def vertex_ids(self) -> np.ndarray:
        """(N,) the body's vertices that it returns."""
        return self.network.mesh.vertex_ids

    @torch.inference_mode()
    def lift(self, keypoints: np.ndarray, camera_matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lift frames, which are independent of one another.

        Args:
            keypoints: (F,33,3) x px, y px, confidence; camera_matrix: (3,3) px.

        Returns:
            vertices (F,N,3) and landmarks (F,33,3): metres, camera axes, pelvis joint near the origin.
        """
        camera = torch.as_tensor(camera_matrix, dtype=torch.float32, device=self.device)
        vertices, landmarks = [], []
        for start in range(0, len(keypoints), BATCH):
            points = torch.as_tensor(
                keypoints[start : start + BATCH], dtype=torch.float32, device=self.device
            )
            observation = observe(points, camera)
            lifted, mesh = self.network(observation)
            turn = observation.rotation.transpose(1, 2)
            vertices.append((mesh @ turn).cpu().numpy())
            landmarks.append((lifted @ turn).cpu().numpy())
        return np.concatenate(vertices), np.concatenate(landmarks)
