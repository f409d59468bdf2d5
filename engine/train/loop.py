"""The training loop: PoseNet first, then PoseNet and MeshNet together; resumable, on CPU or CUDA."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.pose2mesh.body_network import BodyNetwork
from engine.train.body_torch import BodyTorch
from engine.train.detector_noise import DetectorNoise
from engine.train.motions import MotionSet
from engine.train.synthesis import Pairs, Synthesis, draw_cameras, draw_rotations, make_pairs


@dataclass(frozen=True)
class Schedule:
    """One stage of training.

    Attributes:
        stage: "lift" trains PoseNet alone, "mesh" both.
        steps, batch, learning_rate: AdamW with a short warm-up and a cosine decay to zero.
        seconds: stop (and decay) by wall clock instead of steps when positive.
        seed: of everything that is drawn.
    """

    stage: str
    steps: int
    batch: int
    learning_rate: float
    seconds: float = 0.0
    seed: int = 0


def draw_pairs(
    body: BodyTorch,
    motions: MotionSet,
    batch: int,
    noise: DetectorNoise,
    synthesis: Synthesis,
    generator: torch.Generator,
) -> Pairs:
    """One batch from nothing but the motions and a generator."""
    rotations = draw_rotations(motions, batch, synthesis, generator)
    betas = torch.randn(batch, 10, generator=generator, device=rotations.device)
    camera, distance = draw_cameras(batch, synthesis, generator, rotations.device)
    return make_pairs(body, rotations, betas, camera, distance, noise, synthesis, generator)


def edge_lengths(vertices: Tensor, edges: Tensor) -> Tensor:
    """(B,N,3), (E,2) → (B,E) m."""
    return (vertices[:, edges[:, 0]] - vertices[:, edges[:, 1]]).norm(dim=-1)


def train(
    network: BodyNetwork,
    body: BodyTorch,
    motions: MotionSet,
    schedule: Schedule,
    checkpoint: Path,
    noise: DetectorNoise | None = None,
    synthesis: Synthesis | None = None,
    log_every: int = 200,
) -> None:
    """Run one stage and keep `checkpoint` (a state dict) up to date; the log goes beside it as `.jsonl`.

    A checkpoint of the same stage that is already there is resumed.
    """
    noise, synthesis = noise or DetectorNoise(), synthesis or Synthesis()
    device = body.device
    network.to(device).train()
    triangles = torch.as_tensor(network.mesh.triangles, dtype=torch.long, device=device)
    edges = torch.unique(
        torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).sort(1)[0], dim=0
    )
    parameters = (
        network.network.pose_lifter.parameters() if schedule.stage == "lift" else network.parameters()
    )
    optimizer = torch.optim.AdamW(parameters, lr=schedule.learning_rate, weight_decay=1e-4, betas=(0.9, 0.98))
    generator = torch.Generator(device=device).manual_seed(schedule.seed)
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        network.load_state_dict(state["network"])
        if state["stage"] == schedule.stage and not state["finished"]:
            optimizer.load_state_dict(state["optimizer"])
            first = int(state["step"])
            generator.manual_seed(schedule.seed + first)
    started = time.perf_counter()
    sums: dict[str, float] = {}
    for step in range(first, schedule.steps):
        done = (
            (time.perf_counter() - started) / schedule.seconds
            if schedule.seconds > 0
            else step / schedule.steps
        )
        if done >= 1:
            break
        rate = (
            min(1.0, (step - first + 1) / 300) * 0.5 * (1 + float(torch.cos(torch.tensor(done * torch.pi))))
        )
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate * rate
        pairs = draw_pairs(body, motions, schedule.batch, noise, synthesis, generator)
        losses: dict[str, Tensor] = {}
        with torch.autocast(device.type, dtype=torch.bfloat16):
            landmarks = network.lift(pairs.observation)
            losses["lift"] = (landmarks - pairs.landmarks).abs().mean() * 1000
            if schedule.stage == "mesh":
                vertices = network.decode_mesh(pairs.observation, landmarks)
                losses["vertex"] = (vertices - pairs.vertices).abs().mean() * 1000
                losses["edge"] = (
                    2
                    * (edge_lengths(vertices, edges) - edge_lengths(pairs.vertices, edges)).abs().mean()
                    * 1000
                )
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 100.0)
        optimizer.step()
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + float(loss.detach())
        if (step + 1) % log_every == 0:
            entry = {
                "stage": schedule.stage,
                "step": step + 1,
                **{k: round(v / log_every, 2) for k, v in sums.items()},
            }
            entry["samples_per_s"] = round(
                (step + 1 - first) * schedule.batch / (time.perf_counter() - started)
            )
            with checkpoint.with_suffix(".jsonl").open("a") as log:
                log.write(json.dumps(entry) + "\n")
            sums = {}
        if (step + 1) % (5 * log_every) == 0:
            _save(network, optimizer, schedule, step + 1, False, checkpoint)
    _save(network, optimizer, schedule, schedule.steps, True, checkpoint)


def _save(
    network: BodyNetwork,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    step: int,
    finished: bool,
    path: Path,
) -> None:
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "stage": schedule.stage}
    temporary = path.with_suffix(".partial")
    torch.save({**state, "step": step, "finished": finished}, temporary)
    temporary.replace(path)
