"""One stage of training, as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

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
        share: in stage "time", how much of what the mixers add is handed on; below 1 where real errors last
            longer than drawn ones.
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
    share: float = 1.0
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
        yield not 0 <= self.share <= 1, f"share is {self.share}: make it from 0 to 1"
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
