"""Few shapes for many offsets: within tolerance, as few as possible, whatever the chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pose2mesh_mocap.addon.bake.basis import Basis, fit

Array = np.ndarray[Any, Any]


class Chunks:
    """Offsets in memory, handed out in pieces."""

    def __init__(self, data: Array, size: int = 7) -> None:
        self.data, self.size = data.astype(np.float32), size
        self.frames, self.vertices = data.shape[:2]

    def __iter__(self) -> Iterator[tuple[int, Array]]:
        for start in range(0, self.frames, self.size):
            yield start, self.data[start : start + self.size]


def mixture(frames: int, vertices: int, sizes: list[float], seed: int = 0) -> Array:
    """Shapes of these sizes in metres, mixed with independent weights, around a mean."""
    rng = np.random.default_rng(seed)
    shapes = rng.normal(size=(len(sizes), vertices, 3)) * np.array(sizes)[:, None, None]
    return np.asarray(
        np.tensordot(rng.normal(size=(frames, len(sizes))), shapes, 1) + rng.normal(size=(vertices, 3))
    )


def rebuilt(basis: Basis) -> Array:
    return np.asarray(basis.constant + np.tensordot(basis.weights, basis.shapes, 1))


def largest(a: Array, b: Array) -> float:
    return float(np.linalg.norm(a - b, axis=-1).max())


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4])
def test_every_vertex_of_every_frame_is_within_tolerance(tolerance: float) -> None:
    data = mixture(120, 50, [0.02 / (k + 1) ** 2 for k in range(30)])
    basis = fit(Chunks(data), tolerance)
    assert largest(rebuilt(basis), data) <= tolerance + 1e-6
    assert basis.error == pytest.approx(largest(rebuilt(basis), data), abs=2e-6)


def test_one_component_fewer_would_not_do() -> None:
    data = mixture(120, 50, [0.02 / (k + 1) ** 2 for k in range(30)])
    basis = fit(Chunks(data), 1e-3)
    centred = (data - data.mean(axis=0)).reshape(len(data), -1)
    left, scale, right = np.linalg.svd(centred, full_matrices=False)
    fewer = len(basis.shapes) - 1
    best = (left[:, :fewer] * scale[:fewer]) @ right[:fewer]
    assert largest(best.reshape(data.shape), centred.reshape(data.shape)) > 1e-3


def test_weights_are_within_0_and_1_and_use_the_range() -> None:
    basis = fit(Chunks(mixture(60, 20, [0.02, 0.01, 0.005])), 1e-5)
    assert len(basis.shapes) == 3
    assert basis.weights.min() == 0.0 and basis.weights.max() == 1.0
    assert np.allclose(basis.weights.min(axis=0), 0) and np.allclose(basis.weights.max(axis=0), 1)


def test_the_cut_into_chunks_does_not_matter() -> None:
    data = mixture(40, 20, [0.02, 0.01, 0.005])
    results = [fit(Chunks(data, size), 1e-4) for size in (1, 7, 40)]
    assert len({len(basis.shapes) for basis in results}) == 1
    for basis in results[1:]:
        assert largest(rebuilt(basis), rebuilt(results[0])) < 1e-5


def test_more_components_than_the_first_guess() -> None:
    data = mixture(150, 80, [0.01] * 90)
    basis = fit(Chunks(data), 1e-5)
    assert len(basis.shapes) == 90
    assert largest(rebuilt(basis), data) <= 2e-5


def test_noise_needs_as_many_as_frames() -> None:
    data = np.random.default_rng(1).normal(size=(30, 40, 3)) * 0.01
    basis = fit(Chunks(data), 1e-4)
    assert 25 <= len(basis.shapes) <= 30 and largest(rebuilt(basis), data) <= 1.1e-4


def test_a_limit_is_kept_and_its_error_said() -> None:
    data = mixture(60, 20, [0.02] * 10)
    basis = fit(Chunks(data), 1e-5, max_shapes=4)
    assert len(basis.shapes) == 4
    assert basis.error == pytest.approx(largest(rebuilt(basis), data), abs=1e-5) and basis.error > 1e-3


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short(frames: int) -> None:
    data = mixture(frames, 10, [0.02])
    assert largest(rebuilt(fit(Chunks(data), 1e-4)), data) < 1.1e-4


def test_nothing_left_over_needs_no_shapes() -> None:
    basis = fit(Chunks(np.zeros((20, 10, 3))), 1e-3)
    assert basis.shapes.shape == (0, 10, 3) and basis.weights.shape == (20, 0)
    assert not basis.constant.any() and basis.error == 0.0


def test_progress_can_cancel() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Chunks(mixture(20, 10, [0.02])), 1e-3, progress=stop)
