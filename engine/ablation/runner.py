"""Train a recipe and measure it; equal recipes are trained once, and equal lifters are shared."""

from __future__ import annotations

import copy
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from ..body.model import BodyModel
from ..errors import EngineError
from ..pose2mesh.body_network import BodyMesh
from ..pose2mesh.observation import Observation
from ..train.body_torch import BodyTorch
from ..train.detector_noise import DetectorNoise
from ..train.evaluate import Predict, errors, evaluation_pairs
from ..train.linear_maps import build_body_mesh
from ..train.loop import train
from ..train.motions import MotionSet, load_motions
from ..train.schedule import Schedule
from ..train.synthesis import Pairs
from .networks import AblationNetwork
from .noise import plain
from .recipe import Recipe

CASES = ("clean", "detector_noise")
"""Of `evaluate.CASES`: frames on their own."""
EVALUATION_SEED = 0
"""Of the cameras and shapes to measure on, whatever the training draws."""
MEASURED = 500
"""Frames to measure on, spread evenly over all there are."""
HELD_OUT = 5
"""Without motions to validate on, every fifth clip is kept out of the training."""
CHUNK = 256


@dataclass(frozen=True)
class Budget:
    """What every cell gets.

    Attributes:
        steps: of PoseNet alone, and again of the decoder where there is one to train.
        lift_batch: pairs per step of the first; mesh_batch: of the second.
        learning_rate: AdamW's at its height.
    """

    steps: int = 2000
    lift_batch: int = 128
    mesh_batch: int = 32
    learning_rate: float = 3e-3


@dataclass(frozen=True)
class Setting:
    """What all cells have in common: body, coarse mesh, motions, and the pairs they are measured on.

    Attributes:
        points: the body at the coarse vertices; landmarks: the same at one, for stages that look at none.
    """

    mesh: BodyMesh
    points: BodyTorch
    landmarks: BodyTorch
    motions: MotionSet
    evaluation: dict[str, list[Pairs]]
    seed: int
    device: torch.device


