"""Human motion in the format of `shared/motions`, moved onto the open body's rest skeleton."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..body.model import BodyModel
from ..errors import EngineError
from .rotations import matrix_from_axis_angle, rotation_between

LIMB_CHILD = {1: 4, 2: 5, 4: 7, 5: 8, 16: 18, 17: 19, 18: 20, 19: 21}
"""Joints whose bone direction is exact in the motions (hip→knee, knee→ankle, shoulder→elbow, elbow→wrist)."""
MIRRORED_JOINT = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]


@dataclass(frozen=True)
class MotionSet:
    """Local joint rotations on the open body's rest skeleton.

    Attributes:
        rotations: (N,24,3,3) float32, joint 0 = world orientation (y up).
        clip: (N,) clip number of each frame, never falling.
        clip_names: one name per clip.
        thinned: (U,) the frames to draw from, of which no action has too many; all where not given.
    """

    rotations: Tensor
    clip: Tensor
    clip_names: list[str]
    thinned: Tensor | None = None

    def to(self, device: torch.device) -> MotionSet:
        """The same on another device."""
        thinned = None if self.thinned is None else self.thinned.to(device)
        return MotionSet(self.rotations.to(device), self.clip.to(device), self.clip_names, thinned)


def load_motions(path: Path, body: BodyModel, unique_only: bool = True) -> MotionSet:
    """Read a motion file and retarget its limb directions to the body.

    Args:
        path: `.npz` with `poses` (N,24,3), `rest_joints` (24,3), `parents`, `clip_index`, `clip_names`,
            `unique_idx`.
        body: the body whose rest skeleton the rotations shall fit.
        unique_only: keep only the thinned frames (`unique_idx`), where no action is over-represented.

    Raises:
        EngineError: the file is missing or not in this format.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            poses = data["poses"].astype(np.float32)
            rest = torch.from_numpy(data["rest_joints"].astype(np.float32))
            clip = data["clip_index"].astype(np.int64)
            names = [str(name) for name in data["clip_names"]]
            thinned = data["unique_idx"].astype(np.int64)
            keep = thinned if unique_only else np.arange(len(poses))
    except FileNotFoundError as error:
        raise EngineError(f"The motion file {path.name} does not exist: check the path.") from error
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        lacks = f"it lacks {error}" if isinstance(error, KeyError) else "it is no .npz of numbers"
        raise EngineError(
            f"{path.name} is no motion file ({lacks}): give poses, rest_joints, clip_index and unique_idx."
        ) from error
    rotations = matrix_from_axis_angle(torch.from_numpy(poses[keep]))
    target = torch.from_numpy(np.asarray(body.rest_joints(np.zeros(10, np.float32)), np.float32))
    rotations = retarget(rotations, rest, target, [int(p) for p in body.parents])
    starts = None if unique_only else torch.from_numpy(thinned)
    return MotionSet(rotations, torch.from_numpy(clip[keep]), names, starts)


def retarget(rotations: Tensor, source_rest: Tensor, target_rest: Tensor, parents: list[int]) -> Tensor:
    """Keep every limb's direction in space on another rest skeleton: R' = R · minrot(d' → d) in the world.

    Args:
        rotations: (N,24,3,3) local; source_rest, target_rest: (24,3).
    """
    change = torch.eye(3).repeat(24, 1, 1)
    for joint, child in LIMB_CHILD.items():
        change[joint] = rotation_between(
            target_rest[child] - target_rest[joint], source_rest[child] - source_rest[joint]
        )
    for joint in (7, 8):  # ankles keep the sole flat: they undo the shin's correction only
        change[joint] = torch.eye(3)
    world = local_to_world(rotations, parents)
    return world_to_local(world @ change, parents)


def local_to_world(rotations: Tensor, parents: list[int]) -> Tensor:
    """Local (...,24,3,3) → world rotations."""
    world: list[Tensor] = []
    for joint, parent in enumerate(parents):
        local = rotations[..., joint, :, :]
        world.append(local if parent < 0 else world[parent] @ local)
    return torch.stack(world, -3)


def world_to_local(world: Tensor, parents: list[int]) -> Tensor:
    """World (...,24,3,3) → local rotations."""
    parent_world = world[..., [max(p, 0) for p in parents], :, :].clone()
    parent_world[..., 0, :, :] = torch.eye(3, dtype=world.dtype, device=world.device)
    return parent_world.transpose(-1, -2) @ world


def mirror(rotations: Tensor) -> Tensor:
    """Exact left-right mirror of local rotations (...,24,3,3): swap sides, axis-angle times (1,-1,-1)."""
    flip = torch.tensor(
        [[1.0, -1, -1], [-1, 1, 1], [-1, 1, 1]], dtype=rotations.dtype, device=rotations.device
    )
    return rotations[..., MIRRORED_JOINT, :, :] * flip
