"""SMPL's relatives: which model a file holds, and the one with fingers as a body without.

They are told apart by their numbers of joints. SMPL-H (Romero, Tzionas and Black, "Embodied Hands", SIGGRAPH
Asia 2017) is SMPL's mesh with fingers: when they move with the hand, it is a body like SMPL.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_KINDS = {24: "SMPL", 16: "MANO", 52: "SMPL-H", 55: "SMPL-X", 5: "FLAME"}
_WRISTS = {20: 22, 21: 23}
"""SMPL's hand joint, which carries the fingers, beyond each wrist."""
_BODY_JOINTS = 22


def kind_of(arrays: dict[str, Array]) -> str:
    """The model's name, or its number of joints where that is nobody's."""
    tree = np.asarray(arrays["kintree_table"])
    joints = tree.shape[1] if tree.ndim == 2 else 0
    return _KINDS.get(joints, f"a model of {joints} joints")


def without_fingers(arrays: dict[str, Array]) -> dict[str, Array]:
    """SMPL-H's arrays as SMPL's: the fingers move with the hand joint, which lies between their bases.

    Raises:
        ValueError, IndexError: the arrays do not fit one another.
    """
    tree = np.asarray(arrays["kintree_table"]).astype(np.int64)
    parents = tree[0]
    joints = len(parents)
    root = np.arange(joints)  # of each finger joint: its wrist
    for joint in range(_BODY_JOINTS, joints):
        parent = int(parents[joint])
        root[joint] = parent if parent in _WRISTS else root[parent]
    weights, regressor = np.asarray(arrays["weights"]), np.asarray(arrays["J_regressor"])
    out_weights, out_regressor = [weights[:, :_BODY_JOINTS]], [regressor[:_BODY_JOINTS]]
    for wrist in _WRISTS:
        fingers = np.flatnonzero(root[_BODY_JOINTS:] == wrist) + _BODY_JOINTS
        bases = fingers[parents[fingers] == wrist]
        if len(bases) == 0:
            raise ValueError(f"no finger hangs on joint {wrist}")
        out_weights.append(weights[:, fingers].sum(axis=1, keepdims=True))
        out_regressor.append(regressor[bases].mean(axis=0, keepdims=True))
    hands = np.array([list(_WRISTS), list(_WRISTS.values())])
    changed = {
        "weights": np.concatenate(out_weights, axis=1),
        "J_regressor": np.concatenate(out_regressor),
        "kintree_table": np.concatenate([tree[:, :_BODY_JOINTS], hands], axis=1),
    }
    if "posedirs" in arrays:
        directions = np.asarray(arrays["posedirs"])
        count = 9 * (_BODY_JOINTS - 1)
        body = directions.reshape(len(weights), 3, 9 * (joints - 1))[:, :, :count]
        changed["posedirs"] = np.pad(body, ((0, 0), (0, 0), (0, 9 * len(_WRISTS))))
    return arrays | changed
