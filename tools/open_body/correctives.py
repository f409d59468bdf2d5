"""Pose correctives: what 24-joint linear skinning loses against a finer way of driving anny's 104 bones.

The finer way spreads twist along upper arms, forearms and thighs, lets clavicles, pelvis sides and spine
share their neighbours' rotation, and skins with dual quaternions, which keep the volume of bent hips, knees
and elbows; around the shoulder, where dual quaternions bulge when arms go up, it skins linearly, unless the
arm hangs. The difference, taken back to the rest frame, is regressed on the joints' rotation matrices as in
SMPL (Loper et al. 2015, eq. 9).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.body.model import BodyModel, pose_features
from engine.body.rotations import (
    matrix_from_axis_angle,
    partial_rotation,
    quaternion_from_matrix,
    split_twist,
)

from .skeleton import dual_quaternion_skin, joint_of_bone
from .source import Source

Array = npt.NDArray[Any]

# Bones whose vertices are skinned linearly.
LINEAR_BONES = ("clavicle.{}", "shoulder01.{}", "upperarm01.{}", "spine01", "neck01", "neck02")
MOST = 0.08  # metres a corrective may move a vertex


def drive(source: Source, transforms: Array, joints: Array) -> tuple[Array, Array]:
    """Bones of the T-posed body for given joint transforms.

    Args:
        transforms: (M, 24, 4, 4) of the joints, rest frame to posed; joints: (24, 3) in the T-pose.

    Returns:
        rotations (M, 104, 3, 3) and translations (M, 104, 3): bone b takes x to R_b x + t_b.
    """
    matrices = transforms.astype(np.float64)
    turn, place = matrices[..., :3, :3], matrices[..., :3, 3]
    centre = np.einsum("mjik,jk->mji", turn, joints) + place
    owner = joint_of_bone(source)
    rotations, translations = turn[:, owner].copy(), place[:, owner].copy()

    def relative(parent: int, joint: int) -> Array:
        return np.swapaxes(turn[:, parent], -1, -2) @ turn[:, joint]

    def put(bone: str, rotation: Array, pivot: int) -> None:
        """Set a bone's rotation so that the pivot joint stays where it is."""
        index = source.bone(bone)
        rotations[:, index] = rotation
        translations[:, index] = centre[:, pivot] - rotation @ joints[pivot]

    def between(bone: str, parent: int, joint: int, share: float) -> None:
        put(bone, turn[:, parent] @ partial_rotation(relative(parent, joint), share), joint)

    for side, odd in (("L", 0), ("R", 1)):
        hip, knee, collar, shoulder, elbow, wrist = (index + odd for index in (1, 4, 13, 16, 18, 20))

        def twisted(parent: int, joint: int, end: int, share: float, swing_share: float = 1.0) -> Array:
            """The joint's rotation with only a share of its turn about its own limb."""
            axis = joints[end] - joints[joint]
            axis = axis / np.linalg.norm(axis)
            swing, angle = split_twist(relative(parent, joint), axis)
            if swing_share < 1.0:
                swing = partial_rotation(swing, swing_share)
            return turn[:, parent] @ swing @ matrix_from_axis_angle(share * angle[:, None] * axis)

        between(f"pelvis.{side}", 0, hip, 0.12)
        put(f"upperleg01.{side}", twisted(0, hip, knee, 0.3, 0.85), hip)
        between(f"clavicle.{side}", 9, collar, 0.7)
        between(f"shoulder01.{side}", collar, shoulder, 0.25)
        put(f"upperarm01.{side}", twisted(collar, shoulder, elbow, 0.35), shoulder)
        put(f"lowerarm01.{side}", twisted(shoulder, elbow, wrist, 0.4), elbow)
        # The far half of the forearm follows the hand's turn about it.
        forearm = joints[wrist] - joints[elbow]
        forearm = forearm / np.linalg.norm(forearm)
        _, angle = split_twist(relative(elbow, wrist), forearm)
        put(
            f"lowerarm02.{side}",
            turn[:, elbow] @ matrix_from_axis_angle(0.6 * angle[:, None] * forearm),
            wrist,
        )
    between("spine04", 0, 3, 0.3)
    between("spine03", 3, 6, 0.25)
    between("spine02", 6, 9, 0.25)
    between("neck01", 9, 12, 0.6)
    between("neck03", 12, 15, 0.6)
    return rotations, translations


def linear_share(source: Source) -> Array:
    """(V,) how much of each vertex is skinned linearly where its arm is not lowered."""
    bones = {name.format(side) for name in LINEAR_BONES for side in "LR"}
    share = source.weights[:, [source.bone(bone) for bone in sorted(bones)]].sum(axis=1)
    return np.asarray(np.clip(share, 0.0, 1.0))


def lowered_arms(transforms: Array, joints: Array) -> Array:
    """(M, 2) left, right: 0 with the upper arm level or above, 1 from 35 degrees below, from the chest."""
    turn = transforms[..., :3, :3].astype(np.float64)
    out = []
    for shoulder, elbow in ((16, 18), (17, 19)):
        arm = joints[elbow] - joints[shoulder]
        seen = np.einsum("mji,mj->mi", turn[:, 9], turn[:, shoulder] @ (arm / np.linalg.norm(arm)))
        part = np.clip(-np.arcsin(np.clip(seen[:, 1], -1.0, 1.0)) / np.radians(35.0), 0.0, 1.0)
        out.append(part * part * (3.0 - 2.0 * part))
    return np.stack(out, axis=1)


