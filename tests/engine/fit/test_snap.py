"""Detections move limbs across the ray, with constant bones, and never drag what they should not."""

from types import SimpleNamespace

import numpy as np
import pytest
from tiny_body import rest_joints

from engine.fit.camera import project
from engine.fit.points import PointBody, matrix
from engine.fit.snap import Pins, point_jacobian, snap_to_detections

K = np.array([[1000, 0, 540], [0, 1000, 960], [0, 0, 1.0]])
FRAMES = 30
BETAS = np.zeros(10)
# MediaPipe's limb landmarks lie on joints of this body: shoulder 11 ... foot index 32.
JOINT_OF = {
    11: 16, 12: 17, 13: 18, 14: 19, 15: 20, 16: 21, 17: 22, 18: 23,
    23: 1, 24: 2, 25: 4, 26: 5, 27: 7, 28: 8, 31: 10, 32: 11,
}  # fmt: skip


@pytest.fixture(scope="module")
def body(model: SimpleNamespace) -> PointBody:
    """The tiny body with landmarks near the joints they are named after."""
    joints, vertices = rest_joints(), model.v_template.astype(float)
    regressor = np.zeros((33, len(vertices)))
    for landmark in range(33):
        centre = joints[JOINT_OF.get(landmark, 15)]
        nearest = np.argsort(np.linalg.norm(vertices - centre, axis=1))[:6]
        regressor[landmark, nearest] = 1 / 6
    changed = SimpleNamespace(**{**vars(model), "landmark_regressor": regressor})
    return PointBody.of(changed, np.arange(0, len(vertices), 2), landmarks=True)


def scene(body: PointBody, degrees: float) -> tuple[np.ndarray, ...]:
    """True poses, poses with wrong limbs, translation, and the true landmarks' detections."""
    rng = np.random.default_rng(0)
    spread = np.full((24, 1), 0.1)
    spread[[1, 2, 4, 5, 16, 17, 18, 19]] = 0.4
    poses = rng.normal(0, 1, (FRAMES, 24, 3)) * spread
    poses[:, 0] = np.array([np.pi, 0, 0]) + rng.normal(0, 0.1, (FRAMES, 3))
    wrong = poses.copy()
    limbs = [1, 2, 4, 5, 16, 17, 18, 19]
    wrong[:, limbs] += np.radians(degrees) * rng.normal(0, 1, (FRAMES, 8, 3))
    trans = np.tile([0.0, 0.0, 4.0], (FRAMES, 1))
    pixels = project(body.posed(poses, BETAS, trans)[:, -33:], K)
    return poses, wrong, trans, np.concatenate([pixels, np.ones((FRAMES, 33, 1))], -1)


