"""Hold drawn errors against measured ones in shots the drawing does not know.

python -m tools.detector_errors.compare FOUND.npz

Every second shot makes an error file; errors are then drawn for the others' true points and set beside what
the detector did there. Per cent of the standing height; only points inside the picture and not exchanged.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.train.detector_noise import DetectorNoise, detect, detect_sequence
from engine.train.measured_errors import views

from .describe import bias_at, describe, fit_bias, from_cosine, select

Array = npt.NDArray[Any]

GROUPS = {
    "head": range(11),
    "shoulders, hips": (11, 12, 23, 24),
    "elbows, knees": (13, 14, 25, 26),
    "wrists, ankles": (15, 16, 27, 28),
    "hands, feet": (*range(17, 23), *range(29, 33)),
}
JITTER: tuple[float, ...] = (
    (0.005,) * 7 + (0.007,) * 2 + (0.0055,) * 2 + (0.009,) * 2 + (0.01,) * 4 + (0.012,) * 6
)
JITTER += (0.01,) * 2 + (0.0095,) * 2 + (0.0085,) * 2 + (0.011,) * 2 + (0.012,) * 2
REPEATS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("found", type=Path)
    args = parser.parse_args()
    with np.load(args.found, allow_pickle=False) as data:
        found = {name: data[name] for name in data.files}
    kept, _ = select(found)
    _print_bias(kept)
    odd = kept["shot"] % 2 == 1
    test = {name: array[odd] for name, array in kept.items()}
    with tempfile.TemporaryDirectory() as folder:
        half = Path(folder) / "half.npz"
        known: dict[str, Any] = describe(
            {name: array[found["shot"] % 2 == 0] for name, array in found.items()}
        )
        np.savez(half, **known)
        usual = DetectorNoise(file=str(half), occluded=0.0, outlier=0.0, swap=0.0, outside=0.0)
        columns = {
            "measured": (test["error"][None], test["confidence"][None]),
            "drawn": _draw(test, usual),
            "formula": _draw(test, DetectorNoise(jitter=JITTER, outside=0.0, swap=0.0)),
        }
        print("| |", " | ".join(columns), "|\n|---|" + "---|" * len(columns))
        tables = [_statistics(test, *column) for column in columns.values()]
        for name in tables[0]:
            print(f"| {name} |", " | ".join(f"{table[name]:.2f}" for table in tables), "|")
        _print_lags(test, usual)


def _draw(test: dict[str, Array], noise: DetectorNoise) -> tuple[Array, Array]:
    """Errors (R,F,33,2) in the persons' axes, in heights, and confidences (R,F,33)."""
    truth, height = torch.from_numpy(test["truth"]).float(), torch.from_numpy(test["height"]).float()
    generator = torch.Generator().manual_seed(0)
    axes, _ = views(truth)
    errors, confidences = [], []
    for _ in range(REPEATS):
        seen, confidence = detect(truth, height, noise, generator)
        offset = (seen - truth) / height[:, None, None]
        errors.append(torch.einsum("fab,fpb->fpa", axes, offset).numpy())
        confidences.append(confidence.numpy())
    return np.stack(errors), np.stack(confidences)


