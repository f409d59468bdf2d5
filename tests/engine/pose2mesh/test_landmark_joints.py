from __future__ import annotations

import numpy as np
import pytest

from engine.body.model import BodyModel
from engine.errors import EngineError
from engine.pose2mesh.landmark_joints import SUPPORTED, joints_from_landmarks
from engine.pose2mesh.reference_pose import reference_pose
from engine.pose2mesh.skeletons import JOINT_SETS, joint_set

LANDMARKS = JOINT_SETS["mediapipe33"].joints


@pytest.mark.parametrize("name", SUPPORTED)
def test_rows_are_affine_and_symmetric(name: str) -> None:
    matrix, joints = joints_from_landmarks(name), joint_set(name)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)
    mirrored = np.arange(33)
    for left, right in JOINT_SETS["mediapipe33"].flip_pairs:
        mirrored[[left, right]] = right, left
    flipped = np.arange(len(joints))
    for left, right in joints.flip_pairs:
        flipped[[left, right]] = right, left
    np.testing.assert_allclose(matrix[flipped][:, mirrored], matrix, atol=1e-12)


def test_coco_is_exact() -> None:
    points = np.random.default_rng(0).normal(size=(33, 2))
    found = dict(zip(joint_set("coco19").joints, joints_from_landmarks("coco19") @ points, strict=True))
    for joint, place in found.items():
        if joint not in ("pelvis", "neck"):
            np.testing.assert_array_equal(place, points[LANDMARKS.index(joint)])
    for joint, part in (("pelvis", "hip"), ("neck", "shoulder")):
        middle = (points[LANDMARKS.index(f"left_{part}")] + points[LANDMARKS.index(f"right_{part}")]) / 2
        np.testing.assert_allclose(found[joint], middle)


def test_human36m_s_midline_on_a_standing_body() -> None:
    """Heights above the pelvis as on Human3.6M's skeleton, in shares of the neck's."""
    body = BodyModel.load("open_body")
    joints = joints_from_landmarks("human36m17") @ body.landmarks(body.v_template)
    place = dict(zip(joint_set("human36m17").joints, joints, strict=True))
    heights = {name: place[name][1] - place["pelvis"][1] for name in ("torso", "neck", "nose", "head")}
    assert 0.45 < heights["torso"] / heights["neck"] < 0.55
    assert 1.15 < heights["nose"] / heights["neck"] < 1.35
    assert 1.35 < heights["head"] / heights["neck"] < 1.6
    assert place["nose"][2] > place["neck"][2] + 0.03  # the face is in front


@pytest.mark.parametrize("name", SUPPORTED)
def test_the_plain_pose_agrees(name: str) -> None:
    """What imports are checked with and what captures give are the same joints."""
    landmarks = reference_pose(JOINT_SETS["mediapipe33"]).astype(np.float64)
    wanted = reference_pose(joint_set(name)).astype(np.float64)
    found = joints_from_landmarks(name) @ landmarks
    found = (found - found.mean(axis=0)) / found.std(axis=0)
    assert np.abs(found - wanted).max() < 0.35
    assert np.abs(found - wanted).mean() < 0.1


def test_other_joint_sets_are_refused() -> None:
    for name in ("smpl24", "mano21"):
        with pytest.raises(EngineError, match=f"reads {name}.*coco19 or human36m17"):
            joints_from_landmarks(name)
