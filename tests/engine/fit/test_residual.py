"""The residual closes the gap exactly at the coarse points and spreads smoothly, along the surface only."""

from types import SimpleNamespace

import numpy as np
from tiny_body import random_poses

from engine.fit.points import PointBody, blended, matrix
from engine.fit.residual import Spread, rest_residual


def grid(size: int, z: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size), indexing="ij")
    points = np.stack([x, y, np.full_like(x, z)], -1).reshape(-1, 3)
    a = (np.arange(size - 1)[:, None] * size + np.arange(size - 1)).ravel()
    return points, np.concatenate(
        [np.stack([a, a + size, a + 1], 1), np.stack([a + 1, a + size, a + size + 1], 1)]
    )


def test_body_plus_residual_gives_the_target(model: SimpleNamespace) -> None:
    body = PointBody.of(model, np.arange(len(model.v_template)))
    poses, betas, trans = random_poses(6), np.zeros(10), np.zeros((6, 3))
    rest = np.random.default_rng(0).normal(0, 0.01, (6, len(body.anchors), 3))
    posed_without = body.posed(poses, betas, trans)
    transforms = body.shaped(betas).transforms(matrix(poses))
    target = posed_without + (blended(transforms, body.weights) @ rest[..., None])[..., 0]
    assert np.linalg.norm(target - posed_without, axis=-1).mean() > 0.01
    found = rest_residual(body, target, poses, betas, trans)
    clear = (body.weights.max(1) == 1) & (np.linalg.norm(rest, axis=-1).max(0) < 0.035)
    np.testing.assert_allclose(found[:, clear], rest[:, clear], atol=2e-4)


def test_absurd_residuals_are_limited(model: SimpleNamespace) -> None:
    body = PointBody.of(model, np.arange(len(model.v_template)))
    poses, zero = random_poses(2), np.zeros((2, 3))
    target = body.posed(poses, np.zeros(10), zero) + np.array([0.0, 5.0, 0.0])
    length = np.linalg.norm(rest_residual(body, target, poses, np.zeros(10), zero, limit=0.08), axis=-1)
    assert length.max() <= 0.0801


def test_a_constant_stays_constant_and_coarse_values_are_kept() -> None:
    points, triangles = grid(25)
    rng = np.random.default_rng(0)
    ids = np.flatnonzero(rng.random(len(points)) < 0.1)
    values = rng.normal(0, 1, (2, len(ids), 3))
    values[1] = [1, 2, 3]
    spread = Spread.of(points, triangles, ids)(values)
    assert spread.shape == (2, len(points), 3)
    np.testing.assert_allclose(spread[:, ids], values, atol=1e-6)
    np.testing.assert_allclose(spread[1], np.tile([1, 2, 3], (len(points), 1)), atol=1e-5)


def test_a_smooth_field_comes_back_smooth() -> None:
    points, triangles = grid(41)
    ids = np.flatnonzero(np.random.default_rng(0).random(len(points)) < 0.08)
    field = np.stack([np.sin(3 * points[:, 0]), np.cos(3 * points[:, 1]), points[:, 0]], -1)[None] * 0.01
    spread = Spread.of(points, triangles, ids)(field[:, ids])
    error = np.linalg.norm(spread - field, axis=-1)[0]
    inside = (points[:, :2].min(1) > 0.1) & (points[:, :2].max(1) < 0.9)
    assert error[inside].mean() < 2e-4  # of a 10 mm field
    assert error.max() < 4e-3


def test_nothing_bleeds_to_a_sheet_that_only_touches_in_space() -> None:
    (a, faces), (b, _) = grid(15), grid(15, z=0.001)
    points, triangles = np.concatenate([a, b]), np.concatenate([faces, faces + len(a)])
    # Joined along one edge only, like an arm and the torso at the shoulder.
    seam = np.stack([np.arange(14), np.arange(14) + len(a), np.arange(1, 15)], 1)
    triangles = np.concatenate([triangles, seam])
    ids = np.flatnonzero(np.random.default_rng(1).random(len(points)) < 0.25)
    values = (ids < len(a)).astype(np.float32)[None, :, None] * np.ones(3, np.float32)
    spread = Spread.of(points, triangles, ids)(values)[0, :, 0]
    far = points[:, 0] > 0.5
    assert np.abs(spread[len(a) :][far[len(a) :]]).max() < 0.05
    assert np.abs(spread[: len(a)][far[: len(a)]] - 1).max() < 0.05


def test_a_piece_without_coarse_vertices_follows_its_neighbour() -> None:
    points, triangles = grid(10)
    eye = np.array([[0.5, 0.5, 0.1], [0.55, 0.5, 0.1], [0.5, 0.55, 0.1]])
    spread = Spread.of(
        np.concatenate([points, eye]), np.concatenate([triangles, [[100, 101, 102]]]), np.array([0, 44, 99])
    )(np.array([[[1.0], [2.0], [3.0]]]))
    assert spread.shape == (1, 103, 1)
    np.testing.assert_array_equal(spread[0, 100:, 0], 2)