def ends(body: PointBody, poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    return body.joints_posed(poses, BETAS, trans)[:, [7, 8, 18, 19, 20, 21]]


def test_limbs_get_nearer_in_the_picture_and_in_space(body: PointBody) -> None:
    poses, wrong, trans, keypoints = scene(body, 8)
    keypoints[..., :2] += np.random.default_rng(1).normal(0, 4, (FRAMES, 33, 2))  # about 1 % of the height
    snapped, moved = snap_to_detections(body, wrong, BETAS, trans, keypoints, K)
    truth = ends(body, poses, trans)
    before, after = ends(body, wrong, trans), ends(body, snapped, moved)
    assert (
        np.linalg.norm(after - truth, axis=-1).mean() < 0.85 * np.linalg.norm(before - truth, axis=-1).mean()
    )
    in_picture = [np.linalg.norm(project(x, K) - project(truth, K), axis=-1).mean() for x in (before, after)]
    assert in_picture[1] < 0.5 * in_picture[0]


def test_bones_keep_their_length(body: PointBody) -> None:
    _, wrong, trans, keypoints = scene(body, 10)
    snapped, moved = snap_to_detections(body, wrong, BETAS, trans, keypoints, K)
    joints = body.joints_posed(snapped, BETAS, moved)
    length = np.linalg.norm(joints[:, 1:] - joints[:, body.parents[1:]], axis=-1)
    rest = np.linalg.norm(body.joints[1:] - body.joints[body.parents[1:]], axis=-1)
    np.testing.assert_allclose(length, np.tile(rest, (FRAMES, 1)), atol=1e-6)


def test_agreeing_detections_change_nothing(body: PointBody) -> None:
    poses, _, trans, keypoints = scene(body, 0)
    snapped, moved = snap_to_detections(body, poses, BETAS, trans, keypoints, K)
    np.testing.assert_allclose(ends(body, snapped, moved), ends(body, poses, trans), atol=1e-5)


def test_unseen_and_absurd_detections_hardly_pull(body: PointBody) -> None:
    poses, _, trans, keypoints = scene(body, 0)
    keypoints[:, 15, :2] += 400
    keypoints[:, 15, 2] = 0.05
    keypoints[:, 16] = np.nan
    snapped, moved = snap_to_detections(body, poses, BETAS, trans, keypoints, K)
    assert np.linalg.norm(ends(body, snapped, moved) - ends(body, poses, trans), axis=-1).max() < 0.01
    keypoints[:, 27, :2] += 500  # a confident ankle two metres away must not tear the leg off
    snapped, moved = snap_to_detections(body, poses, BETAS, trans, keypoints, K)
    assert np.linalg.norm(ends(body, snapped, moved) - ends(body, poses, trans), axis=-1).max() < 0.35


def test_strength_zero_is_the_identity(body: PointBody) -> None:
    _, wrong, trans, keypoints = scene(body, 8)
    snapped, moved = snap_to_detections(body, wrong, BETAS, trans, keypoints, K, strength=0)
    np.testing.assert_array_equal(snapped, wrong.astype(np.float32))
    np.testing.assert_array_equal(moved, trans.astype(np.float32))


def test_the_jacobian_is_the_derivative(body: PointBody) -> None:
    poses, _, _, _ = scene(body, 0)
    shaped, local = body.only(slice(-33, None)).shaped(BETAS), matrix(poses[:1])
    transforms = shaped.transforms(local)
    jacobian = point_jacobian(shaped, transforms)[0]
    start = shaped.points(local, transforms)[0]
    for joint in (0, 3, 16, 18, 4):
        step = np.array([1e-6, -2e-6, 1.5e-6])
        turned = local.copy()
        up = np.eye(3) if joint == 0 else transforms[0, body.parents[joint], :, :3]
        turned[0, joint] = up.T @ matrix(step) @ up @ local[0, joint]
        change = shaped.points(turned, shaped.transforms(turned))[0] - start
        expected = np.tensordot(step, jacobian[3 * joint : 3 * joint + 3], 1).T
        np.testing.assert_allclose(change, expected, atol=1e-9)


def test_pins_hold_and_the_picture_stays(body: PointBody, model: SimpleNamespace) -> None:
    """A foot that drifts in depth is brought back; the rest stays on its detections."""
    poses, _, trans, keypoints = scene(body, 0)
    sole = np.zeros((1, len(model.v_template)))
    sole[0, np.argsort(np.linalg.norm(model.v_template - rest_joints()[10], axis=1))[:6]] = 1 / 6
    foot = PointBody.of(model, np.zeros(0, dtype=int), mixes=sole)
    place = foot.posed(poses, BETAS, trans)
    targets = place + np.array([0, 0, 0.04])
    pins = Pins(foot, targets, np.ones((FRAMES, 1)))
    pinned, moved = snap_to_detections(body, poses, BETAS, trans, keypoints, K, pins=pins)
    left = np.linalg.norm(foot.posed(pinned, BETAS, moved) - targets, axis=-1)
    assert left.mean() < 0.008
    off = np.linalg.norm(project(body.posed(pinned, BETAS, moved)[:, -33:], K) - keypoints[..., :2], axis=-1)
    assert np.median(off) < 2.5  # px; the person is about 440 px tall
    # One camera does not see how far away somebody is: the body goes there before a leg bends.
    assert np.median((moved - trans)[:, 2]) > 0.5 * 0.04
    free = Pins(foot, targets, np.zeros((FRAMES, 1)))
    same, _ = snap_to_detections(body, poses, BETAS, trans, keypoints, K, pins=free)
    np.testing.assert_allclose(matrix(same), matrix(poses), atol=1e-4)
