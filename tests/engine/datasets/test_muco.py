"""MuCo: the nearest person, fits that miss the measured joints, and the published slip."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.datasets.bodies import Bodies
from engine.datasets.muco import MuCo
from engine.errors import EngineError
from tests.engine.datasets import tiny, writers


def test_targets_of_the_person_nearest_to_the_camera(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.muco(tmp_path, bodies)
    dataset = MuCo(tmp_path, bodies)
    assert (dataset.name, dataset.joint_set) == ("muco", "coco19")
    assert len(dataset) == 2  # images 1 and 2; 3 has no fit, 4 a NaN in it, 5 nobody
    for sample, key in zip(tiny.samples(dataset), (11, 20), strict=True):
        mesh = content[key]
        joints, body_joints = tiny.coco19(bodies.coco, mesh), bodies.human36m @ mesh
        tiny.close(sample.pose2d, tiny.pinhole(joints, (1500, 1490), (600, 610)), 2e-2)
        tiny.close(sample.lifted_joints, joints - joints[17], 2e-2)
        tiny.close(sample.mesh_joints, body_joints - body_joints[0], 2e-2)
        tiny.close(sample.vertices, (mesh - body_joints[0]) / 1000, 2e-5)


def test_fits_beyond_45_mm_are_void_but_for_posenets_own_training(tmp_path: Path, bodies: Bodies) -> None:
    writers.muco(tmp_path, bodies)
    for options, expected in (
        ({}, (1, 0)),
        ({"stage": "posenet"}, (1, 1)),
        # knees against shoulders: nothing is ever valid
        ({"as_published": True}, (0, 0)),
        ({"as_published": True, "stage": "posenet"}, (1, 1)),
    ):
        for sample, valid in zip(tiny.samples(MuCo(tmp_path, bodies, **options)), expected, strict=True):
            for mask in (sample.lifted_valid, sample.mesh_joints_valid, sample.vertices_valid):
                assert (mask == valid).all(), options


def test_human36ms_joints_as_input(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.muco(tmp_path, bodies)
    sample = MuCo(tmp_path, bodies, "human36m17")[0]
    joints = bodies.human36m @ content[11]
    tiny.close(sample.pose2d, tiny.pinhole(joints, (1500, 1490), (600, 610)), 2e-2)
    tiny.close(sample.lifted_joints, joints - joints[0], 2e-2)


def test_wrong_counts_are_named(tmp_path: Path, bodies: Bodies) -> None:
    writers.muco(tmp_path, bodies)
    image = {"id": 1, "f": [1500, 1500], "c": [600, 600]}
    mark = {"id": 11, "image_id": 1, "bbox": [0, 0, 9, 9], "keypoints_cam": [[0, 0, 4000]] * 17}
    tiny.write(tmp_path / "data" / "MuCo-3DHP.json", {"images": [image], "annotations": [mark]})
    with pytest.raises(EngineError, match=r"annotation 11 has the shape \(17, 3\) instead of \(21, 3\)"):
        MuCo(tmp_path, bodies)
