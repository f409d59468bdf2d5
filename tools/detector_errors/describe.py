"""Boil the findings down to what training draws its errors from, and say how well that imitates them.

python -m tools.detector_errors.describe FOUND.npz engine/train/detector_errors.npz

The file's N entries are pictures in which the person was found; see `engine/train/measured_errors.py`, which
draws from it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.pose2d.mirrored import MIRRORED_LANDMARK
from engine.train.detector_noise import LIMBS
from engine.train.measured_errors import features, views

Array = npt.NDArray[Any]

GROSS = 0.15
"""Median error, in heights, beyond which it is not the person that was found."""
_RAYLEIGH = (0.0580, 0.4112)
"""Mean and variance of the log length of a plane vector of two unit normals."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("found", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    with np.load(args.found, allow_pickle=False) as data:
        found = {name: data[name] for name in data.files}
    arrays: dict[str, Any] = describe(found)
    np.savez_compressed(args.out, **arrays)
    print(f"{len(arrays['feature'])} entries, {args.out.stat().st_size / 1e3:.0f} kB")


def select(found: dict[str, Array]) -> tuple[dict[str, Array], dict[str, float]]:
    """Residuals of the frames in which the person was found, exchanged limbs put right, and how often what.

    Returns:
        the findings of those frames with `error` (F,33,2), in heights and in the person's own axes
        (`measured_errors.views`), and `exchanged` (F,2): arms, legs; shares of frames.
    """
    height = found["height"][:, None]
    length = np.linalg.norm(found["image"] - found["truth"], axis=-1) / height
    gross = np.median(length, axis=1) > GROSS
    shares = {"not found": float(1 - found["found"].mean()), "gross": float((gross & found["found"]).mean())}
    good = found["found"] & ~gross
    kept = {name: array[good] for name, array in found.items()}
    image, confidence, height = kept["image"].copy(), kept["confidence"].copy(), height[good]
    exchanged = []
    for name, limbs in (("arms", LIMBS[:2]), ("legs", LIMBS[2:])):
        both = [i for limb in limbs for i in limb]
        other = [MIRRORED_LANDMARK[i] for i in both]
        straight = np.linalg.norm(image[:, both] - kept["truth"][:, both], axis=-1) / height
        crossed = np.linalg.norm(image[:, other] - kept["truth"][:, both], axis=-1) / height
        swap = (straight.mean(1) > 0.05) & (crossed.mean(1) < 0.5 * straight.mean(1))
        image[np.ix_(swap, both)], confidence[np.ix_(swap, both)] = (
            image[np.ix_(swap, other)],
            confidence[np.ix_(swap, other)],
        )
        exchanged.append(swap)
        shares[f"{name} exchanged"] = float(swap.mean())
    error = (image - kept["truth"]) / height[..., None]
    axes, _ = views(torch.from_numpy(kept["truth"]))
    kept["error"] = np.einsum("fab,fpb->fpa", axes.numpy(), error)
    kept["confidence"], kept["exchanged"] = confidence, np.stack(exchanged, 1)
    return kept, shares


def describe(found: dict[str, Array]) -> dict[str, Any]:
    """The arrays of the error file."""
    kept, shares = select(found)
    truth, inside = kept["truth"], ~kept["outside"]
    doubt = _logit(kept["confidence"])
    bias = fit_bias(kept)
    rest = kept["error"] - bias_at(bias, kept["turn"])
    size = np.log(np.linalg.norm(rest, axis=-1) + 1e-4) - _RAYLEIGH[0]
    expected = _expected_size(size, doubt, inside)
    spread = float(np.var((size - expected)[inside]))
    shrink = np.sqrt(max(spread - _RAYLEIGH[1], 0.05) / spread)
    size = expected + shrink * (size - expected)
    unit = rest / (np.linalg.norm(rest, axis=-1, keepdims=True) + 1e-9)
    correlation = _correlation(unit, inside)
    # What lies outside the picture is drawn apart: an entry tells what it would be inside.
    typical = np.array([np.median(doubt[inside[:, i], i]) for i in range(33)])
    size = np.where(inside, size, _expected_size(size, np.broadcast_to(typical, size.shape), inside, doubt))
    doubt_inside = np.where(inside, doubt, typical)
    lags, memory, wobble = _over_time(kept, unit, doubt, inside)
    outside = _outside(kept)
    chosen = _thinned(kept["shot"])
    print({name: f"{share:.1%}" for name, share in shares.items()})
    print("correlation over frames", np.round(lags, 2))
    print(
        "persistent, drifting, memory", np.round(memory, 2), "wobble of confidence logits", round(wobble, 2)
    )
    feature = features(torch.from_numpy(truth[chosen]), torch.from_numpy(kept["height"][chosen])).numpy()
    return {
        "feature": feature.astype(np.float16),
        "log_size": size[chosen].astype(np.float16),
        "logit": doubt_inside[chosen].astype(np.float16),
        "turn": kept["turn"][chosen].astype(np.float16),
        "bias": bias.astype(np.float32),
        "factor": np.linalg.cholesky(correlation).astype(np.float32),
        **outside,
    }


