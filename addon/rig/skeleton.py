"""Where SMPL's 24 joints become bones: names, axes, heads, tails and rolls. Numbers only, no bpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...engine.body.model import JOINT_NAMES

Array = NDArray[np.float64]

ROOT = "root"

# SMPL's rest frame (y up, facing +z, left on +x) to a Blender character's (Z up, facing -Y, left on +X).
AXES: Array = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])

# Joints with several children point at one of them; the others point at their only child.
_MAIN_CHILD = {"pelvis": "spine1", "spine3": "neck"}
_ROOT_LENGTH = 0.25
_SHORTEST = 0.005
_FORWARD, _UP = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Bone:
    """One bone at rest, in armature space (Z up, metres): `z` is where its local Z axis should point."""

    name: str
    parent: str | None
    head: Array
    tail: Array
    z: Array


@dataclass(frozen=True)
class RestFrame:
    """The rigid move from SMPL's rest frame to the character's: soles on Z=0, pelvis over the origin."""

    origin: Array

    @classmethod
    def standing(cls, rest_vertices: NDArray[np.floating], rest_joints: NDArray[np.floating]) -> RestFrame:
        """From the rest shape (V,3) and its joints (24,3), both in SMPL's rest frame."""
        pelvis = AXES @ np.asarray(rest_joints[0], dtype=np.float64)
        floor = float(np.asarray(rest_vertices)[:, 1].min())
        return cls(origin=np.array([-pelvis[0], -pelvis[1], -floor]))

    @property
    def matrix(self) -> Array:
        """(4,4) SMPL rest frame → armature space."""
        result = np.eye(4)
        result[:3, :3], result[:3, 3] = AXES, self.origin
        return result

    def points(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Points (...,3) of SMPL's rest frame in armature space."""
        return self.directions(points) + self.origin.astype(points.dtype)

    def directions(self, directions: NDArray[np.floating]) -> NDArray[np.floating]:
        """Offsets (...,3) of SMPL's rest frame in armature space."""
        return np.stack([directions[..., 0], -directions[..., 2], directions[..., 1]], axis=-1)


def bones(
    joints: NDArray[np.floating], parents: NDArray[np.integer], vertices: NDArray[np.floating]
) -> list[Bone]:
    """The root on the floor and the 24 joints, parents first.

    Each bone runs along its limb to the next joint; heads, hands and feet, which have none, run to the end
    of their part of the mesh. Local Z points forward on upright bones and up on horizontal ones, so that
    left and right mirror and X is the hinge of knees and elbows.

    Args:
        joints: (24,3) at rest in armature space.
        parents: (24,) SMPL's tree, -1 for the pelvis.
        vertices: (V,3) at rest in armature space.
    """
    joints = np.asarray(joints, dtype=np.float64)
    top, size = float(vertices[:, 2].max()), float(np.ptp(vertices[:, 2]))
    result = [Bone(ROOT, None, np.zeros(3), np.array([0.0, _ROOT_LENGTH, 0.0]), _UP)]
    for index, name in enumerate(JOINT_NAMES):
        head = joints[index]
        children = [child for child, parent in enumerate(parents) if parent == index]
        if name in _MAIN_CHILD:
            tail = joints[JOINT_NAMES.index(_MAIN_CHILD[name])]
        elif children:
            tail = joints[children[0]]
        elif name == "head":
            tail = np.array([head[0], head[1], max(top, head[2] + 0.05 * size)])
        elif name.endswith("foot"):
            tail = head + 0.04 * size * _FORWARD
        else:  # a hand goes on where the forearm points
            along = head - joints[parents[index]]
            tail = head + 0.05 * size * along / max(float(np.linalg.norm(along)), 1e-6)
        length = float(np.linalg.norm(tail - head))
        if length < _SHORTEST:  # Blender deletes a bone without length
            tail, length = head + _SHORTEST * _UP, _SHORTEST
        direction = (tail - head) / length
        z = _FORWARD if abs(direction[2]) > 0.7 else _UP
        parent = ROOT if parents[index] < 0 else JOINT_NAMES[parents[index]]
        result.append(Bone(name, parent, head, tail, z))
    return result
