from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from engine.body.model import BodyModel
from engine.pose2d.mirrored import MIRRORED_LANDMARK
from engine.train.detector_noise import CLEAN, DetectorNoise, detect, detect_sequence
from engine.train.measured_errors import features, measured_errors

USUAL = DetectorNoise(occluded=0, outlier=0, swap=0, outside=0)
FORMULA = DetectorNoise(jitter=(0.01,) * 33, level_spread=0.0, occluded=0, outlier=0, swap=0, outside=0)


@cache
def stance(yaw: float) -> torch.Tensor:
    """(33,2) of a body with its arms down, turned by `yaw`, on a plane with y down; 1.7 is its height."""
    body = BodyModel.load("open_body")
    poses = np.zeros((1, 24, 3), np.float32)
    poses[0, 16, 2], poses[0, 17, 2], poses[0, 0, 1] = -1.2, 1.2, yaw
    vertices = body.vertices(poses, np.zeros(10, np.float32), np.zeros((1, 3), np.float32))
    return torch.from_numpy(body.landmarks(vertices)[0, :, :2] * [1, -1]).float()


def people(count: int, yaw: float = 0.4) -> tuple[torch.Tensor, torch.Tensor]:
    return stance(yaw).expand(count, -1, -1), torch.full((count,), 1.7)