def prepare(
    motions: Path, validation: Path | None, vertices: int, seed: int, device: torch.device
) -> Setting:
    """Load, coarsen and draw the evaluation pairs.

    Args:
        motions: file to train on; validation: file to measure on, by default held-out clips of the first.
        vertices: at most so many in the coarse mesh; seed: of initial weights and training pairs.

    Raises:
        EngineError: a file is no motion file, or has too few clips to hold one out.
    """
    body = BodyModel.load("open_body")
    training = load_motions(motions, body)
    if validation is None:
        training, held_out = split(training)
    else:
        held_out = load_motions(validation, body)
    mesh = build_body_mesh(body, training, vertices)
    held_out = part_of(held_out, torch.arange(0, len(held_out.clip), -(-len(held_out.clip) // MEASURED)))
    on_cpu = BodyTorch(body, mesh.vertex_ids)
    evaluation = {case: list(evaluation_pairs(on_cpu, held_out, case, EVALUATION_SEED)) for case in CASES}
    points = BodyTorch(body, mesh.vertex_ids, device)
    landmarks = BodyTorch(body, mesh.vertex_ids[:1], device)
    return Setting(mesh, points, landmarks, training.to(device), evaluation, seed, device)


def split(motions: MotionSet) -> tuple[MotionSet, MotionSet]:
    """To train on, and every fifth clip to measure on.

    Raises:
        EngineError: there is one clip only.
    """
    held_out = motions.clip % HELD_OUT == 0
    if held_out.all() or not held_out.any():
        raise EngineError("The motion file has too few clips to hold any out: give --validation.")
    return part_of(motions, ~held_out), part_of(motions, held_out)


def part_of(motions: MotionSet, frames: torch.Tensor) -> MotionSet:
    """Some of the frames, by number or as a mask."""
    return MotionSet(motions.rotations[frames], motions.clip[frames], motions.clip_names)


class Runner:
    """Trains recipes in one setting with one budget, and remembers them.

    Args:
        on_step: called after every step of an optimiser.
        memory: file that keeps the rows, so that a stopped ablation goes on where it was; give it for one
            setting and one budget only.
    """

    def __init__(
        self,
        setting: Setting,
        budget: Budget,
        on_step: Callable[[], None] | None = None,
        memory: Path | None = None,
    ) -> None:
        self.setting, self.budget = setting, budget
        self._on_step = on_step or (lambda: None)
        self._memory = memory
        self._lifters: dict[Recipe, tuple[dict[str, torch.Tensor], float]] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        if memory is not None and memory.exists():
            self._rows = json.loads(memory.read_text())

    def steps(self, recipes: list[Recipe]) -> int:
        """Steps that `row` would take for these recipes, to show progress by."""
        todo = {recipe for recipe in recipes if repr(recipe) not in self._rows}
        lifters = {lifter_of(recipe) for recipe in todo} - set(self._lifters)
        return self.budget.steps * (len(lifters) + sum(recipe.decoder != "linear" for recipe in todo))

    def row(self, recipe: Recipe) -> dict[str, Any]:
        """Parameters, processor time of the training in seconds, and the errors in mm of both evaluations.

        Decoders start beside a lifter that is the same for all of them; their losses do not reach it.
        """
        if repr(recipe) not in self._rows:
            network, seconds = self.train(recipe)
            self._rows[repr(recipe)] = {
                "parameters": network.parameters_used(),
                "steps": self.budget.steps,
                "train_s": seconds,
                **evaluate(network, self.setting),
            }
            if self._memory is not None:
                self._memory.write_text(json.dumps(self._rows, indent=1))
        return self._rows[repr(recipe)]

    def train(self, recipe: Recipe) -> tuple[AblationNetwork, float]:
        """The trained network and the processor seconds of its last stage."""
        state, seconds = self._lifter(lifter_of(recipe))
        network = self.build(recipe)
        network.network.pose_lifter.load_state_dict(state)
        if recipe.decoder != "linear":
            batch = self.budget.mesh_batch
            seconds = self._stage(
                network,
                Schedule("mesh", self.budget.steps, batch, self.budget.learning_rate, mesh_batch=batch),
            )
        return network.eval(), seconds

    def build(self, recipe: Recipe) -> AblationNetwork:
        """The untrained network, always the same for a seed."""
        torch.manual_seed(self.setting.seed)
        return AblationNetwork(recipe, self.setting.mesh, self.setting.points).to(self.setting.device)

    def noise(self, recipe: Recipe) -> DetectorNoise:
        """What the recipe's pairs are disturbed with."""
        if recipe.noise == "plain":
            return plain(DetectorNoise(), self.setting.landmarks, self.setting.motions)
        return recipe.noise

    def _lifter(self, recipe: Recipe) -> tuple[dict[str, torch.Tensor], float]:
        if recipe not in self._lifters:
            network = self.build(recipe)
            schedule = Schedule("lift", self.budget.steps, self.budget.lift_batch, self.budget.learning_rate)
            seconds = self._stage(network, schedule)
            self._lifters[recipe] = copy.deepcopy(network.network.pose_lifter.state_dict()), seconds
        return self._lifters[recipe]

    def _stage(self, network: AblationNetwork, schedule: Schedule) -> float:
        setting, recipe = self.setting, network.recipe
        hook = register_optimizer_step_post_hook(lambda *_: self._on_step())
        start = time.process_time()
        try:
            with tempfile.TemporaryDirectory() as folder:
                train(
                    network,
                    setting.landmarks if schedule.stage == "lift" else setting.points,
                    setting.motions,
                    replace(schedule, seed=setting.seed),
                    Path(folder) / "checkpoint.pt",
                    number=0,
                    noise=self.noise(recipe),
                    synthesis=recipe.synthesis,
                )
        finally:
            hook.remove()
        return time.process_time() - start


def lifter_of(recipe: Recipe) -> Recipe:
    """The recipe of its lifter alone; decoders that share it are measured on the same one."""
    plain = Recipe()
    return replace(
        recipe,
        decoder=plain.decoder,
        target=plain.target,
        reads=plain.reads,
        resolution=plain.resolution,
    )


def steps_within(seconds: float, setting: Setting, recipe: Recipe, budget: Budget) -> int:
    """Steps per stage so that this recipe takes about so many seconds; all others get as many."""
    trial = replace(budget, steps=20)
    Runner(setting, replace(trial, steps=2)).train(recipe)  # what is slow the first time only
    start = time.perf_counter()
    Runner(setting, trial).train(recipe)
    return max(1, round(seconds / (time.perf_counter() - start) * trial.steps))


def evaluate(network: AblationNetwork, setting: Setting) -> dict[str, dict[str, float]]:
    """MPJPE, PA-MPJPE, MPVPE and PA-MPVPE in mm of what leaves the network, no fit: clean and detector_noise.

    The frames are thinned, so that the acceleration error would mean nothing and is left out.
    """
    predict = as_it_is(network, setting.device)
    figures = {name: errors(predict, batches) for name, batches in setting.evaluation.items()}
    return {
        case: {name: value for name, value in values.items() if name != "accel"}
        for case, values in figures.items()
    }


def as_it_is(network: AblationNetwork, device: torch.device) -> Predict:
    """Joints regressed from the network's vertices, and the vertices."""
    regressor = network.mesh.joint_regressor

    @torch.inference_mode()
    def predict(observation: Observation) -> tuple[np.ndarray, np.ndarray]:
        parts = []
        for start in range(0, len(observation.extent), CHUNK):
            part = Observation(*(field[start : start + CHUNK].to(device) for field in observation))
            parts.append(network(part)[1].cpu().numpy())
        vertices = np.concatenate(parts)
        return (regressor @ vertices).astype(np.float32), vertices

    return predict
