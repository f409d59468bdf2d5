"""The published training loop: epochs of RMSprop with a stepwise rate, each followed by a test."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...datasets.mixed import MixedDataset
from ...datasets.sample import Dataset
from ...errors import EngineError
from ...pose2mesh import weights
from ...pose2mesh.losses import Targets, coordinate_loss, published_losses
from ...pose2mesh.model import Pose2Mesh, build
from ...pose2mesh.posenet import PoseNet
from .checkpoints import History, load_posenet, resume, save
from .config import Experiment
from .data import Batch, on_device, training_batches
from .evaluation import watch
from .mesh import Mesh

SHOW_EVERY = 10  # steps between looks at the loss, as published
LOG_EVERY = 200  # steps between lines in the log
LAST, BEST, FINAL = "last.pth.tar", "best.pth.tar", "final.pth.tar"


def train(
    experiment: Experiment,
    mixture: MixedDataset,
    test: Dataset,
    mesh: Mesh,
    out: Path,
    device: torch.device,
    init: Path | None = None,
    workers: int = 0,
) -> Path:
    """Run an experiment to its end; an interrupted one goes on after its last whole epoch.

    Every epoch seeds itself, so that on a CPU a resumed training ends with the same numbers to the last bit
    as one that was never stopped. (On CUDA sums are not repeatable to the bit.)

    Args:
        mixture, test: what is trained on and tested on.
        out: folder for `best.pth.tar` (lowest test MPJPE), `final.pth.tar`, `last.pth.tar` until then, the
            log `log.jsonl`, and `final.safetensors`, the weights with their graphs.
        init: the trained PoseNet's checkpoint, which the stage "pose2mesh" starts from.
        workers: processes that prepare samples, besides this one.

    Returns:
        `final.pth.tar`.

    Raises:
        EngineError: the PoseNet is missing or of another joint set, a checkpoint in `out` belongs to another
            experiment, or the loss is no longer a number.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(f"The folder {out} cannot be made ({error}): choose another.") from error
    torch.manual_seed(experiment.seed)
    model = network(experiment, mesh)
    final = out / FINAL
    last = out / LAST if (out / LAST).exists() else final
    if not last.exists() and isinstance(model, Pose2Mesh):
        if init is None:
            raise EngineError(
                f"{experiment.name} starts from a trained PoseNet: give its checkpoint with --init "
                "(published_*_posenet trains one)."
            )
        load_posenet(model.pose_lifter, init)
    model.to(device)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=experiment.learning_rate)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(
        optimizer, list(experiment.drop_at), experiment.drop_factor
    )
    history = resume(last, experiment, model, optimizer, scheduler) if last.exists() else History()
    losses = BatchLosses(experiment, mesh, device)
    while history.epoch < experiment.epochs:
        epoch, started = history.epoch + 1, time.perf_counter()
        torch.manual_seed(1_000_003 * experiment.seed + epoch)
        rate = optimizer.param_groups[0]["lr"]
        means = _epoch(model, optimizer, losses, experiment, mixture, epoch, workers, out)
        scheduler.step()
        errors = watch(model, test, experiment, mesh, device, workers)
        history.add(means["loss"], errors)
        seconds = round(time.perf_counter() - started, 1)
        _log(out, {"epoch": epoch, **means, **errors, "learning_rate": rate, "seconds": seconds})
        if history.is_best():
            save(out / BEST, experiment, model, optimizer, scheduler, history)
        done = epoch == experiment.epochs
        save(final if done else out / LAST, experiment, model, optimizer, scheduler, history)
    (out / LAST).unlink(missing_ok=True)
    if isinstance(model, Pose2Mesh):
        weights.save(out / "final.safetensors", model, mesh.name, {"experiment": experiment.name})
    return final


def network(experiment: Experiment, mesh: Mesh) -> Pose2Mesh | PoseNet:
    """The experiment's network with fresh weights."""
    if experiment.stage == "posenet":
        return PoseNet(experiment.network.pose)
    return build(experiment.network, mesh.faces)


class BatchLosses:
    """What a batch's losses need besides the batch."""

    def __init__(self, experiment: Experiment, mesh: Mesh, device: torch.device) -> None:
        self._edges_after = experiment.edges_after
        self._regressor = torch.as_tensor(mesh.regressor, dtype=torch.float32, device=device)
        self._faces = torch.as_tensor(mesh.faces, dtype=torch.int64, device=device)

    def __call__(self, model: nn.Module, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """The weighted terms by name; their sum is what training minimises."""
        lifted, lifted_valid = batch["lifted_joints"], batch["lifted_valid"]
        if isinstance(model, PoseNet):
            return {"lifted_joint": coordinate_loss(model(batch["pose2d"]), lifted, lifted_valid)}
        vertices, joints = model(batch["pose2d"])
        targets = Targets(
            vertices=batch["vertices"],
            mesh_joints=batch["mesh_joints"],
            lifted_joints=lifted,
            vertices_valid=batch["vertices_valid"],
            mesh_joints_valid=batch["mesh_joints_valid"],
            lifted_joints_valid=lifted_valid,
        )
        with_edges = epoch > self._edges_after
        return vars(published_losses(vertices, joints, targets, self._regressor, self._faces, with_edges))


def _epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    losses: BatchLosses,
    experiment: Experiment,
    mixture: MixedDataset,
    epoch: int,
    workers: int,
    out: Path,
) -> dict[str, float]:
    """One epoch; returns the mean of the loss ("loss") and of its terms over the batches."""
    from tqdm import tqdm

    model.train()
    device = next(model.parameters()).device
    batches = training_batches(mixture, experiment, epoch, workers, device.type == "cuda")
    sums: dict[str, Tensor] = {}
    step = 0
    with tqdm(
        total=len(batches), desc=f"epoch {epoch}/{experiment.epochs}", unit="batch", file=sys.stderr
    ) as bar:
        for step, batch in enumerate(on_device(batches, device), start=1):
            terms = losses(model, batch, epoch)
            loss = torch.stack(list(terms.values())).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            for name, value in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, 0.0) + value.detach()
            bar.update()
            if step % SHOW_EVERY == 0 or step == len(batches):
                means = _means(sums, step)
                bar.set_postfix({name: f"{value:.4g}" for name, value in means.items()})
                if not math.isfinite(means["loss"]):
                    raise EngineError(
                        f"The loss of epoch {epoch} is no longer a number: check the data, or lower the "
                        "learning rate."
                    )
                if step % LOG_EVERY == 0:
                    _log(out, {"epoch": epoch, "step": step, **means})
    return _means(sums, step)


def _means(sums: Mapping[str, Tensor], steps: int) -> dict[str, float]:
    return {name: float(value) / steps for name, value in sums.items()}


def _log(out: Path, entry: dict[str, Any]) -> None:
    with (out / "log.jsonl").open("a") as log:
        log.write(json.dumps(entry) + "\n")
