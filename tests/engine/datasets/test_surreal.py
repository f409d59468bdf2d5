"""SURREAL: the skeleton's joints as targets, the detector's output as input."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.datasets.bodies import Bodies
from engine.datasets.surreal import Surreal
from engine.errors import EngineError
from tests.engine.datasets import tiny, writers


@pytest.mark.parametrize(("split", "file", "count"), [("train", "train", 3), ("test", "val", 2)])
def test_targets_in_the_order_of_images(
    tmp_path: Path, bodies: Bodies, split: str, file: str, count: int
) -> None:
    content = writers.surreal(tmp_path, bodies)
    dataset = Surreal(tmp_path, bodies, split)
    assert (dataset.name, dataset.joint_set, len(dataset)) == ("surreal", "smpl24", count)
    for image, sample in enumerate(tiny.samples(dataset)):
        fit, pose = content[file, image]
        mesh, joints = tiny.smpl(bodies.by_gender[fit["gender"]], fit["pose"], fit["shape"], fit["trans"])
        tiny.close(sample.pose2d, pose[:, :2], 1e-3)
        tiny.close(sample.detected2d, pose[:, :2], 1e-3)
        tiny.close(sample.lifted_joints, 1000 * (joints - joints[0]), 2e-2)
        tiny.close(sample.mesh_joints, 1000 * (joints - joints[0]), 2e-2)
        tiny.close(sample.vertices, mesh - joints[0], 2e-5)
        for mask in (sample.lifted_valid, sample.mesh_joints_valid, sample.vertices_valid):
            assert (mask == 1).all()


def test_regressors_are_not_needed(tmp_path: Path, bodies: Bodies) -> None:
    writers.surreal(tmp_path, bodies)
    assert len(Surreal(tmp_path, Bodies(bodies.by_gender))) == 3


def test_wrong_counts_are_named(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.surreal(tmp_path, bodies)
    fit, pose = content["train", 0]
    image = {"id": 0, "cam_param": {}}
    mark = {"id": 5, "image_id": 0, "bbox": [0, 0, 9, 9], "smpl_param": {**fit, "shape": [0.0] * 9}}
    tiny.write(tmp_path / "data" / "train.json", {"images": [image], "annotations": [mark]})
    with pytest.raises(EngineError, match="the shape of image 0 has 9 numbers instead of 10"):
        Surreal(tmp_path, bodies)
    writers.surreal(tmp_path, bodies)
    path = tmp_path / "data" / "hrnet_output_on_trainset.json"
    tiny.write(path, [{"image_id": 0, "keypoints": pose[:21].tolist()}])
    with pytest.raises(EngineError, match=r"\(21, 3\) instead of \(24, 2\)"):
        Surreal(tmp_path, bodies)
