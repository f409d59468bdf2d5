from __future__ import annotations

import torch

from engine.train.detector_noise import CLEAN, DetectorNoise, detect, detect_sequence


def people(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 33, 2, generator=generator), torch.full((count,), 4.0)


def test_clean_detections_are_the_projections() -> None:
    points, height = people(10)
    seen, confidence = detect(points, height, CLEAN, torch.Generator().manual_seed(1))
    assert torch.equal(seen, points)
    assert confidence.min() > 0.7


def test_errors_are_about_one_percent_of_the_height_and_larger_where_confidence_is_low() -> None:
    points, height = people(4000)
    seen, confidence = detect(points, height, DetectorNoise(swap=0.0), torch.Generator().manual_seed(1))
    error = (seen - points).norm(dim=-1) / 4.0
    assert 0.008 < error.median() < 0.018
    assert error[confidence < 0.6].mean() > 2 * error[confidence > 0.9].mean()
    assert confidence.min() >= 0 and confidence.max() <= 1


def test_the_same_seed_gives_the_same_errors() -> None:
    points, height = people(5)
    first = detect(points, height, DetectorNoise(), torch.Generator().manual_seed(4))[0]
    again = detect(points, height, DetectorNoise(), torch.Generator().manual_seed(4))[0]
    other = detect(points, height, DetectorNoise(), torch.Generator().manual_seed(5))[0]
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_certain_swap_exchanges_left_and_right_limbs() -> None:
    points, height = people(3)
    noise = DetectorNoise(jitter=(0.0,) * 33, occluded=0, outlier=0, outside=0, swap=1.0)
    seen, _ = detect(points, height, noise, torch.Generator().manual_seed(0))
    assert torch.equal(seen[:, 25], points[:, 26]) and torch.equal(seen[:, 14], points[:, 13])
    assert torch.equal(seen[:, :13], points[:, :13])


def test_one_frame_of_a_sequence_is_distributed_like_a_single_picture() -> None:
    points, height = people(3000)
    clip = points[:, None].expand(-1, 4, -1, -1)
    noise = DetectorNoise()
    alone, doubt_alone = detect(points, height, noise, torch.Generator().manual_seed(1))
    seen, doubt = detect_sequence(
        clip, height[:, None].expand(-1, 4), noise, torch.Generator().manual_seed(2)
    )
    levels = torch.tensor([0.25, 0.5, 0.75, 0.9])
    for frame in (0, 3):
        a, b = ((s - points).norm(dim=-1).flatten() for s in (seen[:, frame], alone))
        assert torch.allclose(torch.quantile(a, levels), torch.quantile(b, levels), rtol=0.06)
        assert abs(doubt[:, frame].mean() - doubt_alone.mean()) < 0.01


def test_errors_persist_in_a_sequence() -> None:
    points, height = people(2000)
    noise = DetectorNoise(occluded=0, outlier=0, swap=0, outside=0, level_spread=0.0)
    clip = points[:, None].expand(-1, 40, -1, -1)
    seen, _ = detect_sequence(clip, height[:, None].expand(-1, 40), noise, torch.Generator().manual_seed(2))
    error = (seen - clip)[:, :, 15, 0] / 4.0
    variance = (error**2).mean()
    near, far = (error[:, 0] * error[:, 1]).mean(), (error[:, 0] * error[:, 39]).mean()
    assert abs(near / variance - 0.78) < 0.06  # 0.6 + 0.9 * 0.2
    assert abs(far / variance - 0.6) < 0.06


def test_hidden_limbs_stay_hidden_for_some_frames() -> None:
    points, height = people(1500)
    clip = points[:, None].expand(-1, 30, -1, -1)
    noise = DetectorNoise(outlier=0, swap=0, outside=0)
    _, confidence = detect_sequence(
        clip, height[:, None].expand(-1, 30), noise, torch.Generator().manual_seed(2)
    )
    hidden = confidence[..., 16] < 0.75
    assert abs(hidden.float().mean() - 0.12) < 0.02
    ends = (hidden[:, :-1] & ~hidden[:, 1:]).float().sum() / hidden[:, :-1].sum()
    assert 1 / 15 < ends < 1 / 5