def fit_bias(kept: dict[str, Array]) -> Array:
    """Constant errors by view, (33,2,3): a + b cos(turn) + c sin(turn), from both mirror images, robustly."""
    turn = np.concatenate([kept["turn"], -kept["turn"]])
    error = np.concatenate([kept["error"], kept["error"][:, MIRRORED_LANDMARK] * [-1, 1]])
    inside = ~np.concatenate([kept["outside"], kept["outside"][:, MIRRORED_LANDMARK]])
    sure = np.concatenate([kept["confidence"], kept["confidence"][:, MIRRORED_LANDMARK]]) > 0.5
    design = np.stack([np.ones_like(turn), np.cos(turn), np.sin(turn)], 1)
    out = np.zeros((33, 2, 3))
    for i in range(33):
        use = inside[:, i] & sure[:, i]
        if use.sum() < 30:
            continue
        rows, target = design[use], error[use, i]
        weight = np.ones(len(rows))
        for _ in range(8):
            normal = (rows * weight[:, None]).T @ rows + 3 * np.eye(3)
            out[i] = np.linalg.solve(normal, (rows * weight[:, None]).T @ target).T
            left = np.linalg.norm(target - rows @ out[i].T, axis=1)
            weight = 1 / (1 + (left / 0.012) ** 2)
    return out


def bias_at(bias: Array, turn: Array) -> Array:
    """(F,33,2) for turns (F,)."""
    view = np.stack([np.ones_like(turn), np.cos(turn), np.sin(turn)], 1)
    bent: Array = np.einsum("pak,fk->fpa", bias, view)
    return bent


def _logit(confidence: Array) -> Array:
    clipped = np.clip(confidence, 0.002, 0.9995)
    logit: Array = np.log(clipped / (1 - clipped))
    return logit


def _expected_size(size: Array, doubt: Array, inside: Array, fitted_on: Array | None = None) -> Array:
    """Mean log size by landmark and confidence logit (F,33): a landmark's level plus a common broken line."""
    knots = np.array([-6.0, -2.0, 0.0, 2.0, 4.0, 7.6])

    def hats(values: Array) -> Array:
        return np.stack([np.interp(values, knots, np.eye(len(knots))[k]) for k in range(len(knots))], -1)

    fit_doubt = doubt if fitted_on is None else fitted_on
    pair = np.minimum(np.arange(33), MIRRORED_LANDMARK)
    level = np.eye(33)[pair]
    rows = np.concatenate([np.broadcast_to(level, (*size.shape, 33)), hats(fit_doubt)], -1)[inside]
    solution = np.linalg.solve(rows.T @ rows + 1.0 * np.eye(rows.shape[1]), rows.T @ size[inside])
    expected: Array = level @ solution[:33] + hats(doubt) @ solution[33:]
    return expected


def _correlation(unit: Array, inside: Array) -> Array:
    """Correlation (33,33) of normals whose directions agree as measured, mirror-symmetric and positive."""
    known = unit * inside[..., None]
    agree = np.einsum("fia,fja->ij", known, known) / np.maximum(
        np.einsum("fi,fj->ij", inside * 1.0, inside * 1.0), 1
    )
    flip = known[:, MIRRORED_LANDMARK] * [-1, 1]
    seen = inside[:, MIRRORED_LANDMARK]
    agree_flip = np.einsum("fia,fja->ij", flip, flip) / np.maximum(
        np.einsum("fi,fj->ij", seen * 1.0, seen * 1.0), 1
    )
    correlation = from_cosine(0.5 * (agree + agree_flip))
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    correlation = (vectors * np.maximum(values, 0.02)) @ vectors.T
    scale = np.sqrt(np.diag(correlation))
    out: Array = correlation / scale[:, None] / scale
    return out


