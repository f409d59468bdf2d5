from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.body.model import BodyModel
from engine.errors import EngineError
from engine.train.body_torch import BodyTorch
from engine.train.motions import LIMB_CHILD, load_motions, local_to_world, mirror, retarget, world_to_local
from engine.train.rotations import matrix_from_axis_angle, rotation_between


def random_rotations(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return matrix_from_axis_angle(0.6 * torch.randn(count, 24, 3, generator=generator))


def test_only_the_thinned_frames_are_read_unless_all_are_asked_for(
    motion_file: Path, body: BodyModel
) -> None:
    assert len(load_motions(motion_file, body).rotations) == 40
    everything = load_motions(motion_file, body, unique_only=False)
    assert len(everything.rotations) == 80
    assert everything.clip_names == ["one", "two"]


def test_the_same_skeleton_needs_no_retargeting(motion_file: Path, body: BodyModel) -> None:
    with np.load(motion_file) as data:
        poses = torch.from_numpy(data["poses"].astype(np.float32))
    rotations = load_motions(motion_file, body, unique_only=False).rotations
    assert torch.allclose(rotations, matrix_from_axis_angle(poses), atol=2e-3)


def test_limbs_keep_their_direction_on_another_skeleton(body: BodyModel) -> None:
    parents = [int(p) for p in body.parents]
    source = torch.from_numpy(body.rest_joints(np.zeros(10)))
    target = source + 0.05 * torch.randn(24, 3, generator=torch.Generator().manual_seed(1))
    rotations = random_rotations(5)
    before = local_to_world(rotations, parents)
    after = local_to_world(retarget(rotations, source, target, parents), parents)
    for joint, child in LIMB_CHILD.items():
        old = before[:, joint] @ torch.nn.functional.normalize(source[child] - source[joint], dim=0)
        new = after[:, joint] @ torch.nn.functional.normalize(target[child] - target[joint], dim=0)
        assert torch.allclose(old, new, atol=1e-5)


def test_local_and_world_rotations_are_inverse_of_one_another(body: BodyModel) -> None:
    parents = [int(p) for p in body.parents]
    rotations = random_rotations(3)
    assert torch.allclose(world_to_local(local_to_world(rotations, parents), parents), rotations, atol=1e-5)


def test_a_mirrored_pose_mirrors_the_landmarks(body: BodyModel) -> None:
    points = BodyTorch(body, np.arange(0, 100))
    rotations, betas = random_rotations(4), torch.zeros(4, 10)
    landmarks, _, _ = points.pose(rotations, betas)
    mirrored, _, _ = points.pose(mirror(rotations), betas)
    other_side = [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *[i + 1 if i % 2 else i - 1 for i in range(11, 33)]]
    expected = landmarks[:, other_side] * torch.tensor([-1.0, 1, 1])
    assert (mirrored - expected).norm(dim=-1).max() < 0.01


def test_rotation_between_turns_one_direction_into_the_other() -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = torch.randn(2, 20, 3, generator=generator)
    turned = (rotation_between(a, b) @ torch.nn.functional.normalize(a, dim=-1)[..., None])[..., 0]
    assert torch.allclose(turned, torch.nn.functional.normalize(b, dim=-1), atol=1e-5)


def test_a_file_that_is_no_motion_file_is_refused_in_one_sentence(tmp_path: Path, body: BodyModel) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, something=np.zeros(3))
    with pytest.raises(EngineError, match="no motion file"):
        load_motions(other, body)
    with pytest.raises(EngineError, match="does not exist"):
        load_motions(tmp_path / "absent.npz", body)
