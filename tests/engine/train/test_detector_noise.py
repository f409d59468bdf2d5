from __future__ import annotations

import torch

from engine.train.detector_noise import CLEAN, DetectorNoise, detect


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
