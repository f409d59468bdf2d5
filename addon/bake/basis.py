"""Few basis shapes for many offsets: a streaming principal component analysis with an error bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_FIRST_RANK = 48
_OVERSAMPLING = 8


class Offsets(Protocol):
    """A sequence that can be walked through more than once, in chunks (start, (n,V,3))."""

    frames: int
    vertices: int

    def __iter__(self) -> Iterator[tuple[int, FloatArray]]: ...


@dataclass(frozen=True)
class Basis:
    """offsets[f] ≈ constant + Σ_k weights[f, k] · shapes[k], with every weight in 0..1.

    Attributes:
        constant: (V,3) metres.
        shapes: (K,V,3) metres, the most important first.
        weights: (F,K) in 0..1: importers and game engines clamp to that range.
        error: largest distance in metres between a vertex and its reconstruction, over all frames.
    """

    constant: FloatArray
    shapes: FloatArray
    weights: FloatArray
    error: float


def fit(
    offsets: Offsets,
    tolerance: float,
    max_shapes: int | None = None,
    progress: Callable[[], object] | None = None,
) -> Basis:
    """The smallest basis, in order of principal components, that keeps every vertex of every frame within
    tolerance.

    The components come from a randomised range finder with one power iteration (Halko, Martinsson and Tropp
    2011, algorithms 4.3 and 5.1), which needs four walks through the data and memory for the basis only.
    The rank tried grows until the tolerance is met; at rank F it always is.

    Args:
        offsets: the data; nothing larger than one of its chunks is held.
        tolerance: metres.
        max_shapes: stop here even if the error is larger; `Basis.error` then says how large.
        progress: called once per chunk walked, as a sign of life; may raise to cancel.
    """
    frames, columns = offsets.frames, offsets.vertices * 3
    limit = min(frames, columns, frames if max_shapes is None else max_shapes)

    def chunks() -> Iterable[tuple[int, FloatArray]]:
        for start, chunk in offsets:
            if progress is not None:
                progress()
            yield start, chunk.reshape(len(chunk), -1)

    mean = np.zeros(columns)
    for _, chunk in chunks():
        mean += chunk.sum(axis=0, dtype=np.float64)
    centre = (mean / max(frames, 1)).astype(np.float32)

    rank = min(limit, _FIRST_RANK)
    while True:
        weights, shapes = _components(chunks, centre, frames, min(rank + _OVERSAMPLING, frames, columns))
        count, error = _smallest(chunks, centre, weights[:, :rank], shapes[:rank], tolerance)
        if error <= tolerance or rank >= limit:
            break
        rank = min(limit, 4 * rank)
    return _rebias(centre, shapes[:count], weights[:, :count], error, offsets.vertices)


def _components(
    chunks: Callable[[], Iterable[tuple[int, FloatArray]]], centre: FloatArray, frames: int, rank: int
) -> tuple[FloatArray, FloatArray]:
    """Principal components: weights (F,rank) and orthonormal shapes (rank,3V), the strongest first."""
    test = np.random.default_rng(0).standard_normal((frames, rank)).astype(np.float32)
    for _ in range(2):  # the second round is the power iteration
        sketch = np.zeros((rank, len(centre)), dtype=np.float32)
        for start, chunk in chunks():
            sketch += test[start : start + len(chunk)].T @ (chunk - centre)
        shapes = np.linalg.qr(sketch.T)[0].T
        weights = np.empty((frames, len(shapes)), dtype=np.float32)
        for start, chunk in chunks():
            weights[start : start + len(chunk)] = (chunk - centre) @ shapes.T
        test = np.linalg.qr(weights)[0]
    left, scale, turn = np.linalg.svd(weights.astype(np.float64), full_matrices=False)
    return (left * scale).astype(np.float32), (turn @ shapes).astype(np.float32)


def _smallest(
    chunks: Callable[[], Iterable[tuple[int, FloatArray]]],
    centre: FloatArray,
    weights: FloatArray,
    shapes: FloatArray,
    tolerance: float,
) -> tuple[int, float]:
    """How many leading components keep every vertex within tolerance, and the largest error with that many.

    Frames only ever raise the count, so it ends at the smallest one that no frame objected to. The error
    need not fall with every single component, so the walk repeats until one whole pass agrees on the same
    count.
    """
    count = 0
    while True:
        begun, worst = count, 0.0
        for start, chunk in chunks():
            w = weights[start : start + len(chunk)]
            rest = chunk - centre - w[:, :count] @ shapes[:count]
            error = _largest(rest)
            while error > tolerance and count < len(shapes):
                rest -= np.outer(w[:, count], shapes[count])
                count += 1
                error = _largest(rest)
            worst = max(worst, error)
        if count == begun:
            return count, worst


def _largest(flat: FloatArray) -> float:
    """The longest of the vectors in rows of x, y, z, x, y, z …"""
    squares = flat * flat
    # NumPy is slow along an axis of three.
    return float(np.sqrt((squares[:, 0::3] + squares[:, 1::3] + squares[:, 2::3]).max(initial=0.0)))


def _rebias(
    centre: FloatArray, shapes: FloatArray, weights: FloatArray, error: float, vertices: int
) -> Basis:
    """Move every weight into 0..1; what that takes off goes into the constant."""
    # A component may point either way: the way whose constant share is smaller keeps the constant near the
    # mean.
    low, high = weights.min(axis=0, initial=0.0), weights.max(axis=0, initial=0.0)
    sign = np.where(-low > high, -1.0, 1.0).astype(np.float32)
    weights, shapes = weights * sign, shapes * sign[:, None]
    low = weights.min(axis=0) if len(weights) else low
    span = np.maximum(np.ptp(weights, axis=0), np.float32(1e-12)) if len(weights) else np.ones_like(low)
    return Basis(
        constant=(centre + low @ shapes).reshape(vertices, 3),
        shapes=(shapes * span[:, None]).reshape(len(shapes), vertices, 3),
        weights=np.clip((weights - low) / span, 0.0, 1.0),
        error=error,
    )
