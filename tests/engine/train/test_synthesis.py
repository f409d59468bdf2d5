from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from engine.body.model import BodyModel
from engine.pose2mesh.observation import EXTENT_UNIT, POINT_UNIT
from engine.train.body_torch import BodyTorch
from engine.train.detector_noise import CLEAN
from engine.train.loop import draw_pairs
from engine.train.motions import load_motions
from engine.train.synthesis import (
    ARMS,
    LEGS,
    LIMB_ROOTS,
    PLAIN,
    SPINE,
    Limbs,
    Synthesis,
    bend,
    draw_bones,
    draw_rotations,
    draw_steps,
    draw_stretch,
    orientation,
    widen_hips,
)


def test_the_truth_lies_on_the_observation_without_noise(motion_file: Path, body: BodyModel) -> None:
    """Some translation along the virtual axis projects the 3D landmarks exactly onto what the network
    sees.
    """
    points, motions = BodyTorch(body, np.arange(10)), load_motions(motion_file, body)
    synthesis = Synthesis(focal_error=0.0)
    pairs = draw_pairs(points, motions, 32, CLEAN, synthesis, torch.Generator().manual_seed(0))
    plane = pairs.observation.points[..., :2] * POINT_UNIT * EXTENT_UNIT * pairs.observation.extent[:, None]
    x, z = pairs.landmarks[..., :2], pairs.landmarks[..., 2:]
    # plane * (z + tz) = x + txy  is linear in t; solve and check that nothing is left.
    for sample in range(32):
        p, xs, zs = plane[sample], x[sample], z[sample]
        rows = torch.cat([torch.eye(2).repeat(33, 1, 1), -p[..., None]], -1).reshape(66, 3)
        right = (p * zs - xs).reshape(66, 1)
        solution = torch.linalg.lstsq(rows, right).solution
        assert (rows @ solution - right).abs().max() < 2e-4
        assert solution[2] > 1.0


def test_the_same_seed_draws_the_same_pairs(motion_file: Path, body: BodyModel) -> None:
    points, motions = BodyTorch(body, np.arange(10)), load_motions(motion_file, body)
    first, again = (
        draw_pairs(points, motions, 4, CLEAN, Synthesis(), torch.Generator().manual_seed(9)) for _ in range(2)
    )
    assert torch.equal(first.landmarks, again.landmarks)
    assert torch.equal(first.observation.points, again.observation.points)


def test_a_stretch_stays_in_its_clip_at_one_pace(motion_file: Path, body: BodyModel) -> None:
    motions = load_motions(motion_file, body, unique_only=False)
    generator = torch.Generator().manual_seed(3)
    step = draw_steps(200, 9, generator, torch.device("cpu"))
    index = draw_stretch(motions, step, generator)
    middle = index[:, 4:5]
    assert torch.equal(motions.clip[index], motions.clip[middle].expand(-1, 9))
    inside = motions.clip[(middle + step).clamp(0, len(motions.clip) - 1)] == motions.clip[middle]
    inside &= (middle + step >= 0) & (middle + step < len(motions.clip))
    assert torch.equal(index[inside], (middle + step)[inside])
    assert {0, 1, 2} == set((step[:, 1] - step[:, 0]).tolist())


def test_frames_of_a_clip_share_everything_but_the_pose(motion_file: Path, body: BodyModel) -> None:
    """Bones keep their length over a clip, though every clip has its own."""
    points, motions = BodyTorch(body, np.arange(3)), load_motions(motion_file, body, unique_only=False)
    pairs = draw_pairs(
        points, motions, 48, CLEAN, Synthesis(), torch.Generator().manual_seed(2), frames=6, views=2
    )
    thigh = (pairs.joints[:, 4] - pairs.joints[:, 1]).norm(dim=-1).view(8, 6)
    assert (thigh.std(1) < 1e-5).all()
    assert thigh.mean(1)[:4].std() > 0.005
    assert torch.allclose(thigh[:4], thigh[4:], atol=1e-5)  # two cameras film the same four clips
    assert not torch.allclose(pairs.landmarks[:24], pairs.landmarks[24:], atol=0.05)


def test_what_accuracy_is_measured_on_varies_no_bone() -> None:
    assert draw_bones(4, PLAIN, torch.Generator(), torch.device("cpu")) is None
    drawn = draw_bones(500, Synthesis(), torch.Generator().manual_seed(0), torch.device("cpu"))
    assert drawn is not None
    assert torch.equal(drawn[:, 1], drawn[:, 2])  # people are symmetric
    assert abs(drawn.log().std().item() - Synthesis().bones) < 0.01
    longer = draw_bones(500, Synthesis(arms=1.1), torch.Generator().manual_seed(0), torch.device("cpu"))
    assert longer is not None
    torch.testing.assert_close(
        longer / drawn, torch.tensor([1.0] * 16 + [1.1] * 4 + [1.0] * 4).expand(500, 24)
    )


