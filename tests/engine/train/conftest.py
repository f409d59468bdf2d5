"""The shipped body and a small motion file in the format of the training data, made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.body.model import BodyModel


@pytest.fixture(scope="session")
def body() -> BodyModel:
    return BodyModel.load("open_body")


@pytest.fixture(scope="session")
def motion_file(tmp_path_factory: pytest.TempPathFactory, body: BodyModel) -> Path:
    """Two clips of 40 frames of seeded, smooth, moderate motion on the body's own skeleton."""
    rng = np.random.default_rng(3)
    time = np.linspace(0, 2 * np.pi, 40)[:, None, None]
    clips = [
        rng.normal(0, 0.25, (24, 3)) * np.sin(time + rng.uniform(0, 6, (24, 3))) + rng.normal(0, 0.1, (24, 3))
        for _ in range(2)
    ]
    poses = np.concatenate(clips).astype(np.float16)
    path = tmp_path_factory.mktemp("motions") / "motions.npz"
    np.savez(
        path,
        poses=poses,
        trans=np.zeros((80, 3), np.float32),
        clip_index=np.repeat(np.arange(2, dtype=np.int16), 40),
        clip_names=np.array(["one", "two"]),
        unique_idx=np.arange(0, 80, 2, dtype=np.int32),
        rest_joints=body.rest_joints(np.zeros(10)),
        parents=body.parents,
        fps=np.int16(30),
    )
    return path
