"""What goes into the network and what PoseNet should answer, per dataset, as published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.datasets.sample import Sample
from engine.errors import EngineError
from engine.pose2mesh.preprocess import (
    NETWORK_SIZE,
    crop_transform,
    grown_box,
    mirror_2d,
    mirror_3d,
    network_input,
    standardize,
    tight_box,
    transform_points,
)
from engine.pose2mesh.skeletons import joint_set
from engine.train.published import inputs
from engine.train.published.inputs import Augmentation, evaluation_input, training_input
from engine.train.published.noise import human36m_errors

PLAIN = Augmentation(noise=False, mirror=False)
NOISE = Augmentation(noise=True, mirror=False)
MIRROR = Augmentation(noise=False, mirror=True)


def sample(joints: int) -> Sample:
    random = np.random.default_rng(joints)
    pose = random.uniform((200, 100), (500, 700), (joints, 2)).astype(np.float32)
    points, mask = np.zeros((joints, 3), np.float32), np.ones((joints, 1), np.float32)
    return Sample(
        pose2d=pose,
        box=tight_box(pose),
        lifted_joints=random.normal(0, 300, (joints, 3)).astype(np.float32),
        mesh_joints=points,
        vertices=points,
        lifted_valid=mask,
        mesh_joints_valid=mask,
        vertices_valid=mask,
        detected2d=pose + random.normal(0, 9, pose.shape).astype(np.float32),
    )


def crop_of(one: Sample) -> np.ndarray:
    box = grown_box(one.box, 288 / 384)
    return transform_points(one.pose2d, crop_transform(box, NETWORK_SIZE))


def test_without_augmentation_it_is_the_published_crop_standardised() -> None:
    one = sample(17)
    pose, lifted = training_input(one, "human36m", joint_set("human36m17"), PLAIN, np.random.default_rng(0))
    np.testing.assert_allclose(pose, network_input(one.pose2d), atol=1e-6)
    np.testing.assert_array_equal(lifted, one.lifted_joints)
    assert pose.dtype == lifted.dtype == np.float32


def test_human36m_errors_are_added_in_the_crop() -> None:
    one = sample(17)
    pose, lifted = training_input(one, "human36m", joint_set("human36m17"), NOISE, np.random.default_rng(3))
    expected = standardize(crop_of(one) + human36m_errors(np.random.default_rng(3)))
    np.testing.assert_allclose(pose, expected, atol=1e-6)
    np.testing.assert_array_equal(lifted, one.lifted_joints)


def test_pelvis_and_neck_keep_their_place_in_the_crop() -> None:
    one = sample(19)
    crop = crop_of(one)
    noisy = inputs.with_errors(crop, joint_set("coco19"), 5e4, np.random.default_rng(0))
    np.testing.assert_array_equal(noisy[17:], crop[17:])
    assert (noisy[:17] != crop[:17]).all()


@pytest.mark.parametrize("dataset", ["human36m", "coco", "amass", "muco"])
def test_the_area_behind_the_errors(dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tight box's, in MuCo the grown box's, which fills the crop."""
    areas: list[float] = []

    def remember(joints: np.ndarray, area: float, rng: np.random.Generator) -> np.ndarray:
        areas.append(area)
        return joints

    monkeypatch.setattr(inputs, "coco_errors", remember)
    one = sample(19)
    training_input(one, dataset, joint_set("coco19"), NOISE, np.random.default_rng(0))
    width, height = np.ptp(crop_of(one), axis=0)
    expected = 288 * 384 if dataset == "muco" else width * height
    assert areas == [pytest.approx(expected, rel=1e-5)]


@pytest.mark.parametrize(
    ("dataset", "first"), [("human36m", False), ("coco", False), ("amass", False), ("muco", True)]
)
def test_the_errors_come_before_the_mirror_except_in_muco(
    dataset: str, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []

    def remember(joints: np.ndarray, area: float, rng: np.random.Generator) -> np.ndarray:
        seen.append(joints.copy())
        return joints

    monkeypatch.setattr(inputs, "coco_errors", remember)
    one, joints = sample(19), joint_set("coco19")
    seed = next(seed for seed in range(20) if np.random.default_rng(seed).uniform() <= 0.5)
    both = Augmentation(noise=True, mirror=True)
    training_input(one, dataset, joints, both, np.random.default_rng(seed))
    mirrored = mirror_2d(crop_of(one), 288, joints.flip_pairs)
    np.testing.assert_allclose(seen[0], (mirrored if first else crop_of(one))[:17], atol=1e-3)


@pytest.mark.parametrize("dataset", ["human36m", "surreal"])
def test_half_of_the_samples_are_mirrored_in_2d_and_3d(dataset: str) -> None:
    one, joints = sample(24), joint_set("smpl24")
    mirrored = mirror_2d(crop_of(one), 288, joints.flip_pairs)
    count = 0
    for seed in range(300):
        pose, lifted = training_input(one, dataset, joints, MIRROR, np.random.default_rng(seed))
        if np.allclose(pose, standardize(mirrored), atol=1e-5):
            np.testing.assert_allclose(lifted, mirror_3d(one.lifted_joints, joints.flip_pairs))
            count += 1
        else:
            np.testing.assert_allclose(pose, network_input(one.pose2d), atol=1e-5)
            np.testing.assert_array_equal(lifted, one.lifted_joints)
    assert 110 < count < 190


@pytest.mark.parametrize(("dataset", "joints"), [("freihand", "mano21"), ("surreal", "smpl24")])
def test_real_detections_stay_and_hands_are_never_mirrored(dataset: str, joints: str) -> None:
    names = joint_set(joints)
    one = sample(len(names))
    both = Augmentation(noise=True, mirror=dataset == "freihand")
    for seed in range(10):
        pose, lifted = training_input(one, dataset, names, both, np.random.default_rng(seed))
        np.testing.assert_allclose(pose, network_input(one.pose2d), atol=1e-6)
        np.testing.assert_array_equal(lifted, one.lifted_joints)


def test_at_test_time_the_detections_go_in_where_there_are_any() -> None:
    one = sample(17)
    assert one.detected2d is not None
    np.testing.assert_array_equal(evaluation_input(one, True), network_input(one.detected2d))
    np.testing.assert_array_equal(evaluation_input(one, False), network_input(one.pose2d))
    np.testing.assert_array_equal(
        evaluation_input(replace(one, detected2d=None), True), network_input(one.pose2d)
    )


def test_joints_that_are_no_numbers_are_refused() -> None:
    one = sample(19)
    broken = replace(one, pose2d=np.full_like(one.pose2d, np.nan))
    with pytest.raises(EngineError, match="pose"):
        training_input(broken, "coco", joint_set("coco19"), NOISE, np.random.default_rng(0))
