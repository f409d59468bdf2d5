"""The published errors, against the same written out joint by joint."""

from __future__ import annotations

import numpy as np
import pytest

from engine.pose2mesh.metrics import acceleration_error, aligned_mean_distance
from engine.pose2mesh.one_euro import one_euro
from engine.train.published.mesh import HUMAN36M_EVALUATED, Mesh, mesh_for
from engine.train.published.scores import body_scores, epoch_errors, lifted_scores, motion_scores
from tests.engine.datasets import tiny

BODIES = tiny.bodies()
HUMAN36M, SURREAL = mesh_for("human36m17", BODIES), mesh_for("smpl24", BODIES)


def meshes(mesh: Mesh, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    true = 1000.0 * mesh.template + random.normal(0, 80, (count, *mesh.template.shape))
    return true + random.normal(0, 40, true.shape) + (30.0, -20.0, 10.0), true


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum()))


def test_which_joints_a_mesh_is_measured_by() -> None:
    assert mesh_for("coco19", BODIES).evaluated == HUMAN36M.evaluated == HUMAN36M_EVALUATED
    assert HUMAN36M.regressor is BODIES.human36m
    assert SURREAL.evaluated == tuple(range(24))
    hand = mesh_for("mano21", BODIES)
    assert (hand.skeleton, hand.regressor.shape) == (None, (21, tiny.HAND_VERTICES))


def test_body_scores_by_hand() -> None:
    predicted, true = meshes(HUMAN36M)
    measured = HUMAN36M.regressor @ true + 500.0  # the dataset's joints, in a frame of their own
    measured[:, 4] += 25.0
    found = body_scores(predicted, true, measured, HUMAN36M)
    for n in range(len(true)):
        joints = HUMAN36M.regressor @ predicted[n]
        errors = [
            distance(joints[j] - joints[0], measured[n, j] - measured[n, 0])
            for j in (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)
        ]
        assert found["mpjpe"][n] == pytest.approx(np.mean(errors))
        chosen = list(HUMAN36M_EVALUATED)
        assert found["pa_mpjpe"][n] == pytest.approx(
            aligned_mean_distance(joints[chosen], measured[n, chosen])
        )
        assert HUMAN36M.skeleton is not None
        own, true_own = HUMAN36M.skeleton @ predicted[n], HUMAN36M.skeleton @ true[n]
        errors = [distance(p - own[0], t - true_own[0]) for p, t in zip(predicted[n], true[n], strict=True)]
        assert found["mpvpe"][n] == pytest.approx(np.mean(errors))
        assert found["pa_mpvpe"][n] == pytest.approx(aligned_mean_distance(predicted[n], true[n]))
        errors = [distance(own[j] - own[0], true_own[j] - true_own[0]) for j in range(24)]
        assert found["mpjpe_smpl24"][n] == pytest.approx(np.mean(errors))


def test_surreal_compares_joints_of_the_two_meshes() -> None:
    predicted, true = meshes(SURREAL)
    found = body_scores(predicted, true, np.zeros((3, 24, 3)), SURREAL)  # whatever the dataset's joints are
    np.testing.assert_allclose(found["mpjpe"], found["mpjpe_smpl24"])
    same = body_scores(true + 70.0, true, np.zeros((3, 24, 3)), SURREAL)
    assert max(float(np.abs(value).max()) for value in same.values()) < 1e-4


def test_training_aligns_meshes_by_the_taught_root() -> None:
    predicted, true = meshes(HUMAN36M)
    joints = HUMAN36M.regressor @ true
    root, true_root = (HUMAN36M.regressor @ predicted)[:, :1], joints[:, :1]
    joint, surface = epoch_errors(predicted, true, joints, HUMAN36M)
    expected = np.linalg.norm((predicted - root) - (true - true_root), axis=-1).mean()
    assert surface == pytest.approx(expected)
    assert joint == pytest.approx(body_scores(predicted, true, joints, HUMAN36M)["mpjpe"].mean())
    assert surface != pytest.approx(body_scores(predicted, true, joints, HUMAN36M)["mpvpe"].mean(), abs=0.1)


@pytest.mark.parametrize(("joint_set", "count", "root"), [("coco19", 19, 17), ("smpl24", 24, 0)])
def test_lifted_joints_are_measured_from_their_own_root(joint_set: str, count: int, root: int) -> None:
    random = np.random.default_rng(1)
    joints, true = random.normal(0, 300, (2, 4, count, 3))
    found = lifted_scores(joints, true, joint_set, None)
    expected = (joints - joints[:, [root]]) - (true - true[:, [root]])
    np.testing.assert_allclose(found["mpjpe"], np.linalg.norm(expected, axis=-1).mean(axis=-1))
    assert (found["pa_mpjpe"] < found["mpjpe"]).all()
    fewer = lifted_scores(joints, true, joint_set, (1, 2))
    np.testing.assert_allclose(fewer["mpjpe"], np.linalg.norm(expected[:, [1, 2]], axis=-1).mean(axis=-1))


def test_motion_is_measured_within_videos() -> None:
    random = np.random.default_rng(2)
    true = np.cumsum(random.normal(0, 5, (30, 14, 3)), axis=0)
    predicted = true + random.normal(0, 20, true.shape)
    videos = [np.arange(0, 20, 2), np.array([21, 22]), np.arange(23, 30)]  # one is too short to measure
    found = motion_scores(predicted, true, videos)
    long = (videos[0], videos[2])
    assert found["accel"] == pytest.approx(
        np.mean([acceleration_error(predicted[v], true[v]).mean() for v in long])
    )
    smooth = [one_euro(predicted[v]) for v in long]
    assert found["accel_one_euro"] == pytest.approx(
        np.mean([acceleration_error(s, true[v]).mean() for s, v in zip(smooth, long, strict=True)])
    )
    assert found["accel_one_euro"] < 0.5 * found["accel"]
    assert found["mpjpe_one_euro"] == pytest.approx(
        np.mean([np.linalg.norm(s - true[v], axis=-1).mean() for s, v in zip(smooth, long, strict=True)])
    )
    frames = [
        aligned_mean_distance(a, b)
        for s, v in zip(smooth, long, strict=True)
        for a, b in zip(s, true[v], strict=True)
    ]
    assert found["pa_mpjpe_one_euro"] == pytest.approx(np.mean(frames))
    assert motion_scores(predicted, true, [np.array([0, 1])]) == {}
