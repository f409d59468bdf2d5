"""A clip in batches gives what the network gives; on CUDA also as a captured graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import golden
from test_meshnet import SMALL

from engine.pose2mesh.fast import fast
from engine.pose2mesh.model import Pose2Mesh, build
from engine.pose2mesh.stream import Stream

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(scope="module")
def model() -> Pose2Mesh:
    torch.manual_seed(0)
    return build(SMALL, golden("mano")["faces"]).eval()


def _clip(frames: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((frames, 33, 3)).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 4, 11])
def test_a_clip_of_any_length(model: Pose2Mesh, frames: int) -> None:
    clip = _clip(frames)
    vertices, joints = Stream(fast(model), batch=4)(clip)
    with torch.no_grad():
        expected = model(torch.from_numpy(clip))
    np.testing.assert_allclose(vertices, expected[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(joints, expected[1], rtol=0, atol=1e-4)


def test_a_clip_backwards(model: Pose2Mesh) -> None:
    clip, stream = _clip(5), Stream(fast(model), batch=2)
    np.testing.assert_allclose(stream(clip[::-1])[0], stream(clip)[0][::-1], rtol=0, atol=1e-6)


def test_networks_of_several_inputs_see_rows_that_belong_together() -> None:
    def difference(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, ...]:
        assert len(a) == len(b) <= 3
        return (a - b,)

    a, b = np.arange(8.0), np.arange(8.0) ** 2
    np.testing.assert_array_equal(Stream(difference, batch=3)(a, b)[0], a - b)


def test_an_empty_clip_is_refused(model: Pose2Mesh) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        Stream(fast(model))(_clip(0))


@needs_cuda
@pytest.mark.parametrize("frames", [1, 16, 53])
@pytest.mark.parametrize("capture", [True, False])
def test_cuda_in_half_precision(model: Pose2Mesh, frames: int, capture: bool) -> None:
    clip = _clip(frames)
    stream = Stream(fast(model, torch.float16, "cuda"), "cuda", batch=16, capture=capture)
    vertices, joints = stream(clip)
    with torch.no_grad():
        expected = [value.numpy() for value in model(torch.from_numpy(clip))]
    for ours, exact in zip((vertices, joints), expected, strict=True):
        assert ours.shape == exact.shape
        np.testing.assert_allclose(ours, exact, rtol=0, atol=0.01 * np.ptp(exact))
    # The graph is replayed, and its memory used again, for other frames and another length.
    again = stream(clip[::-1][: max(1, frames // 2)])[0]
    np.testing.assert_allclose(again, vertices[::-1][: len(again)], rtol=0, atol=1e-3 * np.ptp(vertices))


@needs_cuda
def test_captured_equals_eager(model: Pose2Mesh) -> None:
    quick, clip = fast(model, torch.float16, "cuda"), _clip(53)
    captured = Stream(quick, "cuda", batch=16)(clip)
    eager = Stream(quick, "cuda", batch=16, capture=False)(clip)
    for one, other in zip(captured, eager, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-3 * np.ptp(other))
