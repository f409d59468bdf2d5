"""AMASS: which files and frames, and the four cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.datasets.amass import Amass
from engine.datasets.bodies import Bodies
from engine.errors import EngineError
from tests.engine.datasets import tiny, writers

# Of Human3.6M's first and third camera, typed in here again.
CAMERAS = {
    0: [[-0.91536, 0.40181, 0.02575], [0.05155, 0.18037, -0.98225], [-0.39932, -0.89778, -0.18582]],
    2: [[-0.91415, -0.40278, -0.04572], [-0.04562, 0.21431, -0.97570], [0.40279, -0.88985, -0.21429]],
}


def test_frames_of_the_collections_of_each_stage(tmp_path: Path, bodies: Bodies) -> None:
    writers.amass(tmp_path)
    assert len(Amass(tmp_path, bodies)) == 4 * 3  # CMU: 0, 60, 120
    # BMLhandball every 5th of 12, BMLrub every 10th of 21
    assert len(Amass(tmp_path, bodies, stage="posenet")) == 4 * (3 + 3 + 3)


def test_targets_before_the_cameras(tmp_path: Path, bodies: Bodies) -> None:
    content = writers.amass(tmp_path)
    dataset = Amass(tmp_path, bodies)
    assert (dataset.name, dataset.joint_set) == ("amass", "coco19")
    poses, betas = content["CMU"]
    assert np.abs(betas[:10]).max() > 3  # and stays as it is
    for frame, camera in ((0, 0), (1, 2)):
        # The published way: the root's rotation is multiplied, the body set 10 m away.
        pose = tiny.turned_pose(poses[60 * frame, :72], np.array(CAMERAS[camera]))
        mesh = 1000 * tiny.smpl(bodies.by_gender["neutral"], pose, betas[:10], (0, 0, 10))[0]
        joints, body_joints = tiny.coco19(bodies.coco, mesh), bodies.human36m @ mesh
        sample = dataset[4 * frame + camera]
        tiny.close(sample.pose2d, tiny.pinhole(joints, (1500, 1500), (500, 500)), 2e-2)
        tiny.close(sample.lifted_joints, joints - joints[17], 0.05)
        tiny.close(sample.mesh_joints, body_joints - body_joints[0], 0.05)
        tiny.close(sample.vertices, (mesh - body_joints[0]) / 1000, 5e-5)
        for mask in (sample.lifted_valid, sample.mesh_joints_valid, sample.vertices_valid):
            assert (mask == 1).all()


def test_files_are_looked_for_and_checked(tmp_path: Path, bodies: Bodies) -> None:
    with pytest.raises(EngineError, match=r"no motion file like .*CMU/SEQUENCE/NAME_poses\.npz"):
        Amass(tmp_path, bodies)
    writers.amass(tmp_path)
    path = tmp_path / "data" / "CMU" / "01" / "01_01_poses.npz"
    np.savez(path, poses=np.zeros((10, 66)), betas=np.zeros(16))
    with pytest.raises(EngineError, match=r"\(10, 66\) instead of \(frames, 156\)"):
        Amass(tmp_path, bodies)
    np.savez(path, poses=np.zeros((10, 156)), betas=np.zeros(8))
    with pytest.raises(EngineError, match="betas has 8 numbers instead of 10"):
        Amass(tmp_path, bodies)
    np.savez(path, poses=np.zeros((10, 156)))
    with pytest.raises(EngineError, match="is not AMASS's"):
        Amass(tmp_path, bodies)
    np.savez(path, poses=np.array([{}], dtype=object), betas=np.zeros(16))
    with pytest.raises(EngineError, match="cannot be used"):  # a pickle, which is not opened
        Amass(tmp_path, bodies)
    for content in (b"", path.read_bytes()[:200]):
        path.write_bytes(content)
        with pytest.raises(EngineError, match="cannot be used"):
            Amass(tmp_path, bodies)
