"""The mesh a published network decodes to, and the joints by which it is taught and measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...datasets.bodies import Bodies

HUMAN36M_EVALUATED: Final = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)
"""The 14 of the 17 Human3.6M joints that errors are averaged over."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A body or hand.

    Attributes:
        name: of the body, for the weight file.
        faces: (T, 3).
        template: (V, 3) at rest, metres.
        regressor: (R, V) the joints that the mesh is taught to have; row 0 is their root.
        evaluated: which of them errors are averaged over.
        skeleton: (24, V) the body's own joints, whose pelvis aligns meshes; None for the hand.
    """

    name: str
    faces: npt.NDArray[np.integer]
    template: npt.NDArray[Any]
    regressor: npt.NDArray[Any]
    evaluated: tuple[int, ...]
    skeleton: npt.NDArray[Any] | None


def mesh_for(joint_set: str, bodies: Bodies) -> Mesh:
    """The mesh that goes with a joint set: Human3.6M's joints for the two that are detected in photographs,
    SMPL's own for `smpl24`, the hand's for `mano21`.

    Raises:
        EngineError: the body, its regressor or the hand was not given.
    """
    if joint_set == "mano21":
        hand = bodies.hand
        joints = hand.joint_regressor21
        return Mesh("mano", hand.triangles, hand.v_template, joints, tuple(range(len(joints))), None)
    body = bodies.body("neutral")
    skeleton = body.joint_regressor
    if joint_set == "smpl24":
        every = tuple(range(len(skeleton)))
        return Mesh(body.name, body.triangles, body.v_template, skeleton, every, skeleton)
    return Mesh(body.name, body.triangles, body.v_template, bodies.human36m, HUMAN36M_EVALUATED, skeleton)
