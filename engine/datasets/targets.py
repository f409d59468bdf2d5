"""From a posed body before a camera to a sample: regressed joints, roots taken away, units as published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import EngineError
from ..pose2mesh.preprocess import tight_box
from .bodies import Bodies
from .camera import Projection
from .sample import Sample

Array = npt.NDArray[Any]

ROOT = {"human36m17": 0, "coco19": 17, "smpl24": 0, "mano21": 0}
BODY_SETS = ("human36m17", "coco19")
_SHOULDERS, _HIPS = (5, 6), (11, 12)


def checked_set(joint_set: str, allowed: tuple[str, ...], dataset: str) -> str:
    """The same name.

    Raises:
        EngineError: the dataset has no such joints.
    """
    if joint_set not in allowed:
        raise EngineError(f"{dataset} has no joint set {joint_set!r}; choose {' or '.join(allowed)}.")
    return joint_set


def checked_split(split: str, allowed: tuple[str, ...], dataset: str) -> str:
    """The same name.

    Raises:
        EngineError: the dataset has no such split.
    """
    if split not in allowed:
        raise EngineError(f"{dataset} has no split {split!r}; choose {' or '.join(allowed)}.")
    return split


def with_pelvis_and_neck(joints: Array) -> Array:
    """COCO's 17 joints (17, n) with the midpoints of hips and shoulders appended: (19, n)."""
    pelvis, neck = (joints[list(pair)].mean(axis=0) for pair in (_HIPS, _SHOULDERS))
    return np.concatenate((joints, pelvis[None], neck[None]))


def coco_joints(bodies: Bodies, mesh: Array) -> Array:
    """The 19 joints (19, 3) of a mesh (V, 3), in its unit and frame."""
    return with_pelvis_and_neck(bodies.coco @ mesh)


def body_sample(
    bodies: Bodies,
    joint_set: str,
    mesh: Array,
    camera: Projection,
    measured: Array | None = None,
    detected: Array | None = None,
) -> Sample:
    """The sample of a body, everything valid.

    Args:
        joint_set: "human36m17" or "coco19".
        mesh: (V, 3) mm, camera axes.
        measured: (17, 3) mm in the same frame, in the place of the joints that the regressor gives.
        detected: (J, 2) pixels.
    """
    joints = bodies.human36m @ mesh if measured is None else measured
    inputs = joints if joint_set == "human36m17" else coco_joints(bodies, mesh)
    return assembled(
        pose2d=camera.project(inputs),
        lifted=inputs - inputs[ROOT[joint_set]],
        joints=joints - joints[0],
        mesh=mesh - joints[0],
        detected=detected,
    )


def assembled(
    pose2d: Array, lifted: Array, joints: Array, mesh: Array, detected: Array | None, valid: bool = True
) -> Sample:
    """A sample from root-relative targets, all in millimetres, all valid or all not."""

    def mask(rows: Array) -> npt.NDArray[np.float32]:
        return np.full((len(rows), 1), valid, np.float32)

    return Sample(
        pose2d=pose2d.astype(np.float32),
        box=tight_box(pose2d),
        lifted_joints=lifted.astype(np.float32),
        mesh_joints=joints.astype(np.float32),
        vertices=(mesh / 1000.0).astype(np.float32),
        lifted_valid=mask(lifted),
        mesh_joints_valid=mask(joints),
        vertices_valid=mask(mesh),
        detected2d=None if detected is None else detected.astype(np.float32),
    )


def masked(sample: Sample, *names: str) -> Sample:
    """The same sample with these masks ("lifted_valid", ...) at 0."""
    return replace(sample, **{name: np.zeros_like(getattr(sample, name)) for name in names})


ALL_MASKS = ("lifted_valid", "mesh_joints_valid", "vertices_valid")


def aligned_distance(points: Array, others: Array) -> float:
    """Mean distance of (N, 3) points once both sets have their mean in common."""
    difference = (points - points.mean(axis=0)) - (others - others.mean(axis=0))
    return float(np.linalg.norm(difference, axis=1).mean())
