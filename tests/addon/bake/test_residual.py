"""The residual in pieces is the residual as a whole, remembered or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pose2mesh_mocap.addon.bake import residual as residuals
from pose2mesh_mocap.addon.rig.skeleton import RestFrame


def frame_of(body: Any, take: Any) -> RestFrame:
    betas = take.betas[0]
    return RestFrame.standing(body.rest(betas), body.rest_joints(betas))


def whole(residual: Any) -> Any:
    return np.concatenate([chunk for _, chunk in residual])


def test_offsets_skinned_are_the_surface(boxes: Any, box_take: Any) -> None:
    take = box_take(noise=0.02)
    frame = frame_of(boxes, take)
    offsets = whole(residuals.Residual(take, boxes, 0, frame))
    back = np.stack([offsets[..., 0], offsets[..., 2], -offsets[..., 1]], axis=-1)  # to SMPL's axes
    rest = boxes.rest(take.betas[0]) + back
    posed = boxes.skin(rest, boxes.transforms(take.poses[0], boxes.rest_joints(take.betas[0])))
    assert np.abs(posed + take.trans[0, :, None] - take.vertices(0)).max() < 1e-5


@pytest.mark.parametrize("held", [0, 5000, 1 << 29])
@pytest.mark.parametrize("chunk", [1, 5000, 1 << 23])
def test_memory_limits_change_nothing(
    boxes: Any, box_take: Any, monkeypatch: pytest.MonkeyPatch, held: int, chunk: int
) -> None:
    take = box_take(frames=11, noise=0.02)
    frame = frame_of(boxes, take)
    wanted = whole(residuals.Residual(take, boxes, 0, frame))
    monkeypatch.setattr(residuals, "_HELD_BYTES", held)
    monkeypatch.setattr(residuals, "_CHUNK_BYTES", chunk)
    limited = residuals.Residual(take, boxes, 0, frame)
    for _ in range(3):
        starts = [start for start, _ in limited]
        assert starts == sorted(set(starts)) and starts[0] == 0
        assert np.array_equal(whole(limited), wanted)
    assert sum(part.nbytes for part in limited._held) <= held


def test_a_walk_left_early_can_be_begun_again(
    boxes: Any, box_take: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residuals, "_CHUNK_BYTES", 1)
    take = box_take(frames=6)
    residual = residuals.Residual(take, boxes, 0, frame_of(boxes, take))
    next(iter(residual))
    assert [start for start, _ in residual] == list(range(6))
