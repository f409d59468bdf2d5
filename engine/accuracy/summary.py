"""All figures of the report as one plain dictionary, from which the tables are made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..body.model import JOINT_NAMES
from ..pose2mesh.skeletons import joint_set
from ..train.evaluate import CASES, JOINTS
from .baselines import baselines
from .collect import STAGES, Collected
from .measure import Errors
from .views import View, classes, hidden_classes

Mask = NDArray[np.bool_]
NOISY = "detector_noise"
LANDMARKS = joint_set("mediapipe33").joints
LIMB_POINTS = {
    f"{side}_{part}": LANDMARKS.index(f"{side}_{part}")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
}
"""Joints that a landmark of the same name shows."""
WORST_SHARE = 0.01


def summary(collected: Collected, categories: list[str]) -> dict[str, Any]:
    """Every table of the report.

    Args:
        categories: of every clip of the motion file, by its number.
    """
    action = np.array(categories)[collected.clip]
    view = collected.views["clean"]
    groups = {"action": _rows(collected, [(name, action == name) for name in sorted(set(categories))])}
    for title, (names, index) in classes(view).items():
        groups[title] = _rows(collected, [(name, index == row) for row, name in enumerate(names)])
    names, index = hidden_classes(collected.views[NOISY])
    groups["hidden points"] = _rows(
        collected, [(name, index == row) for row, name in enumerate(names)], cases=(NOISY,)
    )
    return {
        "frames": len(collected.frame),
        "views": len(collected.pieces),
        "overall": {c: {s: figures(collected.errors[c][s]) for s in STAGES} for c in CASES},
        "baselines": {
            name: {k: round(v, 2) for k, v in values.items()}
            for name, values in baselines(collected.truth, collected.facing).items()
        },
        "joints": _joints(collected),
        "landmarks": _landmarks(collected),
        "seen and hidden": _seen_and_hidden(collected),
        "groups": groups,
        "worst percent": {case: _worst_percent(collected, case, action) for case in ("clean", NOISY)},
    }


def figures(errors: Errors, mask: Mask | None = None) -> dict[str, Any]:
    """Mean, median and percentiles over the frames of a mask; mm."""
    keep = np.ones(len(errors.vertices), bool) if mask is None else mask
    accel = errors.accel[keep]
    return {
        "mpjpe": spread(errors.mpjpe[keep]),
        "pa_mpjpe": spread(errors.pa_mpjpe[keep]),
        "mpvpe": spread(errors.vertices[keep]),
        "pa_mpvpe": spread(errors.aligned_vertices[keep]),
        "landmarks": spread(errors.landmarks[keep].mean(axis=1)),
        "accel": round(float(np.nanmean(accel)), 2) if np.isfinite(accel).any() else None,
    }


def spread(values: NDArray[np.floating]) -> dict[str, float]:
    """Mean, median, 90th and 99th percentile."""
    median, p90, p99 = np.percentile(values, (50, 90, 99))
    return {
        "mean": round(float(values.mean()), 2),
        "median": round(float(median), 2),
        "p90": round(float(p90), 2),
        "p99": round(float(p99), 2),
    }


def _rows(
    collected: Collected, groups: list[tuple[str, Mask]], cases: tuple[str, ...] = CASES
) -> dict[str, Any]:
    return {
        name: {
            "frames": int(mask.sum()),
            "clips": len(np.unique(collected.clip[mask])),
            **{c: {s: figures(collected.errors[c][s], mask) for s in STAGES} for c in cases},
        }
        for name, mask in groups
        if mask.any()
    }


def _joints(collected: Collected) -> dict[str, Any]:
    return {
        JOINT_NAMES[joint]: {
            case: {
                stage: {
                    "mpjpe": spread(errors.joints[:, column]),
                    "pa_mpjpe": spread(errors.aligned_joints[:, column]),
                }
                for stage, errors in collected.errors[case].items()
            }
            for case in CASES
        }
        for column, joint in enumerate(JOINTS)
        if joint != 0
    }


def _landmarks(collected: Collected) -> dict[str, Any]:
    return {
        name: {
            case: {stage: spread(e.landmarks[:, column]) for stage, e in collected.errors[case].items()}
            for case in CASES
        }
        for column, name in enumerate(LANDMARKS)
    }


def _seen_and_hidden(collected: Collected) -> dict[str, Any]:
    """Limb joints under noise: where the detector was sure of the joint's own point, and where it was not."""
    doubted = collected.views[NOISY].doubted
    rows: dict[str, Any] = {}
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        sides = [f"{side}_{part}" for side in ("left", "right")]
        hidden = np.concatenate([doubted[:, LIMB_POINTS[name]] for name in sides])
        row: dict[str, Any] = {"hidden_percent": round(100 * float(hidden.mean()), 1)}
        for stage, errors in collected.errors[NOISY].items():
            columns = [JOINTS.index(JOINT_NAMES.index(name)) for name in sides]
            values = np.concatenate([errors.joints[:, column] for column in columns])
            row[stage] = {
                label: round(float(values[mask].mean()), 2) if mask.any() else None
                for label, mask in (("seen", ~hidden), ("hidden", hidden))
            }
        rows[part] = row
    return rows


def _worst_percent(collected: Collected, case: str, action: NDArray[np.str_]) -> dict[str, Any]:
    """How much more common each circumstance is among the worst frames than among all; percent."""
    errors, view = collected.errors[case]["fit"], collected.views[case]
    order = np.argsort(-errors.mpjpe, kind="stable")
    worst = order[: max(1, round(WORST_SHARE * len(order)))]
    rows: dict[str, Any] = {}
    for name, mask in circumstances(errors, view).items():
        rows[name] = {
            "worst": round(100 * float(mask[worst].mean()), 1),
            "all": round(100 * float(mask.mean()), 1),
        }
    names, counts = np.unique(action[worst], return_counts=True)
    return {
        "mpjpe_from": round(float(errors.mpjpe[worst[-1]]), 1),
        "circumstances": rows,
        "actions": {
            str(n): round(100 * float(c) / len(worst), 1) for n, c in zip(names, counts, strict=True)
        },
    }


def circumstances(errors: Errors, view: View) -> dict[str, Mask]:
    """What may explain an error, frame by frame."""
    return {
        "whole body turned wrong by over 45°": errors.turned > 45,
        "whole body turned wrong by 20-45°": (errors.turned > 20) & (errors.turned <= 45),
        "four fifths of the error along the line of sight": errors.along > 0.8,
        "trunk lying or head down in the picture": np.abs(view.tilt) > 60,
        "camera steeply above or below (over 30°)": np.abs(view.elevation) > 30,
        "camera rolled over 30°": np.abs(view.roll) > 30,
        "nearer than 2.5 m": view.distance < 2.5,
        "seen from behind": np.abs(view.azimuth) > 112.5,
        "six or more hidden points": view.hidden >= 6,
    }
