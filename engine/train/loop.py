"""One stage of training: PoseNet on its own, what mixes its frames, or MeshNet; resumable, on CPU or CUDA."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
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
from .motions import MotionSet
from .synthesis import Pairs, Synthesis, draw_bones, draw_cameras, draw_rotations, film

WARM_UP = 300
"""Steps of rising learning rate at the beginning of a stage."""
LOG_EVERY = 50
"""Steps that a line of the log is the mean of."""
SAVE_EVERY = 1000
STAGES = ("lift", "time", "mesh")


@dataclass(frozen=True)
class Schedule:
    """One stage of training.

    Attributes:
        stage: "lift" trains PoseNet on frames on their own, "time" only what mixes its features along time,
            "mesh" PoseNet and MeshNet.
        steps, batch, learning_rate: AdamW with a short warm-up and a cosine decay to zero.
        mesh_batch: in stage "mesh", how many samples of the batch MeshNet, the slower of the two, sees.
        frames: length of the clips that a batch is made of; 1 for a network that sees frames on their own.
        views: cameras that film each posed body.
        lift_rate: in stage "mesh", PoseNet's learning rate as a fraction; 0 leaves it as it is.
        average: decay per step of the running average of the weights that the stage hands on; 0 hands on the
            weights of its last step.
        seconds: stop (and decay) by wall clock instead of steps when positive.
        seed: of everything that is drawn.

    Raises:
        ValueError: no training can be made of these; says what to put instead.
    """

    stage: str
    steps: int
    batch: int
    learning_rate: float
    mesh_batch: int = 64
    frames: int = 1
    views: int = 1
    lift_rate: float = 0.3
    average: float = 0.0
    seconds: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what would fail, or mean nothing, in the middle of a training."""
        for wrong, problem in self._problems():
            if wrong:
                raise ValueError(problem)

    def _problems(self) -> Iterator[tuple[bool, str]]:
        yield self.stage not in STAGES, f"stage is {self.stage!r}: make it one of {', '.join(STAGES)}"
        for name, least in (("steps", 1), ("batch", 2), ("mesh_batch", 2), ("frames", 1), ("views", 1)):
            value = getattr(self, name)
            yield value < least, f"{name} is {value}: make it {least} or more"
        for name in ("learning_rate", "lift_rate", "seconds", "seed"):
            value = getattr(self, name)
            yield not 0 <= value < math.inf, f"{name} is {value}: make it 0 or more"
        yield not 0 <= self.average < 1, f"average is {self.average}: make it 0 or more, and less than 1"
        clip = self.frames * self.views
        yield (
            self.batch % clip > 0,
            (f"batch is {self.batch}, which is no multiple of frames times views, {clip}: make it one"),
        )
        yield (
            self.stage == "time" and self.frames == 1,
            ('stage "time" sees clips of 1 frame, in which there is no time: set frames to 2 or more'),
        )
        yield (
            self.stage == "mesh" and self.mesh_batch > self.batch,
            (f"mesh_batch is {self.mesh_batch}, more than the batch of {self.batch}: make it at most that"),
        )


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
) -> None:
    """Run one stage and keep `checkpoint` up to date; the log goes beside it as `.jsonl`.

    Every step seeds itself, so that on a CPU a resumed training that counts steps ends with the same numbers
    to the last bit as one that was never stopped. (On CUDA sums are not repeatable to the bit.)

    Args:
        number: of the stage in its configuration. A checkpoint that lies further on makes this a no-op, one
            within the stage is resumed, one of the stage before gives the weights.
        compiled: let `torch.compile` fuse PoseNet's step, which pays on CUDA.
        report: told before every step how much is done, below 1, and the losses of the log's last line.

    Raises:
        EngineError: the checkpoint is damaged or another configuration's, or the loss is no longer a number.
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
    progress = _resume(network, optimizer, average, checkpoint, number)
    if progress is None:
        _release(network)
        return
    generator = torch.Generator(device=body.device)
    edges = _edges(network, body.device)
    before, started, rate = progress.elapsed, time.perf_counter(), 0.0
    log = _Log(checkpoint.with_suffix(".jsonl"), schedule, number)
    lift = torch.compile(network.lift, dynamic=False) if compiled else network.lift
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
            losses = compute_losses(network, pairs, edges, schedule, lift)
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
            log.write(progress, schedule.learning_rate * rate)
        if progress.step % SAVE_EVERY == 0:
            _save(network, optimizer, average, progress, checkpoint)
    log.write(progress, schedule.learning_rate * rate)
    average.hand_over()
    _release(network)
    progress.finished = True
    _save(network, optimizer, average, progress, checkpoint)


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


def _release(network: BodyNetwork) -> None:
    """The reverse of `_choose_parts`."""
    network.requires_grad_(True)
    if isinstance(network.network.pose_lifter, TemporalPoseNet):
        network.network.pose_lifter.mixing = True


def _seed(*numbers: int) -> int:
    """One 32-bit seed, which is what torch's generator takes on a CPU, from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


class _Log:
    """Means of the losses over some steps, a JSON object per line.

    Args:
        path: of the file; only the first process writes it.
        schedule, number: the stage.
    """

    def __init__(self, path: Path, schedule: Schedule, number: int) -> None:
        self._path, self._schedule, self._number = path, schedule, number
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._since = time.perf_counter()
        self.last: dict[str, float] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Take in a step, without waiting for the device."""
        for name, loss in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + loss.detach()
        self._steps += 1

    def write(self, progress: Progress, learning_rate: float) -> None:
        """A line about the steps since the last one, if there were any."""
        if self._steps == 0:
            return
        self.last = {name: round(float(total) / self._steps, 2) for name, total in self._sums.items()}
        if not all(math.isfinite(loss) for loss in self.last.values()):
            raise EngineError(
                f'The loss of stage "{self._schedule.stage}" is no longer a number: lower its learning_rate.'
            )
        at_once = self._schedule.batch * parallel.processes()
        now = time.perf_counter()
        entry = {
            "number": self._number,
            "stage": self._schedule.stage,
            "step": progress.step,
            "samples": progress.step * at_once,
            "seconds": round(progress.elapsed, 1),
            "learning_rate": float(f"{learning_rate:.4g}"),
            "losses": self.last,
            "samples_per_s": round(self._steps * at_once / (now - self._since)),
        }
        if parallel.rank() == 0:
            with self._path.open("a") as log:
                log.write(json.dumps(entry) + "\n")
        self._sums, self._steps, self._since = {}, 0, now


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
) -> Progress | None:
    """Go on from the checkpoint, if there is one; None where the stage is done already."""
    if not checkpoint.exists():
        return Progress(number)
    try:
        state = torch.load(checkpoint, weights_only=True, map_location=next(network.parameters()).device)
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
            f"{checkpoint} is damaged or another configuration's: delete it to begin anew, or choose another "
            "folder."
        ) from error
    return progress


def _save(
    network: BodyNetwork,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    progress: Progress,
    path: Path,
) -> None:
    """The first process writes, all others wait for it, for they may read the file next."""
    if parallel.rank() == 0:
        state = {
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": {} if progress.finished else average.state(),  # handed over
            "progress": asdict(progress),
        }
        temporary = path.with_suffix(".partial")
        torch.save(state, temporary)
        temporary.replace(path)
    parallel.wait()
