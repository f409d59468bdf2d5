"""A network over a test set: the two errors training watches, and all that the published evaluation gives."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...datasets.sample import Dataset
from ...pose2mesh.metrics import hand_scores
from ...pose2mesh.posenet import PoseNet
from .config import Experiment
from .data import evaluation_batches, on_device
from .mesh import HUMAN36M_EVALUATED, Mesh
from .scores import body_scores, epoch_errors, evaluated_joints, lifted_scores, motion_scores

MILLIMETRES = 1000.0
Arrays = dict[str, npt.NDArray[np.float64]]


def watch(
    model: nn.Module, dataset: Dataset, experiment: Experiment, mesh: Mesh, device: torch.device, workers: int
) -> tuple[float, float] | None:
    """MPJPE and MPVPE in mm as the training watches them: the mean of the batches' means.

    PoseNet alone has no vertices: 0. None where the test set holds no truth.
    """
    found = []
    for predicted, truth in _predictions(model, dataset, experiment, device, workers):
        if not truth["lifted_valid"].any():
            return None
        if isinstance(model, PoseNet):
            scores = lifted_scores(
                predicted, truth["lifted_joints"], experiment.joint_set, _evaluated(experiment)
            )
            found.append((float(scores["mpjpe"].mean()), 0.0))
        else:
            true_vertices = MILLIMETRES * truth["vertices"]
            found.append(epoch_errors(predicted, true_vertices, truth["mesh_joints"], mesh))
    joint, surface = np.mean(found, axis=0)
    return float(joint), float(surface)


def evaluate(
    model: nn.Module,
    dataset: Dataset,
    experiment: Experiment,
    mesh: Mesh,
    device: torch.device,
    workers: int = 0,
    predictions: Path | None = None,
) -> dict[str, float]:
    """The published evaluation, millimetres, averaged over samples.

    Bodies: `scores.body_scores`, and `scores.motion_scores` where the dataset knows its videos. Hands:
    `metrics.hand_scores` where truth is at hand. PoseNet alone: MPJPE and PA-MPJPE of the lifted joints.

    Args:
        predictions: for hands, where to write the file that the FreiHAND benchmark takes: joints and vertices
            of every sample in millimetres, in the order of the dataset.
    """
    sums: dict[str, float] = defaultdict(float)
    samples = 0
    joints, true_joints, vertices = [], [], []
    for predicted, truth in _predictions(model, dataset, experiment, device, workers, show=True):
        known = bool(truth["lifted_valid"].any())
        if isinstance(model, PoseNet):
            joints.append(predicted)
            scores: dict[str, Any] = {}
            if known:
                every = _evaluated(experiment)
                scores = dict(lifted_scores(predicted, truth["lifted_joints"], experiment.joint_set, every))
        elif mesh.skeleton is None:
            vertices.append(predicted)
            joints.append(mesh.regressor @ predicted)
            true = truth["mesh_joints"] / MILLIMETRES
            scores = dict(hand_scores(joints[-1], predicted, true, truth["vertices"])) if known else {}
        else:
            true_vertices = MILLIMETRES * truth["vertices"]
            scores = dict(body_scores(predicted, true_vertices, truth["mesh_joints"], mesh))
            joints.append(evaluated_joints(mesh.regressor @ predicted, mesh))
            true_joints.append(evaluated_joints(truth["mesh_joints"], mesh))
        for name, value in scores.items():
            sums[name] += float(np.mean(value)) * len(predicted)
        samples += len(predicted) if known else 0
    result = {name: value / samples for name, value in sums.items()}
    if true_joints and hasattr(dataset, "videos"):
        result |= motion_scores(np.concatenate(joints), np.concatenate(true_joints), dataset.videos())
    if predictions is not None and mesh.skeleton is None:
        write_predictions(predictions, np.concatenate(joints), np.concatenate(vertices or joints))
    return result


def write_predictions(
    path: Path, joints: npt.NDArray[np.floating], vertices: npt.NDArray[np.floating]
) -> None:
    """`pred.json` of the FreiHAND benchmark: two lists over samples, (21, 3) joints and (778, 3) vertices.

    In millimetres, as published: the benchmark's aligned scores do not depend on the unit. Of PoseNet alone
    the published code writes the joints in the place of the vertices too.
    """
    content = [np.round(each.astype(np.float64), 4).tolist() for each in (joints, vertices)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _evaluated(experiment: Experiment) -> tuple[int, ...] | None:
    """Which of the lifted joints count: 14 of Human3.6M's, all of the other sets."""
    return HUMAN36M_EVALUATED if experiment.joint_set == "human36m17" else None


def _predictions(
    model: nn.Module,
    dataset: Dataset,
    experiment: Experiment,
    device: torch.device,
    workers: int,
    show: bool = False,
) -> Iterator[tuple[npt.NDArray[np.float64], Arrays]]:
    """Per batch what the network gives, vertices or PoseNet's joints in mm, and the batch as arrays."""
    from tqdm import tqdm

    model.eval()
    batches = evaluation_batches(dataset, experiment, workers)
    bar = tqdm(total=len(batches), desc="test", unit="batch", file=sys.stderr, leave=show)
    with torch.inference_mode(), bar:
        for batch in on_device(batches, device):
            output = model(batch["pose2d"])
            predicted = output if isinstance(model, PoseNet) else MILLIMETRES * output[0]
            arrays = {name: value.double().cpu().numpy() for name, value in batch.items()}
            yield predicted.double().cpu().numpy(), arrays
            bar.update()