def test_hips_are_seen_wide_by_one_factor_a_clip_and_the_truth_stays(
    motion_file: Path, body: BodyModel
) -> None:
    landmarks = torch.randn(600, 33, 3, generator=torch.Generator().manual_seed(0))
    assert widen_hips(landmarks, PLAIN, torch.Generator()) is landmarks
    synthesis = Synthesis(hips=1.2, hips_error=0.1)
    seen = widen_hips(landmarks, synthesis, torch.Generator().manual_seed(1), frames=3)
    others = [i for i in range(33) if i not in (23, 24)]
    assert torch.equal(seen[:, others], landmarks[:, others])
    torch.testing.assert_close(seen[:, 23:25].mean(1), landmarks[:, 23:25].mean(1))
    apart = (seen[:, 23] - seen[:, 24]) / (landmarks[:, 23] - landmarks[:, 24])
    factor = apart.view(200, 3, 3).flatten(1)
    assert (factor.std(1) < 1e-2).all()
    assert abs(factor.mean(1).log().mean().exp().item() - 1.2) < 0.03
    assert abs(factor.mean(1).log().std().item() - 0.1) < 0.02

    points, motions = BodyTorch(body, np.arange(3)), load_motions(motion_file, body)
    narrow, wide = (
        draw_pairs(points, motions, 16, CLEAN, chosen, torch.Generator().manual_seed(4))
        for chosen in (Synthesis(focal_error=0.0), Synthesis(hips=1.5, focal_error=0.0))
    )
    width = [(pairs.landmarks[:, 23] - pairs.landmarks[:, 24]).norm(dim=-1) for pairs in (narrow, wide)]
    torch.testing.assert_close(*width)


def test_every_second_trunk_is_bent_and_turned_less(motion_file: Path, body: BodyModel) -> None:
    motions = load_motions(motion_file, body, unique_only=False)
    plain = motions.rotations[torch.arange(800) % len(motions.rotations)].reshape(400, 2, 24, 3, 3)
    assert torch.equal(bend(plain.clone(), PLAIN, torch.Generator()), plain)
    bent = bend(plain.clone(), Synthesis(bend=0.3), torch.Generator().manual_seed(1))
    others = [joint for joint in range(24) if joint not in SPINE]
    assert torch.equal(bent[:, :, others], plain[:, :, others])
    turn = plain[:, :, 3].transpose(-1, -2) @ bent[:, :, 3]  # of the belly, in its own axes
    torch.testing.assert_close(turn[:, 0], turn[:, 1], atol=1e-5, rtol=0)  # the same in all frames
    straight = (turn[:, 0] - torch.eye(3)).abs().amax((1, 2)) < 1e-5
    assert 0.4 < straight.float().mean() < 0.6
    sideways, twist = turn[~straight, 0, 1, 2].std(), turn[~straight, 0, 0, 2].std()
    assert 0.25 < sideways < 0.35 and twist < 0.7 * sideways


def test_kept_limbs_point_where_they_pointed(motion_file: Path, body: BodyModel) -> None:
    """However the trunk is turned afterwards; the others are taken along."""
    motions = load_motions(motion_file, body, unique_only=False)
    pose, donor = (
        motions.rotations[rows].reshape(4, 3, 24, 3, 3).clone() for rows in (slice(12), slice(20, 32))
    )
    limbs = Limbs(pose)
    arm, leg = ARMS[0], LEGS[1]
    first = torch.tensor([True, True, False, False])[:, None, None, None, None]
    limbs.take(arm, first, donor)
    before = {part: orientation(pose, root) for part, root in LIMB_ROOTS.items()}
    turned = bend(pose.clone(), Synthesis(bend=0.8), torch.Generator().manual_seed(3))
    limbs.point(turned, [first if part in (arm, leg) else ~first & first for part in LIMB_ROOTS])
    after = {part: orientation(turned, root) for part, root in LIMB_ROOTS.items()}
    torch.testing.assert_close(after[leg][:2], before[leg][:2], atol=1e-5, rtol=0)
    moved = bend(pose.clone(), Synthesis(bend=0.8), torch.Generator().manual_seed(3))
    torch.testing.assert_close(after[LEGS[0]], orientation(moved, LIMB_ROOTS[LEGS[0]]))
    # The donor's arm: as high as in its own pose, turned about the vertical with the one who takes it.
    theirs = orientation(donor, LIMB_ROOTS[arm])
    torch.testing.assert_close(after[arm][:2, :, 1], theirs[:2, :, 1], atol=1e-5, rtol=0)
    forward = [rotations[:2, :, 0, [0, 2], 2] for rotations in (pose, donor)]
    along = [
        (limb[:2, :, [0, 2], 0] * facing).sum(-1) / facing.norm(dim=-1)
        for limb, facing in zip((after[arm], theirs), forward, strict=True)
    ]
    torch.testing.assert_close(along[0], along[1], atol=1e-4, rtol=0)


def test_drawn_poses_are_rotations_and_repeat(motion_file: Path, body: BodyModel) -> None:
    motions = load_motions(motion_file, body, unique_only=False)
    synthesis = Synthesis(bend=0.3, keep=0.6)
    first, again = (
        draw_rotations(motions, 64, synthesis, torch.Generator().manual_seed(5), 4) for _ in range(2)
    )
    assert torch.equal(first, again)
    product = first @ first.transpose(-1, -2)
    torch.testing.assert_close(product, torch.eye(3).expand_as(product), atol=1e-4, rtol=0)
    assert (torch.linalg.det(first) > 0.99).all()
