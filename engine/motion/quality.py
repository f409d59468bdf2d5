"""Figures that say how good a take is, from the take alone: `take_quality(...)` returns a dict of floats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .infill import Array, Mask
from .trajectory import foot_slide


def take_quality(
    joints: Array,
    keypoints2d: Array,
    projected: Array,
    contact_points: Array,
    contact: Mask,
    infilled: Mask,
) -> dict[str, float]:
    """One person's take in numbers; every value is finite.

    Args:
        joints: (F,24,3) metres.  keypoints2d: (F,33,3) px and confidence.
        projected: (F,33,2) the mesh's own landmarks projected to px.
        contact_points: (F,4,3) metres.  contact: (F,4).  infilled: (F,).

    Returns:
        jitter_mm: mean |second difference| of the joints, mm per frame^2 (lower is calmer; real motion has
            some).
        foot_slide_mm: mean movement of standing points, mm per frame.
        reprojection_percent: median distance of projected to detected landmarks, % of the person's height.
        confidence: mean detection confidence of visible frames, 0-1.
        infilled_fraction, contact_fraction: of all frames, 0-1.
    """
    seen = ~np.asarray(infilled, dtype=bool)
    return {
        "jitter_mm": jitter(joints),
        "foot_slide_mm": foot_slide(contact_points, contact),
        "reprojection_percent": reprojection_percent(keypoints2d[seen], projected[seen]),
        "confidence": float(np.nan_to_num(np.asarray(keypoints2d)[seen][..., 2]).mean())
        if seen.any()
        else 0.0,
        "infilled_fraction": float(1 - seen.mean()) if len(seen) else 0.0,
        "contact_fraction": float(np.asarray(contact).any(axis=1).mean()) if len(contact) else 0.0,
    }


def jitter(joints: Array) -> float:
    """Mean |second difference| of points (F,J,3) metres, in mm per frame^2; 0 for fewer than three frames."""
    if len(joints) < 3:
        return 0.0
    return float(
        np.linalg.norm(np.diff(np.asarray(joints, dtype=np.float64), n=2, axis=0), axis=-1).mean() * 1e3
    )


def reprojection_percent(keypoints2d: Array, projected: Array, *, min_confidence: float = 0.5) -> float:
    """Median distance in percent of the person's height in the picture; 0 with nothing seen.

    The height is the diagonal of the projected landmarks' box, the median over frames.
    """
    observed = np.asarray(keypoints2d, dtype=np.float64)
    good = np.isfinite(observed).all(-1) & (observed[..., 2] >= min_confidence)
    if not good.any():
        return 0.0
    distance = np.linalg.norm(observed[..., :2] - projected, axis=-1)
    return float(
        np.median(distance[good] / _height(projected)[:, None].repeat(distance.shape[1], 1)[good]) * 100
    )


def _height(projected: Array) -> NDArray[np.float64]:
    """(F,) the median over frames of the landmark box's diagonal, px."""
    size = np.linalg.norm(np.ptp(np.asarray(projected, dtype=np.float64), axis=1), axis=-1)
    return np.full(len(projected), max(float(np.median(size)), 1.0))
