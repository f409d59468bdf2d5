"""The shipped body, and a walking person whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from pipeline_helpers import Walker

from engine.body.model import BodyModel
from engine.fit.camera import project


@pytest.fixture(scope="session")
def body() -> BodyModel:
    return BodyModel.load("open_body")


@pytest.fixture(scope="session")
def walker(body: BodyModel) -> Walker:
    times = np.arange(40) / 30
    swing = np.sin(2 * np.pi * times)
    poses = np.zeros((40, 24, 3), np.float32)
    poses[:, 0] = [np.pi, 0, 0]  # upright before a camera with y down
    poses[:, [16, 17], 2] = np.array([-1.1, 1.1])
    poses[:, 1, 0], poses[:, 2, 0] = 0.5 * swing, -0.5 * swing
    poses[:, [4, 5], 0] = 0.3
    poses[:, 18, 1], poses[:, 19, 1] = -0.4 + 0.3 * swing, 0.4 + 0.3 * swing
    betas = np.zeros(10, np.float32)
    trans = np.stack([0.2 * times, 0 * times, 4.0 - 0.3 * times], axis=1).astype(np.float32)
    camera = np.array([[1000, 0, 540], [0, 1000, 540], [0, 0, 1]], np.float32)
    landmarks = body.landmarks(body.vertices(poses, betas, trans))
    keypoints = np.concatenate([project(landmarks, camera), np.full((40, 33, 1), 0.95)], axis=-1)
    return Walker(times.astype(np.float32), poses, betas, trans, keypoints.astype(np.float32), camera)
