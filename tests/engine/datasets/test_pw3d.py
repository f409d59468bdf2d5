"""3DPW: bodies of each gender, order and videos, detections with pelvis and neck."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.datasets.bodies import Bodies
from engine.datasets.pw3d import Pw3d
from engine.errors import EngineError
from tests.engine.datasets import tiny, writers

ORDER = [
    ("bus_00", 0, 0),
    ("walk_00", 0, 0),
    ("walk_00", 0, 1),
    ("bus_00", 1, 0),
    ("walk_00", 1, 0),
    ("walk_00", 1, 1),
]


def test_targets_and_detections(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.pw3d(tmp_path, bodies)
    dataset = Pw3d(tmp_path, bodies)
    assert (dataset.name, dataset.joint_set, len(dataset)) == ("pw3d", "coco19", 6)
    for sample, which in zip(tiny.samples(dataset), ORDER, strict=True):
        key, fit = content["fits"][which]
        mesh = 1000 * tiny.smpl(bodies.by_gender[fit["gender"]], fit["pose"], fit["shape"], fit["trans"])[0]
        joints, body_joints = tiny.coco19(bodies.coco, mesh), bodies.human36m @ mesh
        tiny.close(sample.pose2d, tiny.pinhole(joints, (1961, 1969), (540, 960)), 2e-2)
        tiny.close(sample.lifted_joints, joints - joints[17], 2e-2)
        tiny.close(sample.mesh_joints, body_joints - body_joints[0], 2e-2)
        tiny.close(sample.vertices, (mesh - body_joints[0]) / 1000, 2e-5)
        pose = content["detections"][key][:, :2]
        expected = np.vstack((pose, (pose[11] + pose[12]) / 2, (pose[5] + pose[6]) / 2))
        tiny.close(sample.detected2d, expected, 1e-3)
        for mask in (sample.lifted_valid, sample.mesh_joints_valid, sample.vertices_valid):
            assert (mask == 1).all()


def test_videos_hold_a_persons_frames_in_time(tmp_path: Path, bodies: Bodies) -> None:
    writers.pw3d(tmp_path, bodies)
    found = [indices.tolist() for indices in Pw3d(tmp_path, bodies).videos()]
    assert found == [[0], [3], [1, 2], [4, 5]]


def test_both_genders_are_needed(tmp_path: Path, bodies: Bodies) -> None:
    writers.pw3d(tmp_path, bodies)
    male = {"male": bodies.by_gender["male"]}
    with pytest.raises(EngineError, match="needs the female SMPL body"):
        Pw3d(tmp_path, Bodies(male, bodies.human36m_regressor, bodies.coco_regressor))


def test_wrong_counts_are_named(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.pw3d(tmp_path, bodies)
    path = tmp_path / "data" / "darkpose_3dpw_testset_output.json"
    tiny.write(path, [{"annotation_id": 0, "keypoints": [[1, 2, 3]] * 18}])
    with pytest.raises(EngineError, match=r"annotation_id 0 has the shape \(18, 3\) instead of \(17, 2\)"):
        Pw3d(tmp_path, bodies)
    tiny.write(path, [{"annotation_id": 0, "keypoints": content["detections"][0].tolist()}])
    with pytest.raises(EngineError, match="lacks the 2D pose for 5 samples"):
        Pw3d(tmp_path, bodies)
