"""SMPL poses as local bone transforms, with the root's share of the motion split off. Numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...engine.body.model import JOINT_NAMES
from ...engine.body.rotations import (
    matrix_from_axis_angle,
    matrix_from_quaternion,
    quaternion_from_axis_angle,
    quaternion_from_matrix,
)
from ..rig.skeleton import AXES

Array = NDArray[np.float64]

# Below this share of the pelvis' rotation being about the vertical (a handstand), its heading says nothing.
_CLEAR_HEADING = 0.35


@dataclass(frozen=True)
class Motion:
    """Values to key, all relative to the rest pose; quaternions are (w, x, y, z) and never flip sign
    between frames.

    Attributes:
        root_location: (F,3) metres, on the floor under the pelvis (Z = 0).
        root_rotation: (F,4) heading about the vertical.
        pelvis_location: (F,3) metres in the pelvis bone's own axes.
        rotations: bone name → (F,4), the 24 joints.
    """

    root_location: Array
    root_rotation: Array
    pelvis_location: Array
    rotations: dict[str, Array]


def motion(
    poses: NDArray[np.floating],
    trans: NDArray[np.floating],
    world_from_camera: NDArray[np.floating],
    pelvis: NDArray[np.floating],
    rest: Mapping[str, NDArray[np.floating]],
) -> Motion:
    """Bone transforms of one person.

    Every joint but the pelvis turns by its SMPL axis-angle, expressed in the bone's own axes. The pelvis
    also takes the camera into account, and what the root bone does (ground position and heading) is taken
    out of it, so that the two together put the body exactly where the take says.

    Args:
        poses: (F,24,3) axis-angle, joint 0 in the camera frame.
        trans: (F,3) metres, camera frame.
        world_from_camera: (4,4) rigid.
        pelvis: (3,) rest position of joint 0 in SMPL's rest frame.
        rest: bone name → (4,4) rest matrix in armature space, as Blender holds it.
    """
    poses = np.asarray(poses, dtype=np.float64)
    world = np.asarray(world_from_camera, dtype=np.float64)
    rotations = {
        name: _continuous(quaternion_from_axis_angle(poses[:, joint] @ (rest[name][:3, :3].T @ AXES).T))
        for joint, name in enumerate(JOINT_NAMES)
        if joint > 0
    }

    turned = world[:3, :3] @ matrix_from_axis_angle(poses[:, 0]) @ AXES.T
    place = (np.asarray(trans, dtype=np.float64) + pelvis) @ world[:3, :3].T + world[:3, 3]
    angle = heading(quaternion_from_matrix(turned))
    root_rotation = np.zeros((len(poses), 4))
    root_rotation[:, 0], root_rotation[:, 3] = np.cos(angle / 2), np.sin(angle / 2)
    root_location = place * (1.0, 1.0, 0.0)

    back = matrix_from_quaternion(root_rotation).transpose(0, 2, 1)
    own = np.asarray(rest["pelvis"], dtype=np.float64)
    rotations["pelvis"] = _continuous(quaternion_from_matrix(own[:3, :3].T @ back @ turned @ own[:3, :3]))
    relative = np.einsum("fij,fj->fi", back, place - root_location) - own[:3, 3]
    return Motion(root_location, _continuous(root_rotation), relative @ own[:3, :3], rotations)


def heading(rotations: NDArray[np.floating]) -> Array:
    """The turn about the vertical (F,) in radians, without jumps; bridged where the body is near upside down.

    Args:
        rotations: (F,4) quaternions that turn the standing body.
    """
    w, z = rotations[:, 0], rotations[:, 3]
    clear = np.flatnonzero(np.hypot(w, z) > _CLEAR_HEADING)
    if not len(clear):
        return np.zeros(len(rotations))
    angle = np.unwrap(2.0 * np.arctan2(z[clear], w[clear]))
    return np.asarray(np.interp(np.arange(len(rotations)), clear, angle))


def _continuous(quaternions: Array) -> Array:
    """The same rotations with signs chosen so that neighbours interpolate the short way."""
    dots = np.einsum("fi,fi->f", quaternions[1:], quaternions[:-1])
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0))
    return np.concatenate([quaternions[:1], quaternions[1:] * signs[:, None]])
