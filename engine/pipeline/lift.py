"""2D landmarks → 3D landmarks and coarse vertices, by Pose2Mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch

from ..pose2mesh.body_network import load_body_network, shipped_weights
from ..pose2mesh.observation import Observation, observe

BATCH = 64
STRETCH = 1024
"""Frames that a temporal network reads at once."""
RATE = 30.0
"""Frames per second of the clips that temporal networks are trained on."""
GAP = 0.15
"""Seconds without a frame after which a temporal network starts anew."""

Lift = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Frame numbers (K,) → vertices (K,N,3) and landmarks (K,33,3) as `Lifter.lift` returns them."""


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

    def lift_clip(self, times: np.ndarray, keypoints: np.ndarray, camera_matrix: np.ndarray) -> Lift:
        """As `Lifter.lift_clip`."""


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
    def vertex_ids(self) -> np.ndarray:
        """(N,) the body's vertices that it returns."""
        return self.network.mesh.vertex_ids

    def lift(self, keypoints: np.ndarray, camera_matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lift frames on their own.

        Args:
            keypoints: (F,33,3) x px, y px, confidence; camera_matrix: (3,3) px.

        Returns:
            vertices (F,N,3) and landmarks (F,33,3): metres, camera axes, pelvis joint near the origin.
        """
        frames = np.arange(len(keypoints))
        return self.lift_clip(frames * 2 * GAP, keypoints, camera_matrix)(frames)

    @torch.inference_mode()
    def lift_clip(self, times: np.ndarray, keypoints: np.ndarray, camera_matrix: np.ndarray) -> Lift:
        """Lift a clip whose frames help each other, where the network can make use of that.

        The landmarks of all frames are lifted at once; vertices, which are many, only for the frames asked.

        Args:
            times: (F,) s, rising; keypoints: (F,33,3) x px, y px, confidence; camera_matrix: (3,3) px.
        """
        camera = torch.as_tensor(camera_matrix, dtype=torch.float32, device=self.device)

        def see(frames: np.ndarray) -> Observation:
            return observe(
                torch.as_tensor(keypoints[frames], dtype=torch.float32, device=self.device), camera
            )

        lifted = torch.empty(len(keypoints), 33, 3, device=self.device)
        for run, inner in neighbours(times, self.network.reach):
            lifted[run[inner]] = self.network.lift_both_sides(see(run), len(run))[inner]

        @torch.inference_mode()
        def lift(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            vertices, landmarks = [], []
            for start in range(0, len(frames), BATCH):
                part = frames[start : start + BATCH]
                observation = see(part)
                turn = observation.rotation.transpose(1, 2)
                vertices.append((self.network.decode_mesh(observation, lifted[part]) @ turn).cpu().numpy())
                landmarks.append((lifted[part] @ turn).cpu().numpy())
            return np.concatenate(vertices), np.concatenate(landmarks)

        return lift


def neighbours(times: np.ndarray, reach: int) -> Iterator[tuple[np.ndarray, slice]]:
    """The frames that a temporal network shall read together.

    Clips that are faster than `RATE` are read as several slower ones that interlace; a gap begins a new one;
    long ones are cut into stretches that overlap.

    Args:
        times: (F,) s, rising; reach: frames on either side that a frame depends on.

    Yields:
        frame numbers (K,), about 1 / `RATE` apart, and which of them are meant: every frame is, once.
    """
    steps = np.diff(times)
    usual = steps[steps <= GAP]
    if reach == 0:
        steps = usual = steps[:0]
    starts = np.flatnonzero(steps > GAP) + 1
    stride = max(1, round(1 / (RATE * float(np.median(usual))))) if len(usual) else 1
    for segment in np.split(np.arange(len(times)), starts):
        for phase in range(min(stride, len(segment))):
            run = segment[phase::stride]
            for start in range(0, len(run), STRETCH):
                first = max(start - reach, 0)
                stop = min(start + STRETCH, len(run))
                yield run[first : stop + reach], slice(start - first, stop - first)
