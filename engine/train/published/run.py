"""An experiment from the user's files to a checkpoint, and a checkpoint to its scores."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ...errors import EngineError
from ...pose2mesh import weights
from ...pose2mesh.checkpoint import import_checkpoint
from ...pose2mesh.posenet import PoseNet
from .checkpoints import load_posenet
from .config import Experiment
from .evaluation import evaluate
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
    mesh = mesh_for(experiment.joint_set, bodies)
    return train(experiment, mixture, test, mesh, out, device, init, workers)


def score(
    experiment: Experiment,
    sources: Sources,
    checkpoint: Path,
    device: torch.device,
    workers: int = 0,
    predictions: Path | None = None,
) -> dict[str, float]:
    """Test a checkpoint; returns the published errors. See `evaluation.evaluate`.

    Args:
        checkpoint: a published `.pth.tar`, one made here, or imported weights (`.safetensors`).

    Raises:
        EngineError: data, body or checkpoint are missing or unusable.
    """
    bodies = load_bodies(experiment, sources)
    mesh = mesh_for(experiment.joint_set, bodies)
    model = load_network(experiment, checkpoint, mesh).to(device)
    test = open_test(experiment, sources.data, bodies)
    return evaluate(model, test, experiment, mesh, device, workers, predictions)


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
        return import_checkpoint(checkpoint, mesh.faces, mesh.template, experiment.joint_set).model
    model, description = weights.load(checkpoint)
    found = (description.config.joint_set, len(model.pyramid.vertex_slots))
    if found != (experiment.joint_set, len(mesh.template)):
        raise EngineError(
            f"{checkpoint} is for {found[0]} and {found[1]} vertices, not for {experiment.joint_set} and "
            f"{len(mesh.template)}: choose the weights of this experiment."
        )
    return model
