"""3DPW: bodies of each gender, order and videos, detections with pelvis and neck."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engine.datasets.bodies import Bodies
from engine.datasets.pw3d import Pw3d
from engine.errors import EngineError
from tests.engine.body.old_pickles import python2_pickle
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


def sequence(random: np.random.Generator) -> dict:
    """An official sequence file: world axes, two people, four frames; person 1's camera is lost in frame 2,
    and everybody is behind the picture's edge in frame 3.
    """
    views = np.tile(np.eye(4), (4, 1, 1))
    for frame, view in enumerate(views):
        view[:3, :3] = Rotation.from_euler("yx", (20 * frame, 180), degrees=True).as_matrix()
        view[:3, 3] = (0.1 * frame, 0.2, 5.0) if frame < 3 else (60.0, 0.0, 5.0)
    return {
        "sequence": "walk_00",
        "genders": ["m", "f"],
        "betas": [random.normal(0, 1, 10), random.normal(0, 1, 300)],
        "poses": [random.normal(0, 0.4, (4, 72)) for _ in range(2)],
        "trans": [random.normal(0, 0.3, (4, 3)) for _ in range(2)],
        "jointPositions": [random.normal(0, 0.4, (4, 72)) for _ in range(2)],
        "campose_valid": [np.ones(4, bool), np.array([1, 1, 0, 1])],
        "cam_poses": views,
        "cam_intrinsics": np.array([[1961.0, 0, 540], [0, 1969.0, 960], [0, 0, 1]]),
        "texture_maps": [],
    }


def test_official_sequence_files_stand_in_for_the_annotations(tmp_path: Path, bodies: Bodies) -> None:
    content = sequence(np.random.default_rng(5))
    path = tmp_path / "sequenceFiles" / "test" / "walk_00.pkl"
    path.parent.mkdir(parents=True)
    path.write_bytes(python2_pickle(content))
    dataset = Pw3d(tmp_path, bodies)
    assert [indices.tolist() for indices in dataset.videos()] == [[0, 1, 2], [3, 4]]
    for sample, (person, frame) in zip(
        tiny.samples(dataset), ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1)), strict=True
    ):
        model = bodies.by_gender[("male", "female")[person]]
        place, betas = content["trans"][person][frame], content["betas"][person][:10]
        world = tiny.smpl(model, content["poses"][person][frame], betas, place)[0]
        mesh = 1000 * np.array([(content["cam_poses"][frame] @ [*point, 1])[:3] for point in world])
        joints, body_joints = tiny.coco19(bodies.coco, mesh), bodies.human36m @ mesh
        tiny.close(sample.pose2d, tiny.pinhole(joints, (1961, 1969), (540, 960)), 2e-2)
        tiny.close(sample.lifted_joints, joints - joints[17], 2e-2)
        tiny.close(sample.vertices, (mesh - body_joints[0]) / 1000, 2e-5)
        assert sample.detected2d is None


def test_sequence_files_are_read_and_not_run(tmp_path: Path, bodies: Bodies) -> None:
    folder = tmp_path / "sequenceFiles" / "test"
    folder.mkdir(parents=True)
    with pytest.raises(EngineError, match="holds no usable sequence file"):
        Pw3d(tmp_path, bodies)
    content, path = sequence(np.random.default_rng(5)), folder / "walk_00.pkl"
    for change, sentence in (
        (
            {"poses": [np.zeros((4, 72)), np.zeros((3, 72))]},
            "poses of person 1 has 216 numbers instead of 288",
        ),
        ({"betas": [np.zeros(10), np.zeros(9)]}, "betas of person 1 has 9 numbers instead of 10"),
        ({"cam_poses": np.zeros((4, 3, 4))}, "cam_poses has 48 numbers instead of 64"),
        ({"genders": ["m", "x"]}, "lacks the entry 'x'"),
        ({"genders": [os.system]}, "not a plain data file"),
    ):
        path.write_bytes(pickle.dumps({**content, **change}))
        with pytest.raises(EngineError, match=sentence):
            Pw3d(tmp_path, bodies)
    del content["cam_intrinsics"]
    for damaged, sentence in (
        (pickle.dumps(content), "lacks the entry 'cam_intrinsics'"),
        (pickle.dumps(content)[:1000], "truncated"),
        (pickle.dumps([1]), "list instead of dict"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(EngineError, match=sentence):
            Pw3d(tmp_path, bodies)


def test_training_may_do_without_detections(tmp_path: Path, bodies: Bodies) -> None:
    writers.pw3d(tmp_path, bodies)
    (tmp_path / "data" / "3DPW_latest_test.json").rename(tmp_path / "data" / "3DPW_latest_train.json")
    assert Pw3d(tmp_path, bodies, "train")[0].detected2d is None
