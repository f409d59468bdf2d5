"""The right hand of MANO, read from the user's own file: skinned like SMPL, with 16 joints and fingertips.

Romero, Tzionas and Black, "Embodied Hands", SIGGRAPH Asia 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..body import library, smpl
from ..body.rotations import matrix_from_axis_angle
from ..errors import EngineError

Array = npt.NDArray[Any]

JOINT_COUNT = 16
SHAPE_COUNT = 10
# The published order: wrist, then thumb, index, middle, ring, pinky from base to tip. The model's own joints
# are wrist, index, middle, pinky, ring, thumb; tips (16 to 20) are vertices in the order of the fingers.
_ORDER = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
# The published layer and the published regressor disagree by one vertex about the middle finger's tip.
_LAYER_TIPS = (745, 317, 444, 556, 673)
_REGRESSOR_TIPS = (745, 317, 445, 556, 673)
_NEEDED = (
    "v_template",
    "shapedirs",
    "posedirs",
    "weights",
    "J_regressor",
    "f",
    "kintree_table",
    "hands_mean",
)


@dataclass(frozen=True, eq=False)
class HandModel:
    """A skinned hand. float64, metres.

    Attributes:
        v_template: (V, 3).
        shapedirs: (V, 3, 10).
        posedirs: (V, 3, 135) per entry of the 15 finger joints' rotation matrices minus identity.
        weights: (V, 16).
        joint_regressor: (16, V).
        parents: (16,) int, -1 for the wrist.
        hands_mean: (45,) axis-angle that finger poses are relative to.
        triangles: (T, 3) int32.
        tips: five vertices, thumb to pinky, that are the fingertips of the posed joints.
        regressor_tips: the same for ``joint_regressor21``.
    """

    v_template: Array
    shapedirs: Array
    posedirs: Array
    weights: Array
    joint_regressor: Array
    parents: Array
    hands_mean: Array
    triangles: Array
    tips: tuple[int, ...] = _LAYER_TIPS
    regressor_tips: tuple[int, ...] = _REGRESSOR_TIPS

    @classmethod
    def load(cls, path: Path) -> HandModel:
        """Read MANO_RIGHT.pkl (any vintage) or the same arrays as `.npz`, without running the pickle.

        Raises:
            EngineError: the file is missing, damaged, holds code, or is not MANO.
        """
        arrays = smpl.read(path, _NEEDED, "MANO", "the file MANO_RIGHT.pkl")
        numbers = {
            name: np.asarray(arrays[name], np.float64)
            for name in _NEEDED
            if name not in ("f", "kintree_table")
        }
        count = len(numbers["v_template"])
        if numbers["J_regressor"].shape == (count, JOINT_COUNT):
            numbers["J_regressor"] = numbers["J_regressor"].T
        shapes = {
            "v_template": (count, 3),
            "shapedirs": (count, 3, SHAPE_COUNT),
            "posedirs": (count, 3, 9 * (JOINT_COUNT - 1)),
            "weights": (count, JOINT_COUNT),
            "J_regressor": (JOINT_COUNT, count),
            "hands_mean": (3 * (JOINT_COUNT - 1),),
        }
        for name, shape in shapes.items():
            if numbers[name].shape != shape or not np.isfinite(numbers[name]).all():
                raise EngineError(
                    f"{path} is not the MANO hand ({name} has the shape {numbers[name].shape} instead of "
                    f"{shape}, or holds no numbers); choose MANO_RIGHT.pkl."
                )
        tree = np.asarray(arrays["kintree_table"]).astype(np.int64)
        if count <= max(_LAYER_TIPS) or tree.shape != (2, JOINT_COUNT) or np.any(tree[0, 1:] >= tree[1, 1:]):
            raise EngineError(f"{path} is not the MANO hand with 778 vertices; choose MANO_RIGHT.pkl.")
        parents = tree[0].astype(np.int32)
        parents[0] = -1
        return cls(
            v_template=numbers["v_template"],
            shapedirs=numbers["shapedirs"],
            posedirs=numbers["posedirs"],
            weights=numbers["weights"],
            joint_regressor=numbers["J_regressor"],
            parents=parents,
            hands_mean=numbers["hands_mean"],
            triangles=np.asarray(arrays["f"]).astype(np.int32),
        )

    def save(self, path: Path) -> None:
        """Write the hand under MANO's own names, dense and without pickles; `load` reads it.

        Raises:
            EngineError: the file cannot be written.
        """
        tree = np.stack([self.parents, np.arange(JOINT_COUNT)])
        arrays = (
            self.v_template,
            self.shapedirs,
            self.posedirs,
            self.weights,
            self.joint_regressor,
            self.triangles,
            tree,
            self.hands_mean,
        )
        library.write_arrays(
            path, {"format": np.array(library.HAND_FORMAT), **dict(zip(_NEEDED, arrays, strict=True))}
        )

    @property
    def joint_regressor21(self) -> Array:
        """(21, V): the joints of `mano21` from vertices, what the network's mesh is measured by."""
        tips = np.zeros((5, len(self.v_template)))
        tips[np.arange(5), list(self.regressor_tips)] = 1.0
        return np.concatenate((self.joint_regressor, tips))[list(_ORDER)]

    def posed(self, pose: Array, betas: Array) -> tuple[Array, Array]:
        """(48,) axis-angle, fingers relative to the mean pose, and (10,) -> vertices (V, 3), joints (21, 3).

        Metres, before any translation; the wrist turns about its own rest position.
        """
        rotation = matrix_from_axis_angle(
            (pose.astype(np.float64) + np.concatenate((np.zeros(3), self.hands_mean))).reshape(JOINT_COUNT, 3)
        )
        shaped = self.v_template + self.shapedirs @ betas.astype(np.float64)
        centres = self.joint_regressor @ shaped
        rest = shaped + self.posedirs @ (rotation[1:] - np.eye(3)).reshape(-1)
        turn, place = rotation.copy(), centres.copy()
        for joint in range(1, JOINT_COUNT):
            parent = self.parents[joint]
            turn[joint] = turn[parent] @ rotation[joint]
            place[joint] = place[parent] + turn[parent] @ (centres[joint] - centres[parent])
        move = place - np.einsum("jab,jb->ja", turn, centres)
        vertices = np.einsum("vj,jab,vb->va", self.weights, turn, rest, optimize=True) + self.weights @ move
        joints = np.concatenate((place, vertices[list(self.tips)]))[list(_ORDER)]
        return vertices, joints
