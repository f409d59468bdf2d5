"""Crop, standardisation and augmentation against the published code."""

import numpy as np
import pytest
from golden import golden

from engine.errors import EngineError
from engine.pose2mesh import preprocess
from engine.pose2mesh.skeletons import joint_set

MISC = golden("misc")
PAIRS = joint_set("human36m17").flip_pairs


@pytest.mark.parametrize("kind", ["float", "int"])
def test_boxes_and_crops(kind: str) -> None:
    joints = MISC[f"pre_{kind}_joints"]
    tight = preprocess.tight_box(joints)
    network = preprocess.grown_box(tight, 288 / 384)
    camera = preprocess.grown_box(tight, 1.0, preprocess.CAMERA_MARGIN)
    for name, box, size in (("net", network, (288, 384)), ("cam", camera, (500, 500))):
        np.testing.assert_allclose(box, MISC[f"pre_{kind}_bbox_{name}"], rtol=1e-6, atol=1e-4)
        transform = preprocess.crop_transform(box, size)
        np.testing.assert_allclose(transform, MISC[f"pre_{kind}_affine_{name}"], rtol=1e-5, atol=1e-4)
        if kind == "float":
            crop = preprocess.transform_points(joints, transform)
            np.testing.assert_allclose(crop, MISC[f"pre_{kind}_crop_{name}"], atol=1e-4)
    np.testing.assert_allclose(tight, MISC[f"pre_{kind}_bbox_tight"], rtol=1e-6)


def test_network_input() -> None:
    np.testing.assert_allclose(
        preprocess.network_input(MISC["pre_float_joints"]), MISC["pre_float_net_input"], atol=2e-6
    )
    plain = preprocess.standardize(MISC["pre_float_joints"])
    np.testing.assert_allclose(plain, MISC["pre_float_plain_zscore"], atol=1e-12)
    np.testing.assert_allclose(plain, MISC["pre_float_net_input"], atol=2e-6)  # the crop cancels


def test_integer_pixels_are_not_truncated_in_the_crop() -> None:
    joints = MISC["pre_int_joints"]
    ours = preprocess.network_input(joints)
    np.testing.assert_allclose(ours, MISC["pre_int_plain_zscore"], atol=2e-6)
    np.testing.assert_allclose(ours, MISC["pre_int_net_input"], atol=0.011)
    assert np.abs(ours - MISC["pre_int_net_input"]).max() > 1e-3  # the published slip


@pytest.mark.parametrize("broken", ["flat", "nan"])
def test_degenerate_poses_are_refused(broken: str) -> None:
    joints = MISC["pre_float_joints"].copy()
    joints[:, 1] = 3.0 if broken == "flat" else np.nan
    with pytest.raises(EngineError, match="pose"):
        preprocess.standardize(joints)


def test_a_person_smaller_than_a_pixel_is_refused() -> None:
    with pytest.raises(EngineError, match="pixel"):
        preprocess.grown_box(np.array([5.0, 5.0, 0.5, 40.0]), 0.75)


def test_rotation_and_mirroring() -> None:
    transform = preprocess.crop_transform(MISC["pre_rot_bbox"], (288, 384), 30.0)
    np.testing.assert_allclose(transform, MISC["pre_rot_affine"], rtol=1e-5, atol=1e-4)
    crop = preprocess.transform_points(MISC["pre_rot_joints"], transform)
    mirrored = preprocess.mirror_2d(crop, 288, PAIRS)
    np.testing.assert_allclose(mirrored, MISC["pre_rot_flipped_crop"], atol=1e-3)
    np.testing.assert_allclose(preprocess.mirror_2d(mirrored, 288, PAIRS), crop, atol=1e-4)

    joints = preprocess.mirror_3d(preprocess.rotate_3d(MISC["pre_j3d_in"], 30.0), PAIRS)
    np.testing.assert_allclose(joints, MISC["pre_j3d_rot30_flip"], atol=1e-3)