def from_cosine(cosine: Array) -> Array:
    """Correlation of two plane normal vectors whose directions' mean cosine is this.

    E cos = (pi / 4) k 2F1(1/2, 1/2; 2; k^2), inverted from a table.
    """
    k = np.linspace(-1, 1, 401)
    term, series = np.ones_like(k), np.zeros_like(k)
    for n in range(400):
        series += term
        term = term * (0.5 + n) ** 2 / ((2 + n) * (1 + n)) * k**2
    return np.interp(cosine, np.pi / 4 * k * series, k)


def _over_time(
    kept: dict[str, Array], unit: Array, doubt: Array, inside: Array
) -> tuple[Array, tuple[float, float, float], float]:
    """Correlation of directions at lags 0..., (persistent, drifting, memory), spread of confidence logits."""
    together: dict[int, list[float]] = {}
    wobble: list[float] = []
    for shot in np.unique(kept["shot"]):
        rows = np.flatnonzero(kept["shot"] == shot)
        for lag in range(1, min(len(rows), 12)):
            both = inside[rows[lag:]] & inside[rows[:-lag]]
            agree = (unit[rows[lag:]] * unit[rows[:-lag]]).sum(-1)
            together.setdefault(lag, []).extend(agree[both].tolist())
        if len(rows) > 5:
            moving = doubt[rows] - doubt[rows].mean(0)
            wobble += moving[inside[rows]].tolist()
    if not together:
        return np.ones(1), (0.6, 0.2, 0.9), 0.5
    lags = from_cosine(np.array([np.mean(together[lag]) for lag in sorted(together)]))
    number = np.arange(1, len(lags) + 1)
    best = (np.inf, 0.6, 0.2, 0.9)
    for memory in np.linspace(0.5, 0.97, 48):
        rows_ = np.stack([np.ones(len(lags)), memory**number], 1)
        persistent, drifting = np.clip(np.linalg.lstsq(rows_, lags, rcond=None)[0], 0, 1)
        drifting = min(drifting, 1 - persistent)
        miss = float(((rows_ @ [persistent, drifting] - lags) ** 2).sum())
        best = min(best, (miss, float(persistent), float(drifting), float(memory)))
    return np.concatenate([[1.0], lags]), best[1:], float(np.std(wobble))


def _outside(kept: dict[str, Array]) -> dict[str, Any]:
    """How points beyond the picture's edge are found; see `MeasuredErrors.outside`."""
    outside, height = kept["outside"], kept["height"][:, None, None]
    beyond = (kept["truth"] - np.clip(kept["truth"], 0, kept["size"][:, None])) / height
    axes, _ = views(torch.from_numpy(kept["truth"]))
    beyond = np.einsum("fab,fpb->fpa", axes.numpy(), beyond)[outside]
    error, logit = kept["error"][outside], _logit(kept["confidence"][outside])
    far = np.linalg.norm(beyond, axis=1)
    out = beyond / far[:, None]
    along = (error * out).sum(1)
    pull = -float(np.median(along[far > 0.03] / far[far > 0.03]))
    left = np.abs(error + pull * beyond).mean(1) * np.sqrt(np.pi / 2)  # of a normal number: its deviation
    rows = np.stack([np.ones(len(far)), far], 1)
    weight = 1 / (0.02 + 0.3 * far)[:, None] ** 2
    spread = np.linalg.solve((rows * weight).T @ rows, (rows * weight).T @ left)
    line = np.linalg.solve(rows.T @ rows, rows.T @ logit)
    numbers = [pull, *spread, *line, float(np.std(logit - rows @ line))]
    print("outside", np.round(numbers, 3))
    return {"outside": np.array(numbers, np.float32)}


def _thinned(shot: Array) -> Array:
    """Frames to keep: every single picture, every fourth frame of a clip."""
    place = np.arange(len(shot)) - np.searchsorted(shot, shot)
    return np.flatnonzero(place % 4 == 0)


if __name__ == "__main__":
    main()
