from __future__ import annotations

import numpy as np
import pytest
import torch
from pipeline_helpers import Walker

from engine.body.model import BodyModel
from engine.errors import EngineError
from engine.pipeline.lift import Lifter, choose_device
from engine.pose2mesh.metrics import aligned_mean_distance


@pytest.fixture(scope="module")
def lifter() -> Lifter:
    return Lifter("open_body_light", torch.device("cpu"))


def test_perfect_landmarks_become_the_pose(lifter: Lifter, walker: Walker, body: BodyModel) -> None:
    vertices, landmarks = lifter.lift(walker.keypoints, walker.camera)
    truth = body.vertices(walker.poses, walker.betas, walker.trans)[:, lifter.mesh.vertex_ids]
    assert aligned_mean_distance(vertices, truth) < 0.06
    assert landmarks.shape == (40, 33, 3)
    # In camera axes: the head is above the feet (y down) whatever the virtual camera did.
    assert (landmarks[:, 0, 1] < landmarks[:, 29, 1] - 1.0).all()


def test_where_the_person_stands_in_the_picture_does_not_matter(
    lifter: Lifter, walker: Walker, body: BodyModel
) -> None:
    aside = body.landmarks(body.vertices(walker.poses, walker.betas, walker.trans + np.float32([1.5, 0, 0])))
    plane = aside[..., :2] / aside[..., 2:] * 1000 + 540
    keypoints = np.concatenate([plane, walker.keypoints[..., 2:]], axis=-1).astype(np.float32)
    centre, _ = lifter.lift(walker.keypoints, walker.camera)
    moved, _ = lifter.lift(keypoints, walker.camera)
    assert aligned_mean_distance(moved, centre) < 0.06


def test_frames_do_not_influence_one_another(lifter: Lifter, walker: Walker) -> None:
    together, _ = lifter.lift(walker.keypoints[:5], walker.camera)
    alone, _ = lifter.lift(walker.keypoints[3:4], walker.camera)
    np.testing.assert_allclose(together[3], alone[0], atol=1e-5)


def test_devices_and_weights_that_are_not_there_are_named() -> None:
    with pytest.raises(EngineError, match="unknown"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(EngineError, match="CUDA"):
            choose_device("cuda")
        assert choose_device("auto").type == "cpu"
    with pytest.raises(EngineError, match="missing"):
        Lifter("no_such_weights", torch.device("cpu"))