def finely_skinned(
    source: Source, a_pose: tuple[Array, Array, Array], rest: Array, transforms: Array, joints: Array
) -> Array:
    """(M, V, 3): the wanted surface of a shape in the given poses.

    Dual quaternions start from anny's own rest pose, the surface its artists shaped: with arms half down
    and elbows half bent it lies in the middle of what people do, so shoulders of hanging arms come out as
    modelled.

    Args:
        a_pose: its skin (V, 3) in anny's rest pose and the bones' rotations (104, 3, 3) and translations
            (104, 3)
            into the T-pose.
        rest: (V, 3) in the T-pose; transforms: (M, 24, 4, 4); joints: (24, 3).
    """
    rotations, translations = drive(source, transforms, joints)
    skin, first_rotation, first_translation = a_pose
    whole_rotations = rotations @ first_rotation
    whole_translations = np.einsum("mbij,bj->mbi", rotations, first_translation) + translations
    quaternions = quaternion_from_matrix(whole_rotations)
    for bone, parent in enumerate(source.bone_parents):
        if parent >= 0:
            opposite = np.sum(quaternions[:, bone] * quaternions[:, parent], axis=-1) < 0
            quaternions[opposite, bone] *= -1.0
    lowered = lowered_arms(transforms, joints)
    share = linear_share(source)
    side = np.clip(
        0.5 + rest[:, 0] / 0.1, 0.0, 1.0
    )  # 1 on the left; the two arms fade into each other at the spine
    some = np.flatnonzero(share > 0)
    weights, side = source.weights[some], side[some]
    out = np.empty((len(rotations), *rest.shape), np.float32)
    for pose in range(len(rotations)):
        posed = dual_quaternion_skin(skin, source.weights, quaternions[pose], whole_translations[pose])
        blend = np.tensordot(weights, rotations[pose], 1)
        straight = np.einsum("vij,vj->vi", blend, rest[some]) + weights @ translations[pose]
        linear = share[some] * (1.0 - side * lowered[pose, 0] - (1.0 - side) * lowered[pose, 1])
        posed[some] += linear[:, None] * (straight - posed[some])
        out[pose] = posed
    return out


def residuals(body: BodyModel, rest: Array, wanted: Array, transforms: Array) -> Array:
    """(M, V, 3) offsets in the rest frame that make linear skinning give the wanted surface.

    The blended 3x3 matrices are inverted with damping, and offsets longer than ``MOST`` are cut: where
    skinning folds, the exact offset is huge and useless.
    """
    out = np.empty(wanted.shape, np.float32)
    weights = body.weights.astype(np.float64)
    for pose, matrix in enumerate(transforms.astype(np.float64)):
        blend = np.tensordot(weights, matrix[:, :3, :3], 1)
        missing = wanted[pose] - np.einsum("vij,vj->vi", blend, rest) - weights @ matrix[:, :3, 3]
        back = np.swapaxes(blend, -1, -2)
        damped = np.linalg.solve(back @ blend + 1e-3 * np.eye(3), back @ missing[..., None])[..., 0]
        length = np.linalg.norm(damped, axis=-1, keepdims=True)
        out[pose] = damped * np.minimum(1.0, MOST / np.maximum(length, 1e-9))
    return out


def relevant_joints(body: BodyModel) -> Array:
    """(V, 23) bool: joints 1..23 that may correct a vertex: its own, their parents and children."""
    near = body.weights > 1e-3
    grown = near.copy()
    for joint, parent in enumerate(body.parents):
        if parent >= 0:
            grown[:, joint] |= near[:, parent]
            grown[:, parent] |= near[:, joint]
    return grown[:, 1:]


def fit(body: BodyModel, poses: Array, offsets: Array, ridge: float) -> Array:
    """(207, V, 3) correctives by ridge regression of offsets (M, V, 3) on the poses' features."""
    features = pose_features(poses).astype(np.float64)
    normal = features.T @ features + ridge * np.eye(features.shape[1])
    projected = (features.T @ offsets.reshape(len(offsets), -1)).reshape(features.shape[1], -1, 3)
    out = np.zeros_like(projected)
    kinds, group = np.unique(relevant_joints(body), axis=0, return_inverse=True)
    for kind, joints in enumerate(kinds):
        rows = np.flatnonzero(np.repeat(joints, 9))
        members = np.flatnonzero(group.reshape(-1) == kind)
        right = projected[np.ix_(rows, members)].reshape(len(rows), -1)
        solved = np.linalg.solve(normal[np.ix_(rows, rows)], right)
        out[np.ix_(rows, members)] = solved.reshape(len(rows), len(members), 3)
    return out


def symmetrise(posedirs: Array, mirror_vertices: Array, mirror_joints: Array) -> Array:
    """Average (207, V, 3) correctives with their mirror image."""
    flip = np.array([-1.0, 1.0, 1.0])
    shaped = posedirs.reshape(23, 3, 3, -1, 3)
    swapped = shaped[np.asarray(mirror_joints)[1:] - 1][:, :, :, mirror_vertices]
    swapped = swapped * flip[:, None, None, None] * flip[:, None, None] * flip
    return np.asarray(0.5 * (shaped + swapped)).reshape(posedirs.shape)