def _statistics(test: dict[str, Array], error: Array, sure: Array) -> dict[str, float]:
    inside = np.broadcast_to(~test["outside"], sure.shape)
    length = 100 * np.linalg.norm(error, axis=-1)
    turn = np.abs(test["turn"])
    out = {"mean": length[inside].mean()}
    out |= {f"{q}th percentile": float(np.percentile(length[inside], q)) for q in (25, 50, 75, 90, 99)}
    for name, points in GROUPS.items():
        chosen = np.zeros(33, bool)
        chosen[list(points)] = True
        out[f"{name}: median"] = float(np.median(length[inside & chosen]))
    for name, low, high in (("front", 0, 45), ("side", 45, 135), ("back", 135, 181)):
        view = (turn >= np.radians(low)) & (turn < np.radians(high))
        out[f"{name}: mean"] = float(length[:, view][inside[:, view]].mean())
    for least, most in itertools.pairwise((0.0, 0.3, 0.7, 0.95, 1.0)):
        of = inside & (sure >= least) & (sure < most + (most == 1))
        out[f"confidence {least:g}–{most:g}: share of points, %"] = 100 * of.sum() / inside.sum()
        out[f"confidence {least:g}–{most:g}: mean"] = float(length[of].mean())
    hidden = inside & (test["covered"] | (test["behind"] > 0.15))
    shown = inside & ~test["covered"] & (test["behind"] < 0.1)
    out["hidden points: mean"], out["hidden points: mean confidence"] = (
        length[hidden].mean(),
        sure[hidden].mean(),
    )
    out["shown points: mean"], out["shown points: mean confidence"] = length[shown].mean(), sure[shown].mean()
    unit = error / (np.linalg.norm(error, axis=-1, keepdims=True) + 1e-9)
    for name, a, b in (("wrist and index", 15, 19), ("elbow and wrist", 13, 15), ("ankle and toe", 27, 31),
                       ("hip and hip", 23, 24), ("wrist and other ankle", 15, 28)):  # fmt: skip
        both = inside[..., a] & inside[..., b]
        out[f"agreement of direction, {name}"] = float(
            (unit[..., a, :] * unit[..., b, :]).sum(-1)[both].mean()
        )
    whole = np.log(np.nanmean(np.where(inside, length, np.nan), axis=-1))
    out["spread of the log mean error of a picture"] = float(np.nanstd(whole))
    return out


def _print_bias(kept: dict[str, Array]) -> None:
    """What stays of each landmark's error over many pictures, by view."""
    bias = 100 * fit_bias(kept)
    print("| left landmark | facing: out, down | its side | other side | back |\n|---|---|---|---|---|")
    for point in (0, 2, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31):
        views_ = bias_at(bias, np.radians([0.0, 90.0, -90.0, 180.0]))[:, point]
        print(f"| {point} |", " | ".join(f"{x:+.1f} / {y:+.1f}" for x, y in views_), "|")


def _print_lags(test: dict[str, Array], noise: DetectorNoise) -> None:
    """Correlation of errors' directions over frames: measured, and drawn for the same clips."""
    generator = torch.Generator().manual_seed(1)
    pairs: dict[str, dict[int, list[float]]] = {"measured": {}, "drawn": {}}
    bends: dict[str, list[float]] = {"measured": [], "drawn": []}
    for shot in np.unique(test["shot"]):
        rows = np.flatnonzero(test["shot"] == shot)
        if len(rows) < 8:
            continue
        truth = torch.from_numpy(test["truth"][rows]).float()[None].expand(REPEATS, -1, -1, -1)
        height = torch.from_numpy(test["height"][rows]).float()[None].expand(REPEATS, -1)
        drawn = (detect_sequence(truth, height, noise, generator)[0] - truth).numpy() / float(height[0, 0])
        for name, error in (("measured", test["error"][rows][None]), ("drawn", drawn)):
            bend = np.linalg.norm(error[:, 2:] - 2 * error[:, 1:-1] + error[:, :-2], axis=-1)
            bends[name].extend(100 * bend[:, ~test["outside"][rows[1:-1]]].ravel())
            unit = error / (np.linalg.norm(error, axis=-1, keepdims=True) + 1e-9)
            for lag in (1, 2, 4, 8, 12):
                both = ~(test["outside"][rows[lag:]] | test["outside"][rows[:-lag]])
                agree = (unit[:, lag:] * unit[:, :-lag]).sum(-1)[:, both]
                pairs[name].setdefault(lag, []).extend(agree.ravel().tolist())
    for name, lags in pairs.items():
        agreement = {lag: round(float(from_cosine(np.array(np.mean(v)))), 2) for lag, v in lags.items()}
        print(name, agreement, "second difference, median:", round(float(np.median(bends[name] or [0])), 2))


if __name__ == "__main__":
    main()
