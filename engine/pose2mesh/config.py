"""What a network is made of, as plain data that travels with its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ..errors import EngineError

Order = Literal["introsort", "stable", "native"]
"""How ties break in the order in which the coarsening visits nodes: as NumPy <= 1.24 sorted, on which the
published checkpoints rest; stably; or as the NumPy at hand sorts, which differs between versions and CPUs."""


@dataclass(frozen=True)
class PoseNetConfig:
    """PoseNet: 2D joints to 3D joints, a residual multilayer perceptron (Pose2Mesh section 4).

    Attributes:
        joints: J.
        input_channels: numbers per 2D joint; 2 as published.
        hidden: width of the hidden layers.
        stages: residual stages of two layers each.
        dropout: probability, in training only.
        temporal_width: features that mix along time behind every stage (`temporal`); 0, as published, for
            frames on their own.
        temporal_kernel: frames that a mixer reads, odd.
    """

    joints: int
    input_channels: int = 2
    hidden: int = 4096
    stages: int = 2
    dropout: float = 0.5
    temporal_width: int = 0
    temporal_kernel: int = 9


@dataclass(frozen=True)
class MeshNetConfig:
    """MeshNet: joints to vertices through graphs of growing size (Pose2Mesh section 5).

    Attributes:
        joints: J.
        input_channels: numbers per joint; 5 as published (2D and 3D coordinates).
        joint_widths: output channels of the convolutions on the joint graph.
        level_widths: for each mesh level, coarsest first, the output channels of its convolutions.
        output_widths: hidden channels of the last block, on the finest level; three coordinates follow.
    """

    joints: int
    input_channels: int = 5
    joint_widths: tuple[int, ...] = (32, 64, 64)
    level_widths: tuple[tuple[int, ...], ...] = (
        (128, 256),
        *((256, 256),) * 4,
        *((128, 128),) * 3,
    )
    output_widths: tuple[int, ...] = (64,)

    @property
    def levels(self) -> int:
        """Mesh graphs the network works on."""
        return len(self.level_widths)


@dataclass(frozen=True)
class Pose2MeshConfig:
    """Both networks and the joint set they read.

    Attributes:
        joint_set: a name in `skeletons.JOINT_SETS`.
        depth: matching passes that shape the coarsening tree, at least levels - 1.
        padding: keep the nodes that complete the binary tree, as published; without them training's batch
            statistics see real nodes only and every step is cheaper.
        order: how ties in the coarsening break.
    """

    joint_set: str
    pose: PoseNetConfig
    mesh: MeshNetConfig
    depth: int
    padding: bool = True
    order: Order = "introsort"

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Pose2MeshConfig:
        """The reverse of `to_dict`.

        Raises:
            EngineError: the data describe no network of this version.
        """
        try:
            mesh = dict(data["mesh"])
            for name in ("joint_widths", "output_widths"):
                mesh[name] = tuple(mesh[name])
            mesh["level_widths"] = tuple(tuple(widths) for widths in mesh["level_widths"])
            parts = {"pose": PoseNetConfig(**data["pose"]), "mesh": MeshNetConfig(**mesh)}
            if data["order"] not in get_args(Order):
                raise ValueError(f"unknown order {data['order']!r}")
            return cls(**{**data, **parts})
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(
                f"The network description is not one this version reads ({error}): use weights made for it."
            ) from None


_HAND_LEVELS = ((128, 256), *((256, 256),) * 3, (128, 128))


def published_config(joint_set: str, joints: int) -> Pose2MeshConfig:
    """The published network for a joint set: the hand's for `mano21`, the body's for all others."""
    hand = joint_set == "mano21"
    mesh = MeshNetConfig(joints, level_widths=_HAND_LEVELS) if hand else MeshNetConfig(joints)
    return Pose2MeshConfig(joint_set, PoseNetConfig(joints), mesh, depth=6 if hand else 9)
