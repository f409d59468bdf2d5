"""One stage of training: PoseNet on its own, what mixes its frames, or MeshNet; resumable, on CPU or CUDA."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import EngineError
from ..pose2mesh.body_network import BodyNetwork
from ..pose2mesh.observation import Observation
from ..pose2mesh.temporal import TemporalPoseNet
from . import parallel
from .averaging import WeightAverage
from .body_torch import BodyTorch
from .detector_noise import DetectorNoise
from .log import Log
from .motions import MotionSet
from .schedule import Schedule
from .synthesis import Pairs, Synthesis, draw_bones, draw_cameras, draw_rotations, film

WARM_UP = 300
"""Steps of rising learning rate at the beginning of a stage."""
LOG_EVERY = 50
"""Steps that a line of the log is the mean of."""
SAVE_EVERY = 1000
FACE, HANDS = slice(0, 11), slice(17, 23)
FACE_WEIGHT, HAND_WEIGHT = 0.3, 0.6
"""Next to a limb's landmark: half of the 33 points are face and hands, and say little of the pose."""


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
    compiled: bool = False,
    report: Callable[[float, Mapping[str, float]], None] | None = None,
    origin: str = "",
) -> None:
    """Run one stage and keep `checkpoint` up to date; the log goes beside it as `.jsonl`.

    Every step seeds itself, so that on a CPU a resumed training that counts steps ends with the same numbers
    to the last bit as one that was never stopped. (On CUDA sums are not repeatable to the bit.)

    Args:
        number: of the stage in its configuration. A checkpoint that lies further on makes this a no-op, one
            within the stage is resumed, one of the stage before gives the weights.
        compiled: let `torch.compile` fuse PoseNet's step, which pays on CUDA.
        report: told before every step how much is done, below 1, and the losses of the log's last line.
        origin: what the training began from; kept in the checkpoint, which no other training may go on from.

    Raises:
        EngineError: the checkpoint is damaged or another training's, or the loss is no longer a number.
    """
    noise, synthesis = noise or DetectorNoise(), synthesis or Synthesis()
    network.to(body.device)
    rates = _choose_parts(network, schedule)
    parameters = [parameter for part in rates for parameter in part.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": list(part.parameters()), "full_lr": rate} for part, rate in rates.items()],
        weight_decay=1e-4,
        betas=(0.9, 0.98),
        fused=True,
    )
    average = WeightAverage(network, rates, schedule.average)
    progress = _resume(network, optimizer, average, checkpoint, number, origin)
    if progress is None:
        _release(network)
        return
    for group, full in zip(optimizer.param_groups, rates.values(), strict=True):
        group["full_lr"] = full  # the configuration's, which may have been corrected since the checkpoint
    generator = torch.Generator(device=body.device)
    edges = _edges(network, body.device)
    before, started, rate = progress.elapsed, time.perf_counter(), 0.0
    log = Log(checkpoint.with_suffix(".jsonl"), schedule, number)
    if compiled:
        _compile(network.network.pose_lifter)
    while (done := parallel.agree(network, _share_done(schedule, progress))) < 1:
        if report is not None:
            report(done, log.last)
        generator.manual_seed(_seed(schedule.seed, number, progress.step, parallel.rank()))
        rate = min(1.0, (progress.step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = group["full_lr"] * rate
        pairs = draw_pairs(
            body, motions, schedule.batch, noise, synthesis, generator, schedule.frames, schedule.views
        )
        with torch.autocast(body.device.type, dtype=torch.bfloat16):
            losses = compute_losses(network, pairs, edges, schedule)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        parallel.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 100.0)
        optimizer.step()
        average.update()
        progress.step += 1
        progress.elapsed = before + time.perf_counter() - started
        log.add(losses)
        if progress.step % LOG_EVERY == 0:
            log.write(progress.step, progress.elapsed, schedule.learning_rate * rate)
        if progress.step % SAVE_EVERY == 0:
            _save(network, optimizer, average, progress, checkpoint, origin)
    log.write(progress.step, progress.elapsed, schedule.learning_rate * rate)
    average.hand_over()
    _release(network)
    _keep_share(network, schedule)
    progress.finished = True
    _save(network, optimizer, average, progress, checkpoint, origin)


def compute_losses(
    network: BodyNetwork,
    pairs: Pairs,
    edges: Tensor,
    schedule: Schedule,
) -> dict[str, Tensor]:
    """Distance of landmarks, L1 of vertices and of edge lengths in mm: Pose2Mesh section 6 without the normal
    loss, and with weighted distances instead of L1 for the joints, which depends on how the camera is rolled.
    """
    landmarks = network.lift(pairs.observation, schedule.frames)
    distance = (landmarks - pairs.landmarks).norm(dim=-1)
    losses = {"lift": (distance * landmark_weights(distance.device)).mean() * 1000}
    if schedule.stage == "mesh":
        part = slice(None, None, max(schedule.batch // schedule.mesh_batch, 1))  # from every clip
        vertices = network.decode_mesh(
            Observation(*(field[part] for field in pairs.observation)), landmarks[part]
        )
        losses["vertex"] = (vertices - pairs.vertices[part]).abs().mean() * 1000
        difference = edge_lengths(vertices, edges) - edge_lengths(pairs.vertices[part], edges)
        losses["edge"] = 2 * difference.abs().mean() * 1000
    return losses


def landmark_weights(device: torch.device) -> Tensor:
    """(33,) how much each landmark counts; 1 on average."""
    weights = torch.ones(33, device=device)
    weights[FACE], weights[HANDS] = FACE_WEIGHT, HAND_WEIGHT
    return weights / weights.mean()


def _choose_parts(network: BodyNetwork, schedule: Schedule) -> dict[nn.Module, float]:
    """The modules that the stage trains, with their learning rates; all others are frozen, their batch norms
    too.
    """
    lifter, full = network.network.pose_lifter, schedule.learning_rate
    own = {name: part for name, part in lifter.named_children() if name != "mixers"}
    rates: dict[nn.Module, float]
    if schedule.stage == "lift":
        rates = dict.fromkeys(own.values(), full)
    elif schedule.stage == "time":  # few clips make a batch: too few to go on learning about poses from them
        rates = {lifter.get_submodule("mixers"): full}
    else:
        rates = {network.network.pose2mesh: full}
        if schedule.lift_rate > 0:
            rates[lifter] = full * schedule.lift_rate
    if isinstance(lifter, TemporalPoseNet):
        lifter.mixing = schedule.stage != "lift"
    network.eval().requires_grad_(False)
    for part in rates:
        part.train().requires_grad_(True)
    return rates


def _compile(lifter: nn.Module) -> None:
    """In place, until `_release`. Not what makes its features, too: traced, constants would be sent to the
    device anew in every step.
    """
    vars(lifter)["forward"] = torch.compile(lifter.forward, dynamic=False)  # before the class's own


def _release(network: BodyNetwork) -> None:
    """The reverse of `_choose_parts` and `_compile`."""
    network.requires_grad_(True)
    vars(network.network.pose_lifter).pop("forward", None)
    if isinstance(network.network.pose_lifter, TemporalPoseNet):
        network.network.pose_lifter.mixing = True


@torch.no_grad()
def _keep_share(network: BodyNetwork, schedule: Schedule) -> None:
    """Let what mixes frames add only its share to what every frame says by itself."""
    lifter = network.network.pose_lifter
    if schedule.stage == "time" and isinstance(lifter, TemporalPoseNet):
        for mixer in lifter.mixers:
            for parameter in mixer.get_submodule("up").parameters():
                parameter.mul_(schedule.share)


def _seed(*numbers: int) -> int:
    """One 32-bit seed, which is what torch's generator takes on a CPU, from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


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
    network: BodyNetwork,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    checkpoint: Path,
    number: int,
    origin: str,
) -> Progress | None:
    """Go on from the checkpoint, if there is one; None where the stage is done already."""
    if not checkpoint.exists():
        return Progress(number)
    try:
        state = torch.load(checkpoint, weights_only=True, map_location=next(network.parameters()).device)
        if state["origin"] != origin:
            raise ValueError("it began elsewhere")
        network.load_state_dict(state["network"])
        progress = Progress(**state["progress"])
        if progress.stage > number or (progress.stage == number and progress.finished):
            return None
        if progress.stage < number:
            return Progress(number)
        optimizer.load_state_dict(state["optimizer"])
        average.resume(state.get("average", {}), progress.step)
    except (RuntimeError, ValueError, KeyError, TypeError, OSError, EOFError, UnpicklingError) as error:
        raise EngineError(
            f"{checkpoint} is damaged, or of another configuration, other motions or another --init: delete "
            "it to begin anew, or choose another folder."
        ) from error
    return progress


def _save(
    network: BodyNetwork,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    progress: Progress,
    path: Path,
    origin: str,
) -> None:
    """The first process writes, all others wait for it, for they may read the file next."""
    if parallel.rank() == 0:
        state = {
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": {} if progress.finished else average.state(),  # handed over
            "progress": asdict(progress),
            "origin": origin,
        }
        temporary = path.with_suffix(".partial")
        torch.save(state, temporary)
        temporary.replace(path)
    parallel.wait()
