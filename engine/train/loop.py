"""The training loop: PoseNet first, then PoseNet and MeshNet together; resumable, on CPU or CUDA."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from ..pose2mesh.body_network import BodyNetwork
from ..pose2mesh.observation import Observation
from ..pose2mesh.temporal import TemporalPoseNet
from . import parallel
from .body_torch import BodyTorch
from .detector_noise import DetectorNoise
from .motions import MotionSet
from .synthesis import Pairs, Synthesis, draw_bones, draw_cameras, draw_rotations, film

WARM_UP = 300
"""Steps of rising learning rate, also after a resumption."""


@dataclass(frozen=True)
class Schedule:
    """One stage of training.

    Attributes:
        stage: "lift" trains PoseNet alone, "time" only what mixes its features along time, "mesh" PoseNet and
            MeshNet.
        steps, batch, learning_rate: AdamW with a short warm-up and a cosine decay to zero.
        mesh_batch: in stage "mesh", how many samples of the batch MeshNet, the slower of the two, sees.
        frames: length of the clips that a batch is made of; 1 for a network that sees frames on their own.
        views: cameras that film each posed body.
        lift_rate: in stage "mesh", PoseNet's learning rate as a fraction; 0 leaves it as it is.
        seconds: stop (and decay) by wall clock instead of steps when positive.
        seed: of everything that is drawn.
    """

    stage: str
    steps: int
    batch: int
    learning_rate: float
    mesh_batch: int = 64
    frames: int = 1
    views: int = 1
    lift_rate: float = 0.3
    seconds: float = 0.0
    seed: int = 0


def draw_pairs(
    body: BodyTorch,
    motions: MotionSet,
    batch: int,
    noise: DetectorNoise,
    synthesis: Synthesis,
    generator: torch.Generator,
    frames: int = 1,
    views: int = 1,
) -> Pairs:
    """One batch from nothing but the motions and a generator.

    Args:
        batch: samples in all, of which every `frames` in order are one clip.
        views: cameras that film each posed body; posing costs more than filming.
    """
    clips, device = batch // (frames * views), motions.rotations.device
    rotations = draw_rotations(motions, clips, synthesis, generator, frames).flatten(0, 1)
    betas = torch.randn(clips, 10, generator=generator, device=device).repeat_interleave(frames, 0)
    bones = draw_bones(clips, synthesis, generator, device)
    if bones is not None:
        bones = bones.repeat_interleave(frames, 0)
    landmarks, joints, vertices = body.pose(rotations, betas, bones)
    posed = (landmarks.repeat(views, 1, 1), joints.repeat(views, 1, 1), vertices.repeat(views, 1, 1))
    camera, distance = draw_cameras(clips * views, synthesis, generator, device)
    camera, distance = camera.repeat_interleave(frames, 0), distance.repeat_interleave(frames, 0)
    return film(posed, camera, distance, noise, synthesis, generator, frames)


def edge_lengths(vertices: Tensor, edges: Tensor) -> Tensor:
    """(B,N,3), (E,2) → (B,E) m."""
    lengths: Tensor = (vertices[:, edges[:, 0]] - vertices[:, edges[:, 1]]).norm(dim=-1)
    return lengths


@dataclass
class Progress:
    """How far a stage has come; travels in the checkpoint."""

    stage: int
    step: int = 0
    elapsed: float = 0.0
    finished: bool = False


def train(
    network: BodyNetwork,
    body: BodyTorch,
    motions: MotionSet,
    schedule: Schedule,
    checkpoint: Path,
    number: int,
    noise: DetectorNoise | None = None,
    synthesis: Synthesis | None = None,
    log_every: int = 200,
    compiled: bool = False,
) -> None:
    """Run one stage and keep `checkpoint` up to date; the log goes beside it as `.jsonl`.

    Args:
        number: of the stage in its configuration. A checkpoint that lies further on makes this a no-op, one
            within the stage is resumed, one of the stage before gives the weights.
        compiled: let `torch.compile` fuse PoseNet's step, which pays on CUDA.
    """
    noise, synthesis = noise or DetectorNoise(), synthesis or Synthesis()
    network.to(body.device).train()
    optimizer = _optimizer(network, schedule)
    progress = _resume(network, optimizer, checkpoint, number)
    if progress is None:
        return
    if schedule.stage == "time":  # few clips make a batch: too few to go on learning about poses from them
        lifter = cast(TemporalPoseNet, network.network.pose_lifter)
        lifter.linear_stages.eval()
        network.requires_grad_(False)
        lifter.mixers.requires_grad_(True)
    elif schedule.stage == "mesh" and schedule.lift_rate == 0:
        network.network.pose_lifter.eval().requires_grad_(False)
    seed = schedule.seed + 1000 * number + progress.step + 1_000_003 * parallel.rank()
    generator = torch.Generator(device=body.device).manual_seed(seed)
    edges = _edges(network, body.device)
    before, started = progress.elapsed, time.perf_counter()
    first, sums = progress.step, Counter[str]()
    lift = torch.compile(network.lift, dynamic=False) if compiled else network.lift
    while (done := parallel.agree(network, _share_done(schedule, progress))) < 1:
        warm = min(1.0, (progress.step - first + 1) / WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = group["full_lr"] * warm * 0.5 * (1 + math.cos(math.pi * done))
        pairs = draw_pairs(
            body, motions, schedule.batch, noise, synthesis, generator, schedule.frames, schedule.views
        )
        with torch.autocast(body.device.type, dtype=torch.bfloat16):
            losses = compute_losses(network, pairs, edges, schedule, lift)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        parallel.average_gradients(network.parameters())
        torch.nn.utils.clip_grad_norm_(network.parameters(), 100.0)
        optimizer.step()
        progress.step += 1
        progress.elapsed = before + time.perf_counter() - started
        sums.update({name: float(loss.detach()) for name, loss in losses.items()})
        if progress.step % log_every == 0 and parallel.rank() == 0:
            samples = (progress.step - first) * schedule.batch * parallel.processes()
            speed = samples / (progress.elapsed - before)
            means = {name: round(value / log_every, 2) for name, value in sums.items()}
            _log(
                checkpoint,
                {"stage": schedule.stage, "step": progress.step, **means, "samples_per_s": round(speed)},
            )
            sums.clear()
        if progress.step % (5 * log_every) == 0:
            _save(network, optimizer, progress, checkpoint)
    network.requires_grad_(True)
    progress.finished = True
    _save(network, optimizer, progress, checkpoint)


def compute_losses(
    network: BodyNetwork,
    pairs: Pairs,
    edges: Tensor,
    schedule: Schedule,
    lift: Callable[[Observation, int], Tensor] | None = None,
) -> dict[str, Tensor]:
    """L1 of landmarks, vertices and edge lengths in mm, as in Pose2Mesh section 6 without the normal loss.

    Args:
        lift: the network's own, or a compiled form of it.
    """
    landmarks = (lift or network.lift)(pairs.observation, schedule.frames)
    losses = {"lift": (landmarks - pairs.landmarks).abs().mean() * 1000}
    if schedule.stage == "mesh":
        part = slice(None, None, max(schedule.batch // schedule.mesh_batch, 1))  # from every clip
        vertices = network.decode_mesh(
            Observation(*(field[part] for field in pairs.observation)), landmarks[part]
        )
        losses["vertex"] = (vertices - pairs.vertices[part]).abs().mean() * 1000
        difference = edge_lengths(vertices, edges) - edge_lengths(pairs.vertices[part], edges)
        losses["edge"] = 2 * difference.abs().mean() * 1000
    return losses


def _optimizer(network: BodyNetwork, schedule: Schedule) -> torch.optim.AdamW:
    trained: nn.Module = network.network.pose_lifter
    if schedule.stage == "time":
        trained = cast(TemporalPoseNet, trained).mixers
    lifter = {"params": list(trained.parameters()), "full_lr": schedule.learning_rate}
    groups = [lifter]
    if schedule.stage == "mesh":
        lifter["full_lr"] = schedule.learning_rate * schedule.lift_rate
        groups.append(
            {"params": list(network.network.pose2mesh.parameters()), "full_lr": schedule.learning_rate}
        )
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, weight_decay=1e-4, betas=(0.9, 0.98))


def _edges(network: BodyNetwork, device: torch.device) -> Tensor:
    triangles = torch.as_tensor(network.mesh.triangles, dtype=torch.long, device=device)
    pairs = torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges: Tensor = torch.unique(pairs.sort(1)[0], dim=0)
    return edges


def _share_done(schedule: Schedule, progress: Progress) -> float:
    if schedule.seconds > 0:
        return max(progress.elapsed / schedule.seconds, progress.step / schedule.steps)
    return progress.step / schedule.steps


def _resume(
    network: BodyNetwork, optimizer: torch.optim.Optimizer, checkpoint: Path, number: int
) -> Progress | None:
    if not checkpoint.exists():
        return Progress(number)
    state = torch.load(checkpoint, weights_only=True, map_location=next(network.parameters()).device)
    network.load_state_dict(state["network"])
    progress = Progress(**state["progress"])
    if progress.stage > number or (progress.stage == number and progress.finished):
        return None
    if progress.stage < number:
        return Progress(number)
    optimizer.load_state_dict(state["optimizer"])
    return progress


def _save(network: BodyNetwork, optimizer: torch.optim.Optimizer, progress: Progress, path: Path) -> None:
    if parallel.rank() > 0:
        return
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": asdict(progress),
    }
    temporary = path.with_suffix(".partial")
    torch.save(state, temporary)
    temporary.replace(path)


def _log(checkpoint: Path, entry: dict[str, object]) -> None:
    with checkpoint.with_suffix(".jsonl").open("a") as log:
        log.write(json.dumps(entry) + "\n")
