"""FreiHAND: hands posed as MANO's published layer poses them, and an evaluation split without hands."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engine.datasets.bodies import Bodies
from engine.datasets.freihand import FreiHand
from engine.datasets.hand import HandModel
from engine.errors import EngineError
from tests.engine.datasets import tiny, writers


def test_targets_in_the_camera_from_the_wrist(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.freihand(tmp_path, bodies)
    dataset = FreiHand(tmp_path, bodies)
    assert (dataset.name, dataset.joint_set, len(dataset)) == ("freihand", "mano21", 2)
    for sample, image in zip(tiny.samples(dataset), (1, 2), strict=True):
        entry, pose = content["train", image]
        turned = tiny.turned_pose(entry["mano_param"]["pose"], np.array(entry["cam_param"]["R"]))
        mesh, joints = tiny.mano(bodies.hand, turned, entry["mano_param"]["shape"])
        tiny.close(sample.pose2d, pose[:, :2], 1e-3)
        tiny.close(sample.lifted_joints, 1000 * (joints - joints[0]), 1e-3)
        tiny.close(sample.mesh_joints, 1000 * (joints - joints[0]), 1e-3)
        tiny.close(sample.vertices, mesh - joints[0], 1e-6)
        for mask in (sample.lifted_valid, sample.mesh_joints_valid, sample.vertices_valid):
            assert (mask == 1).all()


def test_the_published_evaluation_files_hold_no_hands(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.freihand(tmp_path, bodies)
    for sample, image in zip(tiny.samples(FreiHand(tmp_path, bodies, "test")), (1, 2), strict=True):
        tiny.close(sample.pose2d, content["test", image][1][:, :2], 1e-3)
        assert sample.vertices.shape == (tiny.HAND_VERTICES, 3)
        assert sample.mesh_joints.shape == sample.lifted_joints.shape == (21, 3)
        for mask in (sample.lifted_valid, sample.mesh_joints_valid, sample.vertices_valid):
            assert (mask == 0).all()


def test_an_evaluation_file_with_hands_is_used(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.freihand(tmp_path, bodies)
    entries = {str(image + 30): content["train", image][0] for image in (1, 2)}
    tiny.write(tmp_path / "data" / "freihand_eval_data.json", entries)
    train, test = (tiny.samples(FreiHand(tmp_path, bodies, split)) for split in ("train", "test"))
    for one, other in zip(train, test, strict=True):
        assert np.array_equal(one.vertices, other.vertices) and (other.vertices_valid == 1).all()


def test_wrong_counts_are_named(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.freihand(tmp_path, bodies)
    entry, _ = content["train", 1]
    entry["mano_param"]["pose"] = entry["mano_param"]["pose"][:45]
    tiny.write(tmp_path / "data" / "freihand_train_data.json", {"31": entry, "32": entry})
    with pytest.raises(EngineError, match="has 45 numbers instead of 48"):
        FreiHand(tmp_path, bodies)


def mano_arrays(vertices: int = 778) -> dict[str, np.ndarray]:
    random = np.random.default_rng(21)
    regressor = random.uniform(0, 1, (16, vertices))
    return {
        "v_template": random.normal(0, 0.05, (vertices, 3)),
        "shapedirs": random.normal(0, 0.01, (vertices, 3, 10)),
        "posedirs": random.normal(0, 0.01, (vertices, 3, 135)),
        "weights": np.full((vertices, 16), 1 / 16),
        "J_regressor": regressor / regressor.sum(axis=1, keepdims=True),
        "f": random.integers(0, vertices, (100, 3)),
        "kintree_table": np.array([[2**32 - 1, *tiny.HAND_PARENTS[1:]], range(16)], np.uint32),
        "hands_mean": random.normal(0, 0.1, 45),
    }


@pytest.mark.parametrize("suffix", ["pkl", "npz"])
def test_the_hands_file_is_read_without_running_it(tmp_path: Path, suffix: str) -> None:
    arrays, path = mano_arrays(), tmp_path / f"MANO_RIGHT.{suffix}"
    if suffix == "pkl":
        path.write_bytes(pickle.dumps(arrays))
    else:
        np.savez(path, **arrays)
    hand = HandModel.load(path)
    vertices, joints = hand.posed(np.zeros(48), np.zeros(10))
    expected, expected_joints = tiny.mano(hand, np.zeros(48), np.zeros(10))
    np.testing.assert_allclose(vertices, expected, atol=1e-12)
    np.testing.assert_allclose(joints, expected_joints, atol=1e-12)
    # The layer's fingertips, and the regressor's, which differ by one vertex.
    np.testing.assert_array_equal(joints[[4, 8, 12, 16, 20]], vertices[[745, 317, 444, 556, 673]])
    regressed = hand.joint_regressor21 @ vertices
    np.testing.assert_array_equal(regressed[[4, 8, 12, 16, 20]], vertices[[745, 317, 445, 556, 673]])
    np.testing.assert_allclose(regressed[9:12], (arrays["J_regressor"] @ vertices)[4:7], atol=1e-12)


def test_other_files_are_no_hand(tmp_path: Path) -> None:
    path = tmp_path / "MANO_RIGHT.npz"
    with pytest.raises(EngineError, match=r"MANO file .* does not exist"):
        HandModel.load(path)
    arrays = mano_arrays()
    np.savez(path, **{name: arrays[name] for name in arrays if name != "hands_mean"})
    with pytest.raises(EngineError, match=r"lacks hands_mean; choose the file MANO_RIGHT\.pkl"):
        HandModel.load(path)
    np.savez(path, **{**arrays, "weights": np.zeros((778, 24))})
    with pytest.raises(EngineError, match=r"weights has the shape \(778, 24\) instead of \(778, 16\)"):
        HandModel.load(path)
    np.savez(path, **mano_arrays(500))
    with pytest.raises(EngineError, match="with 778 vertices"):
        HandModel.load(path)
    path.write_bytes(pickle.dumps({"v_template": print}))
    with pytest.raises(EngineError, match="not a plain data file"):
        HandModel.load(path)


def test_the_wrist_turns_about_itself() -> None:
    hand = replace(tiny.hand(), hands_mean=np.zeros(45))
    pose = np.zeros(48)
    pose[:3] = Rotation.from_euler("y", 90, degrees=True).as_rotvec()
    rest, rest_joints = hand.posed(np.zeros(48), np.zeros(10))
    turned, turned_joints = hand.posed(pose, np.zeros(10))
    np.testing.assert_allclose(turned_joints[0], rest_joints[0], atol=1e-12)
    x, y, z = (rest - rest_joints[0]).T
    np.testing.assert_allclose(turned - rest_joints[0], np.stack((z, y, -x), axis=1), atol=1e-12)
