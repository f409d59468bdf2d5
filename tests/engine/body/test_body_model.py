"""The body model's arithmetic: kinematics, skinning, its inverse, the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.body.model import JOINT_NAMES, BodyModel, compressed_rows, pose_features
from engine.body.rotations import matrix_from_axis_angle
from engine.errors import EngineError

ROOT = Path(__file__).resolve().parents[3]


def some_poses(random: np.random.Generator, count: int = 6) -> np.ndarray:
    return random.normal(0.0, 0.6, (count, 24, 3)).astype(np.float32)


def test_identity_pose_is_the_rest_shape(open_body: BodyModel, random: np.random.Generator) -> None:
    betas = random.normal(size=10)
    posed = open_body.vertices(np.zeros((1, 24, 3)), betas, [[0.1, 0.2, 0.3]])
    assert np.abs(posed[0] - open_body.rest(betas) - [0.1, 0.2, 0.3]).max() < 1e-6


def test_root_turns_about_its_own_rest_position(open_body: BodyModel, random: np.random.Generator) -> None:
    poses = np.zeros((3, 24, 3), np.float32)
    poses[:, 0] = random.normal(size=(3, 3))
    joints = open_body.rest_joints([2.0, 1.0])
    transforms = open_body.transforms(poses, joints)
    pelvis = transforms[:, 0, :3, :3] @ joints[0] + transforms[:, 0, :3, 3]
    assert np.abs(pelvis - joints[0]).max() < 1e-6
    turned = np.einsum("fij,vj->fvi", matrix_from_axis_angle(poses[:, 0]), open_body.rest([]) - joints[0])
    assert np.abs(open_body.skin(open_body.rest([]), transforms) - turned - joints[0]).max() < 1e-5


def test_transforms_keep_bone_lengths_and_match_a_plain_chain(
    open_body: BodyModel, random: np.random.Generator
) -> None:
    poses, joints = some_poses(random, 2), open_body.rest_joints(random.normal(size=10)).astype(np.float64)
    transforms = open_body.transforms(poses, joints)
    for frame, pose in enumerate(poses):
        chain: list[np.ndarray] = []
        for joint, parent in enumerate(open_body.parents):
            local = np.eye(4)
            local[:3, :3] = matrix_from_axis_angle(pose[joint].astype(np.float64))
            local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0.0)
            chain.append(chain[parent] @ local if parent >= 0 else local)
        for joint, matrix in enumerate(chain):
            to_rest = np.eye(4)
            to_rest[:3, 3] = -joints[joint]
            assert np.abs(matrix @ to_rest - transforms[frame, joint]).max() < 1e-5


def test_joints_may_differ_per_frame(open_body: BodyModel, random: np.random.Generator) -> None:
    poses = some_poses(random, 2)
    joints = np.stack([open_body.rest_joints([b]) for b in (-1.0, 2.0)])
    together = open_body.transforms(poses, joints)
    for frame in range(2):
        alone = open_body.transforms(poses[frame : frame + 1], joints[frame])
        assert np.array_equal(alone[0], together[frame])


def test_skinning_is_the_weighted_sum_of_transformed_points(
    open_body: BodyModel, random: np.random.Generator
) -> None:
    poses, rest = some_poses(random, 2), open_body.rest(random.normal(size=10))
    transforms = open_body.transforms(poses, open_body.rest_joints([]))
    each = np.einsum("fjik,vk->fvji", transforms[..., :3, :3], rest) + transforms[:, None, :, :3, 3]
    wanted = np.einsum("vj,fvji->fvi", open_body.weights, each)
    assert np.abs(open_body.skin(rest, transforms) - wanted).max() < 1e-5
    per_frame = open_body.skin(np.stack([rest, rest + 0.1]), transforms)
    assert np.abs(per_frame[0] - wanted[0]).max() < 1e-5
    assert np.abs(per_frame[1] - open_body.skin(rest + 0.1, transforms)[1]).max() < 1e-5


def test_unskin_is_the_inverse_of_skin(open_body: BodyModel, random: np.random.Generator) -> None:
    poses = some_poses(random)
    transforms = open_body.transforms(poses, open_body.rest_joints([]))
    rest = open_body.rest([]) + open_body.pose_offsets(poses)
    assert np.abs(open_body.unskin(open_body.skin(rest, transforms), transforms) - rest).max() < 1e-5


def test_unskin_stays_finite_where_rotations_cancel(open_body: BodyModel) -> None:
    poses = np.zeros((1, 24, 3), np.float32)
    poses[0, JOINT_NAMES.index("left_elbow"), 0] = np.pi
    transforms = open_body.transforms(poses, open_body.rest_joints([]))
    back = open_body.unskin(open_body.skin(open_body.rest([]), transforms), transforms)
    assert np.isfinite(back).all()
    assert np.median(np.abs(back[0] - open_body.rest([]))) < 1e-6


def test_pose_features_are_rotation_minus_identity_by_rows() -> None:
    poses = np.zeros((1, 24, 3), np.float32)
    poses[0, 1] = [0.0, 0.0, np.pi / 2]
    poses[0, 0] = [1.0, 0.0, 0.0]  # the root has no features
    features = pose_features(poses)
    assert features.shape == (1, 207)
    assert np.allclose(features[0, :9], [-1, -1, 0, 1, -1, 0, 0, 0, 0], atol=1e-6)
    assert not features[0, 9:].any()


def test_landmarks_of_any_batch_shape(open_body: BodyModel) -> None:
    wanted = open_body.landmark_regressor @ open_body.v_template
    batch = np.broadcast_to(open_body.v_template, (2, 3, *open_body.v_template.shape))
    assert open_body.landmarks(batch).shape == (2, 3, 33, 3)
    assert np.abs(open_body.landmarks(batch) - wanted).max() < 1e-5


def tiny_arrays() -> dict[str, np.ndarray]:
    """A tetrahedron with everything in its dense form, as another tool might write it."""
    count = 4
    return {
        "format": np.array("pose2mesh-body 1"),
        "name": np.array("tiny"),
        "v_template": np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float64),
        "shapedirs": np.ones((count, 3, 10)),
        "weights": np.eye(24)[:count],
        "joint_regressor": np.full((24, count), 0.25),
        "landmark_regressor": np.full((33, count), 0.25),
        "parents": np.arange(-1, 23),
        "triangles": np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
    }


def test_dense_and_sparse_files_give_the_same_body(tmp_path: Path) -> None:
    arrays = tiny_arrays()
    arrays["joint_regressor"] = np.eye(4)[np.arange(24) % 4]
    sparse = dict(arrays)
    for name in ("weights", "joint_regressor", "landmark_regressor"):
        sparse |= compressed_rows(name, sparse.pop(name))
    bodies = []
    for name, content in (("dense", arrays), ("sparse", sparse)):
        np.savez(tmp_path / f"{name}.npz", **content)  # type: ignore[arg-type]
        bodies.append(BodyModel.load(tmp_path / f"{name}.npz"))
    for name in ("weights", "joint_regressor", "landmark_regressor"):
        assert np.array_equal(getattr(bodies[0], name), getattr(bodies[1], name))
    assert bodies[0].uv is None
    assert bodies[0].polygon_vertices.tolist() == bodies[0].triangles.reshape(-1).tolist()
    assert not bodies[0].pose_offsets(np.ones((2, 24, 3))).any()


def test_quantised_correctives_are_scaled(tmp_path: Path) -> None:
    arrays = tiny_arrays() | {
        "posedirs": np.full((207, 4, 3), 20, np.int16),
        "posedirs_step": np.array(1e-4, np.float32),
    }
    np.savez(tmp_path / "body.npz", **arrays)  # type: ignore[arg-type]
    body = BodyModel.load(tmp_path / "body.npz")
    poses = np.zeros((1, 24, 3), np.float32)
    poses[0, 3] = [0.4, 0.2, 0.1]
    assert np.allclose(body.pose_offsets(poses), 0.002 * pose_features(poses).sum(), atol=1e-7)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": np.array("something else")}, "format"),
        ({"weights": np.eye(24)[:4] * 0.5}, "sum to 1"),
        ({"triangles": np.array([[0, 1, 9]])}, "triangles"),
        ({"shapedirs": np.zeros((4, 3, 7))}, "shapedirs"),
        ({"parents": np.arange(24)}, "parents first"),
        ({"v_template": np.full((4, 3), np.nan)}, "finite"),
        ({"name": np.array([object()], dtype=object)}, "allow_pickle"),
    ],
)
def test_bad_files_are_refused_with_their_reason(
    tmp_path: Path, change: dict[str, np.ndarray], reason: str
) -> None:
    np.savez(tmp_path / "bad.npz", **(tiny_arrays() | change))  # type: ignore[arg-type]
    with pytest.raises(EngineError, match=reason):
        BodyModel.load(tmp_path / "bad.npz")


def test_missing_and_damaged_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="does not exist"):
        BodyModel.load("no_such_body")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(EngineError, match="cannot be read"):
        BodyModel.load(tmp_path / "cut.npz")


def test_the_room_imports_nothing_but_numpy_and_the_standard_library() -> None:
    code = (
        "import sys, numpy, numpy.random; before = set(sys.modules)\n"
        "import engine.body.model, engine.body.smpl, engine.body.rotations\n"
        "roots = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(roots - set(sys.stdlib_module_names) - {'engine', 'numpy'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