def clips(count: int, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    points, height = people(count)
    return points[:, None].expand(-1, frames, -1, -1), height[:, None].expand(-1, frames)


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def test_clean_detections_are_the_projections() -> None:
    points, height = people(10)
    seen, confidence = detect(points, height, CLEAN, seed(1))
    assert torch.equal(seen, points)
    assert confidence.min() > 0.7


def test_errors_are_a_few_percent_of_the_height_and_larger_where_confidence_is_low() -> None:
    points, height = people(4000, yaw=1.2)
    seen, confidence = detect(points, height, DetectorNoise(swap=0.0), seed(1))
    error = (seen - points).norm(dim=-1) / 1.7
    assert 0.008 < error.median() < 0.03
    assert error.mean() > 0.02
    assert error[confidence < 0.6].mean() > 1.5 * error[confidence > 0.9].mean()
    assert confidence.min() >= 0 and confidence.max() <= 1


def test_the_same_seed_gives_the_same_errors() -> None:
    points, height = people(5)
    first = detect(points, height, DetectorNoise(), seed(4))[0]
    again = detect(points, height, DetectorNoise(), seed(4))[0]
    other = detect(points, height, DetectorNoise(), seed(5))[0]
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_errors_scale_with_the_person() -> None:
    points, height = people(50)
    error = detect(points, height, USUAL, seed(4))[0] - points
    twice = detect(2 * points, 2 * height, USUAL, seed(4))[0] - 2 * points
    torch.testing.assert_close(twice, 2 * error, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("noise", [USUAL, FORMULA])
def test_points_of_one_limb_err_together(noise: DetectorNoise) -> None:
    points, height = people(4000)
    error = detect(points, height, noise, seed(1))[0] - points
    unit = error / error.norm(dim=-1, keepdim=True)

    def agreement(a: int, b: int) -> float:
        return float((unit[:, a] * unit[:, b]).sum(-1).mean())

    assert agreement(15, 19) > 0.2  # a hand
    assert agreement(15, 19) > agreement(15, 28) + 0.15  # and the other foot


def test_the_far_arm_of_a_profile_is_the_one_in_doubt() -> None:
    for yaw, near, far in ((-np.pi / 2, 13, 14), (np.pi / 2, 14, 13)):  # the left side, the right side shows
        points, height = people(2000, yaw)
        confidence = detect(points, height, USUAL, seed(1))[1]
        assert confidence[:, near].mean() > confidence[:, far].mean() + 0.05


def test_mirrored_people_have_mirrored_errors() -> None:
    points, height = people(6000, 0.9)
    mirrored = points[:, MIRRORED_LANDMARK] * torch.tensor([-1.0, 1.0])
    seen, sure = detect(points, height, USUAL, seed(1))
    seen_too, sure_too = detect(mirrored, height, USUAL, seed(2))
    size, size_too = (seen - points).norm(dim=-1), (seen_too - mirrored).norm(dim=-1)[:, MIRRORED_LANDMARK]
    torch.testing.assert_close(size.median(0)[0], size_too.median(0)[0], rtol=0.15, atol=0)
    torch.testing.assert_close(sure.mean(0), sure_too.mean(0)[MIRRORED_LANDMARK], rtol=0, atol=0.03)


def test_a_rolled_person_looks_as_an_upright_one_but_for_the_roll() -> None:
    points, height = people(1)
    angle = torch.tensor(0.7)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    upright, rolled = features(points, height), features(points @ turn.T, height)
    torch.testing.assert_close(upright[:, :-2], rolled[:, :-2], rtol=0, atol=0.03)
    assert (upright[:, -2:] - rolled[:, -2:]).norm() > 0.1


def test_points_beyond_the_frame_are_drawn_towards_its_edge_and_the_farther_the_more_in_doubt() -> None:
    beyond = torch.tensor([[0.0, 0.05], [0.0, 0.2]]).repeat(2000, 1, 1)
    numbers = torch.randn(2000, 2, 3, generator=seed(0))
    error, sure = measured_errors(beyond.device).outside(beyond, numbers[..., :2], numbers[..., 2])
    near, far = error[..., 1].mean(0)
    assert -0.05 < near < -0.02 and -0.2 < far < -0.08
    assert sure[:, 0].mean() > sure[:, 1].mean() + 0.2


def test_a_cut_disturbs_the_lower_body_most() -> None:
    points, height = people(2000)
    noise = DetectorNoise(jitter=(0.0,) * 33, occluded=0, outlier=0, swap=0, outside=1.0)
    moved = (detect(points, height, noise, seed(0))[0] - points).norm(dim=-1) > 0
    assert 0.5 < moved[:, 31].float().mean() < 0.75  # the lower edge cuts six people in ten
    assert moved[:, 31].float().mean() > moved[:, 0].float().mean() + 0.2


def test_a_certain_swap_exchanges_left_and_right_limbs() -> None:
    points, height = people(3)
    noise = DetectorNoise(jitter=(0.0,) * 33, occluded=0, outlier=0, outside=0, swap=1.0)
    seen, _ = detect(points, height, noise, seed(0))
    assert torch.equal(seen[:, 25], points[:, 26]) and torch.equal(seen[:, 14], points[:, 13])
    assert torch.equal(seen[:, :13], points[:, :13])


@pytest.mark.parametrize("jitter", [None, (0.01,) * 33])
def test_one_frame_of_a_sequence_is_distributed_like_a_single_picture(jitter: tuple | None) -> None:
    noise = DetectorNoise(jitter=jitter)
    points, height = people(4000)
    alone, sure_alone = detect(points, height, noise, seed(1))
    seen, sure = detect_sequence(*clips(4000, 4), noise, seed(2))
    levels = torch.tensor([0.25, 0.5, 0.75, 0.9])
    for frame in (0, 3):
        a, b = ((s - points).norm(dim=-1).flatten() for s in (seen[:, frame], alone))
        torch.testing.assert_close(torch.quantile(a, levels), torch.quantile(b, levels), rtol=0.08, atol=0)
        assert abs(sure[:, frame].mean() - sure_alone.mean()) < 0.01


@pytest.mark.parametrize("noise", [USUAL, FORMULA])
def test_errors_persist_in_a_sequence(noise: DetectorNoise) -> None:
    points, height = clips(2000, 30)
    error = (detect_sequence(points, height, noise, seed(2))[0] - points)[:, :, 15]
    if noise.jitter is None:  # what remains without the chosen scale and constant part
        log_size, _, constant = measured_errors(error.device).like(points, height, seed(2))
        error = (error / 1.7 - constant[:, :, 15]) / log_size[:, :, 15, None].exp()
    variance = (error**2).mean()
    near, far = (error[:, 0] * error[:, 1]).mean(), (error[:, 0] * error[:, 29]).mean()
    expected = noise.persistent + noise.drifting * noise.memory**29
    assert abs(near / variance - (noise.persistent + noise.drifting * noise.memory)) < 0.07
    assert abs(far / variance - expected) < 0.07


def test_hidden_limbs_stay_hidden_for_some_frames() -> None:
    noise = DetectorNoise(jitter=(0.01,) * 33, occluded=0.12, outlier=0, swap=0, outside=0)
    _, confidence = detect_sequence(*clips(1500, 30), noise, seed(2))
    hidden = confidence[..., 16] < 0.76
    assert abs(hidden.float().mean() - 0.12) < 0.02
    ends = (hidden[:, :-1] & ~hidden[:, 1:]).float().sum() / hidden[:, :-1].sum()
    assert 1 / 12 < ends < 1 / 5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_errors_are_drawn_on_a_gpu() -> None:
    points, height = (x.cuda() for x in clips(8, 5))
    seen, confidence = detect_sequence(
        points, height, DetectorNoise(), torch.Generator("cuda").manual_seed(0)
    )
    assert seen.is_cuda and seen.isfinite().all() and confidence.isfinite().all()
