"""COCO: who is left out, the scaled orthographic camera, and fits that miss the keypoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.datasets.bodies import Bodies
from engine.datasets.coco import Coco
from engine.errors import EngineError
from tests.engine.datasets import tiny, writers


def test_targets_of_those_with_keypoints_and_a_fit(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.coco(tmp_path, bodies)
    dataset = Coco(tmp_path, bodies)
    assert (dataset.name, dataset.joint_set) == ("coco", "coco19")
    assert len(dataset) == 3  # 1, 2 and 6
    for index, key in enumerate((1, 2, 6)):  # 6 has the mean shape
        mesh, fitted = content[key]
        joints, body_joints = 1000 * tiny.coco19(bodies.coco, mesh), 1000 * bodies.human36m @ mesh
        sample = dataset[index]
        tiny.close(sample.pose2d, fitted, 2e-3)
        tiny.close(sample.lifted_joints, joints - joints[17], 2e-2)
        tiny.close(sample.mesh_joints, body_joints - body_joints[0], 2e-2)
        tiny.close(sample.vertices, mesh - body_joints[0] / 1000, 2e-5)


def test_fits_beyond_3_pixels_of_the_crop_are_void(tmp_path: Path, bodies: Bodies) -> None:
    writers.coco(tmp_path, bodies)
    for sample, valid in zip(tiny.samples(Coco(tmp_path, bodies)), (1, 0, 1), strict=True):
        for mask in (sample.lifted_valid, sample.mesh_joints_valid, sample.vertices_valid):
            assert (mask == valid).all()


def test_human36ms_joints_as_input(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.coco(tmp_path, bodies)
    sample = Coco(tmp_path, bodies, "human36m17")[0]
    joints = bodies.human36m @ content[1][0]
    tiny.close(sample.pose2d, joints[:, :2] * (150.0, 152.0) + (200.0, 240.0), 2e-3)
    tiny.close(sample.lifted_joints, 1000 * (joints - joints[0]), 2e-2)


def test_one_scale_for_both_axes(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.coco(tmp_path, bodies)
    mesh, _ = content[1]
    path = tmp_path / "annotations" / "coco_smplify_train.json"
    fit = {"smpl_param": tiny.fit(np.random.default_rng(12)), "cam_param": {"s": 100.0, "t": [[1.0, 2.0]]}}
    tiny.write(path, {"1": fit})
    tiny.close(Coco(tmp_path, bodies)[0].pose2d, 100 * tiny.coco19(bodies.coco, mesh)[:, :2] + (1, 2), 2e-3)


def test_wrong_counts_are_named(tmp_path: Path, bodies: Bodies) -> None:
    writers.coco(tmp_path, bodies)
    path = tmp_path / "annotations" / "person_keypoints_train2017.json"
    mark = {
        "id": 1,
        "image_id": 70,
        "iscrowd": 0,
        "num_keypoints": 3,
        "bbox": [0, 0, 9, 9],
        "keypoints": [1] * 48,
    }
    tiny.write(path, {"images": [{"id": 70}], "annotations": [mark]})
    with pytest.raises(EngineError, match="annotation 1 has 48 numbers instead of 51"):
        Coco(tmp_path, bodies)
    mark["image_id"] = 71
    tiny.write(path, {"images": [{"id": 70}], "annotations": [mark]})
    with pytest.raises(EngineError, match="image that is not listed"):
        Coco(tmp_path, bodies)
