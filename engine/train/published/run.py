"""An experiment from the user's files to a checkpoint, and a checkpoint to its scores."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from ...datasets.sample import Dataset
from ...errors import EngineError
from ...pose2mesh import weights
from ...pose2mesh.checkpoint import import_checkpoint
from ...pose2mesh.metrics import hand_scores
from ...pose2mesh.model import build
from ...pose2mesh.posenet import PoseNet
from .checkpoints import load_own, load_posenet
from .config import Experiment
from .evaluation import evaluate, predict_hands, write_predictions
from .hand_truth import read_hand_truth
from .loop import train
from .mesh import Mesh, mesh_for
from .sources import Sources, load_bodies, open_test, open_training


def run(
    experiment: Experiment,
    sources: Sources,
    out: Path,
    device: torch.device,
    init: Path | None = None,
    workers: int = 0,
) -> Path:
    """Train; returns the final checkpoint. See `loop.train`.

    Raises:
        EngineError: data, body or PoseNet are missing or unusable.
    """
    bodies = load_bodies(experiment, sources)
    mixture = open_training(experiment, sources.data, bodies)
    test = open_test(experiment, sources.data, bodies)
    _warn_of_true_input(experiment, test)
    mesh = mesh_for(experiment.joint_set, bodies)
    return train(experiment, mixture, test, mesh, out, device, init, workers)


def score(
    experiment: Experiment,
    sources: Sources,
    checkpoint: Path,
    device: torch.device,
    workers: int = 0,
    predictions: Path | None = None,
    hand_truth: Path | None = None,
) -> dict[str, float]:
    """Test a checkpoint; returns `evaluation.evaluate`'s errors, for hands `metrics.hand_scores`.

    Args:
        checkpoint: a published `.pth.tar`, one made here, or imported weights (`.safetensors`).
        predictions: for hands, where to write the file the FreiHAND benchmark takes.
        hand_truth: for hands, the folder of the benchmark's own truth; without it and without truth in the
            test set there are no scores.

    Raises:
        EngineError: data, body, checkpoint or truth are missing or unusable.
    """
    bodies = load_bodies(experiment, sources)
    mesh = mesh_for(experiment.joint_set, bodies)
    model = load_network(experiment, checkpoint, mesh).to(device)
    test = open_test(experiment, sources.data, bodies)
    _warn_of_true_input(experiment, test)
    if mesh.skeleton is not None:
        return evaluate(model, test, experiment, mesh, device, workers)
    truth = None if hand_truth is None else read_hand_truth(hand_truth, len(test))
    hands = predict_hands(model, test, experiment, mesh, device, workers)
    if predictions is not None:
        write_predictions(predictions, hands)
    if experiment.stage == "posenet":
        return evaluate(model, test, experiment, mesh, device, workers)
    true_joints, true_vertices = truth or (hands.true_joints, hands.true_vertices)
    if true_joints is None or true_vertices is None:
        return {}
    if true_vertices.shape != hands.vertices.shape:
        raise EngineError(
            f"The truth has {true_vertices.shape[1]} vertices, the hand {hands.vertices.shape[1]}: use files "
            "of one release."
        )
    return hand_scores(hands.joints, hands.vertices, true_joints, true_vertices)


def load_network(experiment: Experiment, checkpoint: Path, mesh: Mesh) -> nn.Module:
    """The network in a checkpoint, for the experiment's joints and mesh.

    Raises:
        EngineError: there is none, or it is another experiment's.
    """
    if experiment.stage == "posenet":
        posenet = PoseNet(experiment.network.pose)
        load_posenet(posenet, checkpoint)
        return posenet
    if checkpoint.suffix != ".safetensors":
        with torch.device("meta"):
            own = build(experiment.network, mesh.faces)
        if load_own(checkpoint, own):
            return own
        return import_checkpoint(checkpoint, mesh.faces, mesh.template, experiment.joint_set).model
    model, description = weights.load(checkpoint)
    found = (description.config.joint_set, len(model.pyramid.vertex_slots))
    if found != (experiment.joint_set, len(mesh.template)):
        raise EngineError(
            f"{checkpoint} is for {found[0]} and {found[1]} vertices, not for {experiment.joint_set} and "
            f"{len(mesh.template)}: choose the weights of this experiment."
        )
    return model


def _warn_of_true_input(experiment: Experiment, test: Dataset) -> None:
    """Detections make the errors: without them figures are not comparable to the published ones."""
    if experiment.detected and test[0].detected2d is None:
        print(
            f"Warning: {experiment.test} has no detections here; true projections go in instead.",
            file=sys.stderr,
        )
