"""Train a weight file from a configuration and a motion file; a stopped training resumes where it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..body.model import BodyModel
from ..pose2mesh.body_network import BodyNetwork, load_body_network, save_body_network
from . import parallel
from .body_torch import BodyTorch
from .config import TrainConfig
from .linear_maps import build_body_mesh
from .loop import train
from .motions import load_motions


def run(
    config: TrainConfig,
    motions_path: Path,
    out: Path,
    device: torch.device,
    init: Path | None = None,
    compiled: bool = False,
) -> Path:
    """Train and save; returns the weight file.

    Args:
        out: folder for the weight file, `checkpoint.pt` and its log `checkpoint.jsonl`.
        device: see `parallel.join` for several.
        init: a checkpoint or a weight file to start from; what has the same shape is taken.
        compiled: see `loop.train`.
    """
    device = parallel.join(device)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.pt"
    body = BodyModel.load("open_body")
    motions = load_motions(motions_path, body, unique_only=False)
    given = load_body_network(init) if init is not None and init.suffix == ".safetensors" else None
    mesh = build_body_mesh(body, motions, config.vertices, config.seed) if given is None else given.mesh
    torch.manual_seed(config.seed)
    network = BodyNetwork(config.network, mesh)
    if init is not None and not checkpoint.exists():
        load_matching(network, load_checkpoint(init) if given is None else given.state_dict())
    on_device = motions.to(device)
    for number, stage in enumerate(config.stages):
        looked_at = mesh.vertex_ids if stage.stage == "mesh" else mesh.vertex_ids[:0]
        points = BodyTorch(body, looked_at, device)
        train(
            network,
            points,
            on_device,
            stage,
            checkpoint,
            number,
            config.noise,
            config.synthesis,
            compiled=compiled,
        )
    path = out / f"{config.name}.safetensors"
    if parallel.rank() == 0:
        save_body_network(network, path, {"config": config.name, "motions": motions_path.name})
    return path


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights in a `checkpoint.pt`."""
    weights: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")["network"]
    return weights


def load_matching(network: BodyNetwork, given: Mapping[str, Tensor]) -> None:
    """Take over every tensor whose name and shape agree."""
    own = network.state_dict()
    network.load_state_dict(own | {k: v for k, v in given.items() if k in own and v.shape == own[k].shape})
