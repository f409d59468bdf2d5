"""A network over a test set: the two errors training watches, and all that the published evaluation gives."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...datasets.sample import Dataset
from ...errors import EngineError
from ...pose2mesh.posenet import PoseNet
from .config import Experiment
from .data import evaluation_batches, on_device
from .mesh import HUMAN36M_EVALUATED, Mesh
from .scores import body_scores, epoch_errors, evaluated_joints, lifted_scores, motion_scores

MILLIMETRES = 1000.0
Array = npt.NDArray[np.float64]


def watch(
    model: nn.Module, dataset: Dataset, experiment: Experiment, mesh: Mesh, device: torch.device, workers: int
) -> dict[str, float]:
    """`test_mpjpe` and `test_mpvpe` in mm as the training watches them: the means of the batches' means.

    PoseNet alone has the first only; there is neither where the test set holds no truth.
    """
    found: list[tuple[float, ...]] = []
    for predicted, truth in _predictions(model, dataset, experiment, device, workers):
        if not truth["lifted_valid"].any():
            return {}
        if isinstance(model, PoseNet):
            every = _evaluated(experiment)
            scores = lifted_scores(predicted, truth["lifted_joints"], experiment.joint_set, every)
            found.append((float(scores["mpjpe"].mean()),))
        else:
            true_vertices = MILLIMETRES * truth["vertices"]
            found.append(epoch_errors(predicted, true_vertices, truth["mesh_joints"], mesh))
    return dict(zip(("test_mpjpe", "test_mpvpe"), np.mean(found, axis=0).tolist(), strict=False))


def evaluate(
    model: nn.Module,
    dataset: Dataset,
    experiment: Experiment,
    mesh: Mesh,
    device: torch.device,
    workers: int = 0,
) -> dict[str, float]:
    """The published evaluation of a body's network, in millimetres, averaged over samples.

    Both networks: `scores.body_scores`, and `scores.motion_scores` where the dataset knows its videos.
    PoseNet alone, hands included: MPJPE and PA-MPJPE of the lifted joints, nothing where there is no truth.
    """
    sums: dict[str, float] = defaultdict(float)
    samples = 0
    joints, true_joints = [], []
    for predicted, truth in _predictions(model, dataset, experiment, device, workers, show=True):
        if isinstance(model, PoseNet):
            if not truth["lifted_valid"].any():
                continue
            every = _evaluated(experiment)
            scores = lifted_scores(predicted, truth["lifted_joints"], experiment.joint_set, every)
        else:
            true_vertices = MILLIMETRES * truth["vertices"]
            scores = body_scores(predicted, true_vertices, truth["mesh_joints"], mesh)
            joints.append(evaluated_joints(mesh.regressor @ predicted, mesh))
            true_joints.append(evaluated_joints(truth["mesh_joints"], mesh))
        for name, value in scores.items():
            sums[name] += float(value.sum())
        samples += len(predicted)
    result = {name: value / samples for name, value in sums.items()}
    if joints and hasattr(dataset, "videos"):
        result |= motion_scores(np.concatenate(joints), np.concatenate(true_joints), dataset.videos())
    return result


@dataclass(frozen=True)
class Hands:
    """A test set of hands, in its order.

    Attributes:
        joints: (N, 21, 3) millimetres, relative to the network's root.
        vertices: (N, V, 3) the same; PoseNet alone has none, and the joints stand here as in the published
            code.
        true_joints, true_vertices: (N, 21, 3), (N, V, 3) metres, or None where the test set has no truth.
    """

    joints: Array
    vertices: Array
    true_joints: Array | None
    true_vertices: Array | None


def predict_hands(
    model: nn.Module,
    dataset: Dataset,
    experiment: Experiment,
    mesh: Mesh,
    device: torch.device,
    workers: int = 0,
) -> Hands:
    """What a hand's network says about every sample."""
    parts: list[list[Array]] = [[], [], [], []]
    known = True
    for predicted, truth in _predictions(model, dataset, experiment, device, workers, show=True):
        lifted = isinstance(model, PoseNet)
        known = known and not lifted and bool(truth["lifted_valid"].all())
        parts[0].append(predicted if lifted else mesh.regressor @ predicted)
        parts[1].append(predicted)
        if known:
            parts[2].append(truth["mesh_joints"] / MILLIMETRES)
            parts[3].append(truth["vertices"])
    joints, vertices, *truths = (np.concatenate(part) if part else None for part in parts)
    assert joints is not None and vertices is not None
    true_joints, true_vertices = truths if known else (None, None)
    return Hands(joints, vertices, true_joints, true_vertices)


def write_predictions(path: Path, hands: Hands) -> None:
    """`pred.json` of the FreiHAND benchmark: two lists over samples, (21, 3) joints and (778, 3) vertices.

    In millimetres, as published: the benchmark's aligned scores do not depend on the unit.

    Raises:
        EngineError: the file cannot be written.
    """
    content = [np.round(each, 4).tolist() for each in (hands.joints, hands.vertices)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), "utf-8")
    except OSError as error:
        raise EngineError(f"{path} cannot be written ({error}): choose another place.") from error


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
) -> Iterator[tuple[Array, dict[str, Array]]]:
    """Per batch what the network gives, vertices or PoseNet's joints in mm, and the batch as arrays."""
    from tqdm import tqdm

    model.eval()
    batches = evaluation_batches(dataset, experiment, workers, device.type == "cuda")
    bar = tqdm(total=len(batches), desc="test", unit="batch", file=sys.stderr, leave=show)
    with torch.inference_mode(), bar:
        for batch in on_device(batches, device):
            output = model(batch["pose2d"])
            predicted = output if isinstance(model, PoseNet) else MILLIMETRES * output[0]
            arrays = {name: value.double().cpu().numpy() for name, value in batch.items()}
            yield predicted.double().cpu().numpy(), arrays
            bar.update()
