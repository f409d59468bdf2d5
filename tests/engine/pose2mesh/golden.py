"""The golden numbers of the published network and the formula behind its parameters (see data/README.md)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

DATA = Path(__file__).parent / "data"
NAMES = {"human36m17": "human36", "mano21": "mano"}


@cache
def golden(name: str) -> dict[str, Any]:
    """All arrays of golden_<name>.npz."""
    with np.load(DATA / f"golden_{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def uniform(tag: int, count: int) -> np.ndarray:
    """u(tag, i) for i < count: float64 in [0, 1) from a 32-bit integer hash."""
    h = np.arange(count, dtype=np.uint32)
    h *= np.uint32(0x9E3779B1)
    h += np.uint32((tag * 0x85EBCA77 + 0x165667B1) & 0xFFFFFFFF)
    h ^= h >> 15
    h *= np.uint32(0x2C1B3C6D)
    h ^= h >> 12
    h *= np.uint32(0x297A2D39)
    h ^= h >> 15
    return h / 2.0**32


def state(name: str) -> dict[str, torch.Tensor]:
    """The float32 state dict that golden_<name>.npz was made with, in its order."""
    data = golden(name)
    return {
        str(key): _parameter(tag, str(key), tuple(json.loads(str(shape))))
        for tag, (key, shape) in enumerate(zip(data["state_keys"], data["state_shapes"], strict=True))
    }


def _parameter(tag: int, key: str, shape: tuple[int, ...]) -> torch.Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.tensor(1000 + tag)
    u = uniform(tag, int(np.prod(shape)))
    s = 2.0 * u - 1.0
    kind = key.rsplit(".", 1)[-1]
    if "batch_norm" in key or ".bn." in key:
        value = {"weight": 1 + 0.2 * s, "bias": 0.1 * s, "running_mean": 0.1 * s, "running_var": 1 + 0.5 * u}[
            kind
        ]
    elif kind == "weight":
        value = (300.0 if key == "pose_lifter.w2.weight" else np.sqrt(2.0)) * np.sqrt(3.0 / shape[1]) * s
    else:
        value = (30.0 if key == "pose_lifter.w2.bias" else 0.1) * s
    return torch.from_numpy(value.astype(np.float32).reshape(shape))
