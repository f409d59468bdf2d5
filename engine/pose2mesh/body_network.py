"""Our own Pose2Mesh: MediaPipe's 33 landmarks → an even coarse mesh of the open body.

The architecture is the published one, PoseNet then MeshNet on a pyramid of the mesh's graphs, with five
differences, measured in `docs/training.md`: confidence and apparent size are inputs (see `observation`),
PoseNet is also told how foreshortened the bones look (see `foreshortening`), dropout is off because the data
never repeat, the graphs have no padding nodes, and MeshNet adds to a linear decoding of the lifted landmarks,
which spares it learning where the limbs are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import EngineError
from ..pose2d.mirrored import MIRRORED_LANDMARK
from .coarsening import mesh_pyramid
from .config import MeshNetConfig, Pose2MeshConfig, PoseNetConfig
from .foreshortening import FEATURES, bone_features
from .model import Pose2Mesh
from .observation import Observation, constant
from .temporal import TemporalPoseNet

LANDMARKS = 33
SHIPPED = Path(__file__).resolve().parent.parent / "assets" / "weights"
LIFT_UNIT = 0.25
"""Metres per unit of PoseNet's output: near 1 at the start, where millimetres would need thousands of
steps to grow.
"""
FORMAT = "pose2mesh-body-network 2"
"""1 saw people as the camera was rolled, and not how foreshortened they look."""
OBSERVED = 4
"""Numbers per landmark: x, y, confidence, extent."""


@dataclass(frozen=True)
class BodyMesh:
    """The coarse mesh and what is read off it.

    Attributes:
        vertex_ids: (N,) into the body's vertices.
        triangles: (S,3) into the coarse vertices.
        joint_regressor: (24,N), landmark_regressor: (33,N); rows sum to 1.
        decode: (N,33), rows sum to 1: the linear map from lifted landmarks to vertices.
    """

    vertex_ids: np.ndarray
    triangles: np.ndarray
    joint_regressor: np.ndarray
    landmark_regressor: np.ndarray
    decode: np.ndarray


def body_config(
    hidden: int,
    level_widths: tuple[tuple[int, ...], ...],
    output_widths: tuple[int, ...],
    temporal_width: int = 0,
) -> Pose2MeshConfig:
    """A network for 33 landmarks with (x, y, confidence, extent) each, and 33 bones.

    Args:
        hidden: PoseNet's width.
        level_widths: MeshNet's convolutions per level, coarsest first.
        output_widths: hidden channels of its output block.
        temporal_width: PoseNet's features along time; 0 for frames on their own.
    """
    return Pose2MeshConfig(
        "mediapipe33",
        PoseNetConfig(
            LANDMARKS,
            input_channels=OBSERVED + FEATURES,
            hidden=hidden,
            dropout=0.0,
            temporal_width=temporal_width,
        ),
        MeshNetConfig(
            LANDMARKS,
            OBSERVED + 3,
            joint_widths=(32, 32),
            level_widths=level_widths,
            output_widths=output_widths,
        ),
        depth=len(level_widths),
        padding=False,
        order="stable",
    )


class BodyNetwork(nn.Module):
    """Observation → landmarks (B,33,3) and coarse vertices (B,N,3), metres, virtual camera axes, pelvis at
    the origin.
    """

    decode: Tensor

    def __init__(self, config: Pose2MeshConfig, mesh: BodyMesh) -> None:
        super().__init__()
        pyramid = mesh_pyramid(mesh.triangles, config.mesh.levels, config.depth, "stable").without_padding()
        self.mesh = mesh
        self.network = Pose2Mesh(config, pyramid)
        # Training starts from the linear decoding alone.
        nn.init.zeros_(next(self.network.pose2mesh.cl[-1].parameters()))
        self.register_buffer("decode", torch.as_tensor(mesh.decode, dtype=torch.float32), persistent=False)

    @property
    def config(self) -> Pose2MeshConfig:
        """The description that rebuilds this network."""
        return self.network.config

    @property
    def reach(self) -> int:
        """Frames before and after a frame that its landmarks depend on, at about 30 frames per second."""
        lifter = self.network.pose_lifter
        return lifter.reach if isinstance(lifter, TemporalPoseNet) else 0

    def forward(self, observation: Observation, frames: int = 1) -> tuple[Tensor, Tensor]:
        """Landmarks (B,33,3) and vertices (B,N,3); see `lift`."""
        landmarks = self.lift_both_sides(observation, frames)
        return landmarks, self.decode_mesh(observation, landmarks)

    def lift_both_sides(self, observation: Observation, frames: int = 1) -> Tensor:
        """`lift`, the mean of the person and of their mirror image: what it gets wrong on one side only, such
        as which way somebody turned, is halved.
        """
        return both_sides(lambda seen: self.lift(seen, frames), observation)

    def lift(self, observation: Observation, frames: int = 1) -> Tensor:
        """PoseNet alone: landmarks (B,33,3) m.

        Args:
            observation: of B frames.
            frames: the batch is made of clips of this many frames in order; matters to a temporal network.
        """
        features = torch.cat((observed(observation), self.bones(observation)), -1)
        if self.reach:
            features = features.reshape(-1, frames, *features.shape[1:])
        joints: Tensor = self.network.pose_lifter(features)
        return joints.reshape(-1, LANDMARKS, 3).float() * LIFT_UNIT

    def decode_mesh(self, observation: Observation, landmarks: Tensor) -> Tensor:
        """MeshNet alone: vertices (B,N,3) m from the observation and the lifted landmarks (not trained
        through).
        """
        landmarks = landmarks.detach()
        features = torch.cat((observed(observation), landmarks), -1)
        residual = self.network.pose2mesh(features)[:, self.network.vertex_slots]
        vertices: Tensor = self.decode @ landmarks + residual.float()
        return vertices

    def bones(self, observation: Observation) -> Tensor:
        """(B,33,4) what the lifter is told of the bones."""
        return bone_features(observation.points[..., :2])


def both_sides(lift: Callable[[Observation], Tensor], observation: Observation) -> Tensor:
    """Mean of landmarks (B,33,3) m lifted from an observation and from its mirror image."""
    other_side = constant(tuple(MIRRORED_LANDMARK), observation.points.device)

    def mirror(points: Tensor) -> Tensor:
        turned = points.index_select(1, other_side)
        return torch.cat((-turned[..., :1], turned[..., 1:]), -1)

    mirrored = observation._replace(points=mirror(observation.points))
    return (lift(observation) + mirror(lift(mirrored))) / 2


def observed(observation: Observation) -> Tensor:
    """(B,33,4) x, y, confidence and extent of every landmark."""
    return torch.cat((observation.points, observation.extent[:, None].expand(-1, LANDMARKS, 1)), -1)


def mesh_arrays(mesh: BodyMesh) -> dict[str, np.ndarray]:
    """The coarse mesh as arrays to store beside the weights."""
    return {
        "mesh.vertex_ids": mesh.vertex_ids.astype(np.int32),
        "mesh.triangles": mesh.triangles.astype(np.int32),
        "mesh.joint_regressor": mesh.joint_regressor.astype(np.float32),
        "mesh.landmark_regressor": mesh.landmark_regressor.astype(np.float32),
        "mesh.decode": mesh.decode.astype(np.float32),
    }


def mesh_from_arrays(arrays: dict[str, Any]) -> BodyMesh:
    """The reverse of `mesh_arrays`."""
    return BodyMesh(*(np.asarray(arrays[f"mesh.{name}"]) for name in BodyMesh.__dataclass_fields__))


def save_body_network(network: BodyNetwork, path: Path, training: dict[str, Any]) -> None:
    """One safetensors file: half-precision weights, the coarse mesh, and in its metadata the description
    and the training.

    Half precision halves the download; it moves vertices by less than 0.1 mm (measured in the tests).
    """
    tensors = {f"network.{k}": _stored(v) for k, v in network.network.state_dict().items()}
    tensors |= {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in mesh_arrays(network.mesh).items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(network.config.to_dict()),
        "training": json.dumps(training),
    }
    save_file(tensors, path, metadata=metadata)


def shipped_weights(name: str) -> Path:
    """The file of a network that ships, such as "open_body_light"."""
    return SHIPPED / f"{name}.safetensors"


def load_body_network(path: Path, device: torch.device | str = "cpu") -> BodyNetwork:
    """Read a file of `save_body_network`, ready for inference (float32, eval).

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    if not path.is_file():
        raise EngineError(f"The weights {path.name} are missing: install the engine again.", "install")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise EngineError(
                    f"{path.name} holds other weights than this engine reads: choose one of its own files."
                )
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        config = Pose2MeshConfig.from_dict(json.loads(metadata["config"]))
        network = BodyNetwork(
            config, mesh_from_arrays({k: v.numpy() for k, v in tensors.items() if k.startswith("mesh.")})
        )
        state = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        network.network.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
    except (SafetensorError, KeyError, ValueError, RuntimeError, OSError) as error:
        raise EngineError(
            f"The weights {path.name} cannot be read ({error}): install the engine again.", "install"
        ) from error
    return network.to(device).eval()


def _stored(tensor: Tensor) -> Tensor:
    return (
        tensor.detach().cpu().half().contiguous()
        if tensor.is_floating_point()
        else tensor.detach().cpu().contiguous()
    )
