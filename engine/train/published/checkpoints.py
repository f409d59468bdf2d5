"""The published checkpoint file: written for the published code to read, read without running anything."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import EngineError
from ...pose2mesh.checkpoint import SLOTS, has_slots, read_state, stored_slots
from ...pose2mesh.model import Pose2Mesh
from ...pose2mesh.posenet import PoseNet
from .config import Experiment


@dataclass
class History:
    """What has happened so far; travels in the checkpoint under the published names.

    Attributes:
        epoch: the last whole one.
        train: mean loss per epoch.
        joint, surface: test MPJPE and MPVPE per epoch, mm; 0 where there is none, as published.
    """

    epoch: int = 0
    train: list[float] = field(default_factory=list)
    joint: list[float] = field(default_factory=list)
    surface: list[float] = field(default_factory=list)

    def add(self, loss: float, errors: Mapping[str, float]) -> None:
        """Another epoch is over: its mean loss, and what `evaluation.watch` found."""
        self.epoch += 1
        self.train.append(loss)
        self.joint.append(errors.get("test_mpjpe", 0.0))
        self.surface.append(errors.get("test_mpvpe", 0.0))

    def is_best(self) -> bool:
        """Whether the newest epoch has the lowest test MPJPE; the first never counts, as published."""
        return self.epoch > 1 and self.joint[-1] < min(self.joint[:-1])


def save(
    path: Path,
    experiment: Experiment,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    history: History,
) -> None:
    """Write a checkpoint; an existing one is replaced only once the new one is whole.

    Raises:
        EngineError: the file cannot be written.
    """
    content: dict[str, Any] = {
        "epoch": history.epoch,
        "model_state_dict": model.state_dict(),
        "optim_state_dict": optimizer.state_dict(),
        "scheduler_state_dict": scheduler.state_dict(),
        "train_log": history.train,
        "test_log": {"surface": history.surface, "joint": history.joint},
        # The published code does not know these, nor mind them.
        "experiment": experiment.name,
        "seed": experiment.seed,
    }
    if isinstance(model, Pose2Mesh):
        content[SLOTS] = torch.from_numpy(model.pyramid.vertex_slots)
    partial = path.with_name(path.name + ".part")
    try:
        torch.save(content, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise EngineError(
            f"The checkpoint {path} cannot be written ({error}): make room, or choose another folder."
        ) from error


def resume(
    path: Path,
    experiment: Experiment,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
) -> History:
    """Take up a training where its checkpoint left it.

    Raises:
        EngineError: the file is damaged, or of another experiment.
    """
    device = next(model.parameters()).device
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        found = (content["experiment"], content["seed"])
    except (
        OSError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        pickle.UnpicklingError,
    ) as error:
        raise EngineError(
            f"The checkpoint {path} is damaged or no training of this engine's ({first_line(error)}): "
            "remove it, or choose another folder."
        ) from error
    if found != (experiment.name, experiment.seed):
        raise EngineError(
            f"The checkpoint {path} belongs to {found[0]} with seed {found[1]}, not to {experiment.name} "
            f"with seed {experiment.seed}: choose another folder."
        )
    try:
        model.load_state_dict(content["model_state_dict"])
        optimizer.load_state_dict(content["optim_state_dict"])
        scheduler.load_state_dict(content["scheduler_state_dict"])
        tests = content["test_log"]
        return History(content["epoch"], content["train_log"], tests["joint"], tests["surface"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise EngineError(
            f"The checkpoint {path} does not fit {experiment.name} ({first_line(error)}): choose another "
            "folder."
        ) from error


def load_own(path: Path, model: Pose2Mesh) -> bool:
    """Give both networks the parameters of a checkpoint that this engine trained; False if it is none.

    Args:
        model: may be without memory for parameters (on the device "meta").

    Raises:
        EngineError: it is one of another network or mesh.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError):
        return False
    slots = stored_slots(content)
    if slots is None:
        return False
    try:
        model.load_state_dict(content["model_state_dict"], assign=True)
    except (KeyError, RuntimeError) as error:
        raise EngineError(
            f"{path} does not fit this experiment ({first_line(error)}): choose its own checkpoint."
        ) from error
    if not has_slots(model, slots):
        raise EngineError(f"{path} was trained on another mesh: give the body it was trained on.")
    return True


def load_posenet(posenet: PoseNet, path: Path) -> None:
    """Give PoseNet the parameters of a checkpoint of PoseNet alone, published or made here.

    Raises:
        EngineError: the file is missing, damaged, holds code, or holds another network.
    """
    state = read_state(path)
    try:
        posenet.load_state_dict(state)
    except RuntimeError as error:
        raise EngineError(
            f"{path} holds no PoseNet of this joint set ({first_line(error)}): give a checkpoint of the "
            "posenet stage."
        ) from error


def first_line(error: BaseException) -> str:
    """The line of a message that says what is wrong: the second of torch's, which begin with a title."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[min(1, len(lines) - 1)].rstrip(".") if lines else type(error).__name__
