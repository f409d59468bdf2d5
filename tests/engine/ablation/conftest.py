"""One small setting for the whole room, on motion made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.ablation.runner import Setting, prepare
from engine.body.model import BodyModel


@pytest.fixture(scope="session")
def motion_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of 16 frames of seeded, smooth motion on the open body's own skeleton."""
    rng = np.random.default_rng(5)
    time = np.linspace(0, 4, 16)[:, None, None]
    poses = [rng.normal(0, 0.25, (24, 3)) * np.sin(time + rng.uniform(0, 6, (24, 3))) for _ in range(2)]
    path = tmp_path_factory.mktemp("motions") / "motions.npz"
    np.savez(
        path,
        poses=np.concatenate(poses).astype(np.float16),
        clip_index=np.repeat(np.arange(2, dtype=np.int16), 16),
        clip_names=np.array(["one", "two"]),
        unique_idx=np.arange(32, dtype=np.int32),
        rest_joints=BodyModel.load("open_body").rest_joints(np.zeros(10)),
    )
    return path


@pytest.fixture(scope="session")
def setting(motion_file: Path) -> Setting:
    return prepare(motion_file, None, vertices=150, seed=0, device=torch.device("cpu"))
