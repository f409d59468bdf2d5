"""The headline figures: truth scores zero, known errors score what they are, and the scenes stay put."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.body.model import BodyModel
from engine.pose2mesh.body_network import (
    BodyNetwork,
    body_config,
    load_body_network,
    save_body_network,
    shipped_weights,
)
from engine.pose2mesh.observation import Observation
from engine.train.body_torch import BodyTorch
from engine.train.evaluate import CASES, JOINTS, errors, evaluate, evaluation_pairs, see
from engine.train.evaluate_weights import BATCH, Predictor
from engine.train.motions import MotionSet, load_motions
from engine.train.synthesis import Pairs


@pytest.fixture(scope="module")
def points(body: BodyModel) -> BodyTorch:
    return BodyTorch(body, np.arange(0, 12000, 500))


@pytest.fixture(scope="module")
def motions(motion_file: Path, body: BodyModel) -> MotionSet:
    return load_motions(motion_file, body, unique_only=False)


def test_a_perfect_network_gives_zero(points: BodyTorch, motions: MotionSet) -> None:
    batches = list(evaluation_pairs(points, motions, "clean", 0))
    truth = iter([(pairs.joints.numpy(), pairs.vertices.numpy()) for pairs in batches])
    assert max(errors(lambda _: next(truth), batches).values()) < 1e-3
    scaled = iter([(1.1 * pairs.joints.numpy(), 1.1 * pairs.vertices.numpy()) for pairs in batches])
    figures = errors(lambda _: next(scaled), batches)
    assert figures["mpjpe"] > 20 and figures["pa_mpjpe"] < 1e-2


def test_one_joint_off_counts_for_its_share(points: BodyTorch, motions: MotionSet) -> None:
    batches = list(evaluation_pairs(points, motions, "clean", 0))

    def off(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
        joints = pairs.joints.numpy().copy()
        joints[:, 20] += [0, 0, 0.022]
        return joints, pairs.vertices.numpy()

    predictions = iter([off(pairs) for pairs in batches])
    figures = errors(lambda _: next(predictions), batches)
    assert figures["mpjpe"] == pytest.approx(22 / len(JOINTS), abs=1e-3)
    assert figures["accel"] < 1.0  # a constant error does not shake, but the virtual camera turns a little


def test_the_cases_show_one_scene(points: BodyTorch, motions: MotionSet) -> None:
    """Same camera, same distance, same body: only what the detector makes of it differs."""
    rotations = motions.rotations[motions.clip == 0]
    sights = [see(points, rotations, case, 5) for case in CASES]
    for sight in sights[1:]:
        assert torch.equal(sight.camera, sights[0].camera) and sight.distance == sights[0].distance
        turn = sight.pairs.observation.rotation.transpose(1, 2)
        clean_turn = sights[0].pairs.observation.rotation.transpose(1, 2)
        in_camera, clean = sight.pairs.joints @ turn, sights[0].pairs.joints @ clean_turn
        assert (in_camera - clean).abs().max() < 1e-5
        assert not torch.allclose(sight.pairs.observation.points, sights[0].pairs.observation.points)


def test_errors_of_a_sequence_last(points: BodyTorch, motions: MotionSet) -> None:
    """Noise that is drawn anew jumps from frame to frame far more than noise that drifts."""
    rotations = motions.rotations[motions.clip == 0]
    clean = see(points, rotations, "clean", 5).pairs.observation.points[:, 11:, :2]

    def jump(case: str) -> float:
        error = see(points, rotations, case, 5).pairs.observation.points[:, 11:, :2] - clean
        return float((error[1:] - error[:-1]).abs().median() / error.abs().median())

    assert jump("detector_sequence") < 0.7 * jump("detector_noise")


def test_every_case_is_reported(points: BodyTorch, motions: MotionSet) -> None:
    def blind(observation: Observation) -> tuple[np.ndarray, np.ndarray]:
        frames = len(observation.extent)
        return np.zeros((frames, 24, 3), np.float32), np.zeros((frames, 24, 3), np.float32)

    figures = evaluate(blind, points, motions)
    assert tuple(figures) == CASES
    assert all(set(f) == {"mpjpe", "pa_mpjpe", "mpvpe", "pa_mpvpe", "accel"} for f in figures.values())
    # A clip's camera depends on no other clip and on no noise, so that the truth is the same in all of them.
    assert figures["clean"]["mpjpe"] == pytest.approx(figures["detector_noise"]["mpjpe"], rel=1e-5)


def test_a_temporal_network_sees_whole_clips(tmp_path: Path) -> None:
    """Batches bound the memory of the mesh, and must not cut the clip that the lifter looks along."""
    torch.manual_seed(0)
    mesh = load_body_network(shipped_weights("open_body_light")).mesh
    network = BodyNetwork(body_config(32, ((16,),), (), temporal_width=8), mesh).eval()
    for mixer in network.network.pose_lifter.mixers:
        torch.nn.init.normal_(mixer.up.weight)
    save_body_network(network, tmp_path / "temporal.safetensors", {})
    predictor = Predictor(str(tmp_path / "temporal.safetensors"), torch.device("cpu"))
    frames = BATCH + 20
    turn = torch.eye(3).expand(frames, -1, -1)
    observation = Observation(torch.randn(frames, 33, 3), torch.ones(frames, 1), turn)
    landmarks, vertices = predictor.lift(observation)
    with torch.no_grad():
        whole = predictor.network.lift_both_sides(observation, frames)
        parts = [Observation(*(f[part] for f in observation)) for part in (slice(BATCH), slice(BATCH, None))]
        cut = torch.cat([predictor.network.lift_both_sides(part, len(part.extent)) for part in parts])
    assert np.allclose(landmarks, whole.numpy(), atol=1e-5) and len(vertices) == frames
    assert (whole - cut).abs().max() > 1e-3
