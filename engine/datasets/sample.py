"""One frame of a person (or hand) as training and evaluation read it, and what every loader offers.

Camera axes are x right, y down, z forward. "Root-relative" differs by dataset exactly as published: vertices
and regressed joints are relative to the pelvis of the 17 Human3.6M joints (in Human3.6M itself to its
measured pelvis), lifted joints to the root of their own joint set (COCO: the midpoint of the hips), hands
to the wrist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Everything float32. J joints go in, V vertices come out, R joints are regressed from the mesh.

    Attributes:
        pose2d: (J, 2) pixels: the true projection, or the detector's output where the dataset trains on it
            (SURREAL, FreiHAND).
        box: (4,) x, y, width, height of the tight box around ``pose2d``, pixels.
        lifted_joints: (J, 3) millimetres, root-relative, camera axes: PoseNet's target.
        mesh_joints: (R, 3) millimetres, root-relative: what the regressor should give from the mesh (17 of
            Human3.6M, 24 of SMPL for SURREAL, 21 for hands).
        vertices: (V, 3) metres, root-relative.
        lifted_valid: (J, 1), 0 or 1.
        mesh_joints_valid: (R, 1), 0 or 1.
        vertices_valid: (V, 1), 0 or 1.
        detected2d: (J, 2) pixels: the detector's output used at test time, or None.
    """

    pose2d: FloatArray
    box: FloatArray
    lifted_joints: FloatArray
    mesh_joints: FloatArray
    vertices: FloatArray
    lifted_valid: FloatArray
    mesh_joints_valid: FloatArray
    vertices_valid: FloatArray
    detected2d: FloatArray | None = None


class Dataset(Protocol):
    """A list of samples, each made when asked for.

    Attributes:
        name: "human36m", "coco", "muco", "amass", "pw3d", "surreal", "freihand" or "mixed".
        joint_set: the joint set of ``pose2d`` and ``lifted_joints``: "human36m17", "coco19", "smpl24" or
            "mano21".
    """

    @property
    def name(self) -> str: ...

    @property
    def joint_set(self) -> str: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...
