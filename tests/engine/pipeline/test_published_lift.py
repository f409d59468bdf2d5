"""A user's SMPL file and a published checkpoint, through the three commands to a take; both are stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import smpl_stand_in as stand_in
import torch
from pipeline_helpers import SAMPLE, Recorder

from engine.body import library
from engine.body.model import BodyModel
from engine.cli import main
from engine.fit.camera import project
from engine.pipeline.capture import CaptureOptions, capture
from engine.pipeline.published_lift import PublishedLifter, load_published
from engine.pose2mesh import checkpoint, weights
from engine.pose2mesh.preprocess import network_input
from engine.protocol.take import Take
from engine.video.decode import VideoFile

CPU = torch.device("cpu")
FRAMES = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's folder after `import-smpl` and `import-checkpoint` without further options."""
    folder = tmp_path_factory.mktemp("üser")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(library.VARIABLE, str(folder / "data"))
        content = stand_in.smpl_arrays()
        stand_in.use_small_smpl(patch, content)
        assert main(["import-smpl", str(stand_in.write_smpl(folder / "basicmodel.pkl", content))]) == 0
        model = stand_in.train(BodyModel.load("smpl"), "coco19", steps=100)
        file = stand_in.write_checkpoint(folder / "final.pth.tar", model)
        patch.setattr(checkpoint, "published_config", stand_in.narrow_config)
        assert main(["import-checkpoint", str(file), "--body", "smpl"]) == 0
        yield folder


@pytest.fixture
def lifter(home: Path) -> PublishedLifter:
    return load_published("smpl", CPU)[0]


@pytest.fixture(scope="module")
def taken(home: Path) -> tuple[Take, Recorder]:
    recorder = Recorder(live=True)
    result = capture(
        VideoFile(SAMPLE, 0, FRAMES - 1), CaptureOptions(home / "take.npz", body="smpl"), recorder
    )
    return Take.open(result.take), recorder


def test_the_take_is_of_the_imported_body(taken: tuple[Take, Recorder]) -> None:
    take, body = taken[0], BodyModel.load("smpl")
    assert (take.body, take.weights) == ("smpl", "final.pth.tar (coco19)")
    assert (take.people, take.frames) == (1, FRAMES)
    vertices = take.vertices(0)
    assert vertices.shape == (FRAMES, len(body.v_template), 3)
    np.testing.assert_array_equal(take.faces, body.triangles)
    for values in (vertices, take.keypoints, take.joints, take.poses, take.betas, take.trans):
        assert np.isfinite(values).all()


def test_its_mesh_lies_on_the_person(taken: tuple[Take, Recorder]) -> None:
    take = taken[0]
    distance = np.linalg.norm(
        project(take.keypoints, take.camera_matrix) - take.keypoints2d[..., :2], axis=-1
    )
    height = np.ptp(take.keypoints2d[..., 1], axis=-1).mean()
    print(f"reprojection: {100 * np.median(distance) / height:.2f} % of the height")
    assert np.median(distance) < 0.04 * height
    joints = take.joints[0]
    assert (joints[:, 15, 1] < joints[:, 0, 1]).all() and (joints[:, 0, 1] < joints[:, 7:9, 1].max(1)).all()


def test_bones_and_residual_give_the_vertices(taken: tuple[Take, Recorder]) -> None:
    take, body = taken[0], BodyModel.load("smpl")
    transforms = body.transforms(take.poses[0], body.rest_joints(take.betas[0]))
    rest = body.unskin(take.vertices(0) - take.trans[0][:, None], transforms)
    residual = rest - body.rest(take.betas[0]) - body.pose_offsets(take.poses[0])
    assert 0.001 < np.linalg.norm(residual, axis=-1).max() < 0.2


def test_it_was_shown_while_it_was_found(taken: tuple[Take, Recorder]) -> None:
    meshes = taken[1].meshes
    assert len(meshes) > FRAMES // 2
    assert all(mesh.shape == taken[0].vertices(0)[0].shape for mesh in meshes.values())


def test_the_network_sees_what_was_published(lifter: PublishedLifter, home: Path) -> None:
    """For a person in the picture's centre the input is the published crop and standardisation."""
    body = BodyModel.load("smpl")
    poses = np.zeros((1, 24, 3), np.float32)
    poses[0, 0, 0] = np.pi
    landmarks = body.landmarks(body.vertices(poses, np.zeros(10), np.float32([[0, 0, 4]])))
    camera = np.array([[1000, 0, 0], [0, 1000, 0], [0, 0, 1]], np.float32)
    plane = project(landmarks, camera)
    plane -= plane[:, 11:].mean(axis=1, keepdims=True)  # what the camera looks at
    keypoints = np.concatenate([plane, np.ones((1, 33, 1))], axis=-1).astype(np.float32)
    joints = torch.from_numpy(network_input(lifter.joints @ keypoints[0, :, :2]))[None]
    model, _ = weights.load(library.weights_file("smpl"))
    with torch.no_grad():
        expected, _ = model(joints)
    vertices, points = lifter.lift(keypoints, camera)
    np.testing.assert_allclose(vertices, expected.numpy()[:, lifter.vertex_ids], atol=1e-3)
    np.testing.assert_allclose(points, body.landmarks(expected.numpy()), atol=1e-3)


def test_who_stands_aside_is_turned_by_the_view(lifter: PublishedLifter) -> None:
    body = BodyModel.load("smpl")
    camera = np.array([[800, 0, 500], [0, 800, 500], [0, 0, 1]], np.float32)
    angle = np.radians(25)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    poses = np.zeros((1, 24, 3), np.float32)
    poses[0, 0, 0] = np.pi
    landmarks = body.landmarks(body.vertices(poses, np.zeros(10), np.float32([[0, 0, 4]])))

    def lift(points: np.ndarray) -> np.ndarray:
        keypoints = np.concatenate([project(points, camera), np.ones((1, 33, 1))], axis=-1)
        return lifter.lift(keypoints.astype(np.float32), camera)[0]

    # Turned about the camera, the person looks the same but for the centre of what is seen, by half a degree.
    np.testing.assert_allclose(lift(landmarks @ turn.T), lift(landmarks) @ turn.T, atol=1e-2)


def test_frames_do_not_influence_one_another(lifter: PublishedLifter) -> None:
    keypoints = np.random.default_rng(0).uniform(100, 900, (70, 33, 3)).astype(np.float32)
    camera = np.array([[1000, 0, 500], [0, 1000, 500], [0, 0, 1]], np.float32)
    lift = lifter.lift_clip(np.arange(70) / 30, keypoints, camera)
    for together, alone in zip(lifter.lift(keypoints, camera), lift(np.array([66])), strict=True):
        np.testing.assert_allclose(together[66:67], alone, atol=1e-4)
