"""What bones tell of depth, against bones of known direction."""

from __future__ import annotations

import math

import pytest
import torch

from engine.body.model import BodyModel
from engine.pose2d.mirrored import MIRRORED_LANDMARK
from engine.pose2mesh.foreshortening import BONES, FEATURES, bone_features
from engine.pose2mesh.observation import POINT_UNIT

FOREARM = next(i for i, bone in enumerate(BONES) if bone[:2] == (13, 15))


def forearm(towards: list[float]) -> torch.Tensor:
    """Features (4,) of a left forearm of its usual length that points `towards`."""
    direction = torch.tensor(towards) / math.sqrt(sum(x * x for x in towards))
    points = torch.zeros(1, 33, 2)
    points[0, 15] = BONES[FOREARM][2] * direction[:2] / POINT_UNIT
    return bone_features(points)[0, FOREARM]


def test_a_bone_across_the_view_and_one_along_it() -> None:
    assert forearm([1, 0, 0]).tolist() == pytest.approx([1, 0, 1, 0], abs=1e-3)
    assert forearm([0, -1, 0]).tolist() == pytest.approx([0, -1, 1, 0], abs=1e-3)
    assert forearm([0, 0, 1]).tolist() == pytest.approx([0, 0, 0, 1], abs=1e-3)


def test_half_as_long_is_sixty_degrees_out_of_the_picture() -> None:
    _, _, length, depth = forearm([0.5, 0, math.sqrt(0.75)]).tolist()
    assert length == pytest.approx(0.5, abs=1e-4) and depth == pytest.approx(
        math.sin(math.radians(60)), abs=1e-4
    )


def test_too_long_bones_are_cut_off() -> None:
    points = torch.zeros(1, 33, 2)
    points[0, 15] = torch.tensor([50.0, 0])
    assert bone_features(points)[0, FOREARM].tolist() == pytest.approx([1, 0, 2, 0])
    assert bool(torch.isfinite(bone_features(torch.zeros(2, 33, 2))).all())


def test_the_bones_are_the_open_bodys_and_symmetric() -> None:
    body = BodyModel.load("open_body")
    rest = torch.from_numpy(body.landmark_regressor @ body.v_template)
    for first, second, length in BONES:
        assert float((rest[first] - rest[second]).norm()) == pytest.approx(length, abs=0.01)
    mirror = {frozenset((MIRRORED_LANDMARK[a], MIRRORED_LANDMARK[b])): length for a, b, length in BONES}
    assert mirror == {frozenset((a, b)): length for a, b, length in BONES}
    features = bone_features(torch.randn(2, 33, 2, generator=torch.Generator().manual_seed(0)))
    assert features.shape == (2, 33, FEATURES)
    assert bool(features[:, : len(BONES)].any(-1).all()) and not bool(features[:, len(BONES) :].any())
