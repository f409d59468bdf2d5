"""Human3.6M: subjects, frames, world to camera, targets and what is not valid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.datasets.bodies import Bodies
from engine.datasets.human36m import Human36M
from engine.errors import EngineError
from tests.engine.datasets import tiny, writers


def expected(bodies: Bodies, content: dict, subject: int, frame: int, camera: int) -> tuple:
    """Mesh and measured joints in the camera, mm, computed the published way: the root's rotation is
    multiplied, and the translation makes up for the root not being at the origin.
    """
    fit, world = content["frames"][subject, frame]
    lens = content["cameras"][subject][str(camera)]
    rotation, offset = np.array(lens["R"]), np.array(lens["t"])
    pose = tiny.turned_pose(fit["pose"], rotation)
    vertices, joints = tiny.smpl(bodies.by_gender["neutral"], pose, fit["shape"])
    root = joints[0]
    moved = vertices + rotation @ np.array(fit["trans"]) + offset / 1000 - root + rotation @ root
    return 1000 * moved, np.array([rotation @ joint + offset for joint in world]), lens


def test_training_takes_every_fifth_frame_that_has_a_fit(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.human36m(tmp_path, bodies)
    dataset = Human36M(tmp_path, bodies)
    assert (dataset.name, dataset.joint_set) == ("human36m", "human36m17")
    # S1: frames 0 and 5 (7 is no multiple, 10 has no fit), the other four subjects: 0; two cameras each.
    assert len(dataset) == 2 * (2 + 4)
    # Sorted by file name: subject, then camera, then frame.
    for index, key in enumerate([(1, 0, 1), (1, 5, 1), (1, 0, 2), (1, 5, 2), (5, 0, 1)]):
        sample = dataset[index]
        mesh, joints, lens = expected(bodies, content, *key)
        tiny.close(sample.pose2d, tiny.pinhole(joints, lens["f"], lens["c"]), 2e-2)
        tiny.close(sample.lifted_joints, joints - joints[0], 2e-2)
        tiny.close(sample.mesh_joints, joints - joints[0], 2e-2)
        tiny.close(sample.vertices, (mesh - joints[0]) / 1000, 2e-5)
        low, high = sample.pose2d.min(axis=0), sample.pose2d.max(axis=0)
        tiny.close(sample.box, np.concatenate((low, high - low)), 1e-3)
        assert sample.detected2d is None


def test_a_fit_beyond_25_mm_voids_the_mesh_and_what_comes_from_it(tmp_path: Path, bodies: Bodies) -> None:
    writers.human36m(tmp_path, bodies)
    for joint_set in ("human36m17", "coco19"):
        good, bad = (Human36M(tmp_path, bodies, joint_set=joint_set)[index] for index in (0, 1))
        for mask in (good.vertices_valid, good.mesh_joints_valid, good.lifted_valid, bad.mesh_joints_valid):
            assert (mask == 1).all()
        assert (bad.vertices_valid == 0).all()
        assert (bad.lifted_valid == (joint_set == "human36m17")).all()
        assert good.vertices_valid.shape == (tiny.VERTICES, 1) and good.mesh_joints_valid.shape == (17, 1)


def test_cocos_joints_come_from_the_fit(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.human36m(tmp_path, bodies)
    sample = Human36M(tmp_path, bodies, joint_set="coco19")[0]
    mesh, measured, lens = expected(bodies, content, 1, 0, 1)
    joints = tiny.coco19(bodies.coco, mesh)
    tiny.close(sample.pose2d, tiny.pinhole(joints, lens["f"], lens["c"]), 2e-2)
    tiny.close(sample.lifted_joints, joints - (joints[11] + joints[12]) / 2, 2e-2)
    tiny.close(sample.mesh_joints, measured - measured[0], 2e-2)
    tiny.close(sample.vertices, (mesh - measured[0]) / 1000, 2e-5)


def test_large_shapes_become_the_mean_shape(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.human36m(tmp_path, bodies)
    path = tmp_path / "annotations" / "Human36M_subject1_smpl_param.json"
    fit, _ = content["frames"][1, 0]
    for value, mean_shape in ((3.0, False), (-3.001, True)):
        changed = [*fit["shape"][:9], value]
        tiny.write(path, {"2": {"1": {"0": {**fit, "shape": changed}}}})
        content["frames"][1, 0] = (
            {**fit, "shape": np.zeros(10) if mean_shape else changed},
            content["frames"][1, 0][1],
        )
        mesh, joints, _ = expected(bodies, content, 1, 0, 1)
        tiny.close(Human36M(tmp_path, bodies)[0].vertices, (mesh - joints[0]) / 1000, 2e-5)


def test_the_test_split_has_two_subjects_and_detections_by_name(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.human36m(tmp_path, bodies)
    dataset = Human36M(tmp_path, bodies, "test")
    assert len(dataset) == 2 * (2 + 1)  # S9: 0 and 50, S11: 0
    for index, name in enumerate(sorted(content["detections"])):
        tiny.close(dataset[index].detected2d, np.array(content["detections"][name])[:, :2], 1e-3)
    del content["detections"][name]
    tiny.write(tmp_path / "absnet_output_on_testset.json", content["detections"])
    with pytest.raises(EngineError, match=f"lacks the 2D pose for 1 samples, {name} first"):
        Human36M(tmp_path, bodies, "test")


def test_wrong_counts_are_named(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.human36m(tmp_path, bodies)
    folder = tmp_path / "annotations"
    tiny.write(
        folder / "Human36M_subject1_joint_3d.json",
        {"2": {"1": {"0": [[1, 2, 3]] * 16, "5": [[1, 2, 3]] * 17}}},
    )
    with pytest.raises(
        EngineError, match=r"action 2, 1, frame 0 has the shape \(16, 3\) instead of \(17, 3\)"
    ):
        Human36M(tmp_path, bodies)
    fit, world = content["frames"][1, 0]
    tiny.write(
        folder / "Human36M_subject1_joint_3d.json", {"2": {"1": {"0": world.tolist(), "5": world.tolist()}}}
    )
    tiny.write(
        folder / "Human36M_subject1_smpl_param.json", {"2": {"1": {"0": {**fit, "pose": fit["pose"][1:]}}}}
    )
    with pytest.raises(EngineError, match="71 numbers instead of 72"):
        Human36M(tmp_path, bodies)
