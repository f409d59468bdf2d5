"""The log of a training: means of the losses over some steps, a JSON object per line."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import EngineError
from . import parallel
from .schedule import Schedule


class Log:
    """Adds up the losses of a stage and writes its lines.

    Args:
        path: of the file; only the first process writes it.
        schedule, number: the stage.

    Attributes:
        last: the losses of the newest line by name, empty before there is one.
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

    def write(self, step: int, seconds: float, learning_rate: float) -> None:
        """A line about the steps since the last one, if there were any.

        Args:
            step, seconds: how far the stage has come; learning_rate: the highest there is now.

        Raises:
            EngineError: a loss is no longer a number.
        """
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
            "step": step,
            "samples": step * at_once,
            "seconds": round(seconds, 1),
            "learning_rate": float(f"{learning_rate:.4g}"),
            "losses": self.last,
            "samples_per_s": round(self._steps * at_once / (now - self._since)),
        }
        if parallel.rank() == 0:
            with self._path.open("a") as log:
                log.write(json.dumps(entry) + "\n")
        self._sums, self._steps, self._since = {}, 0, now


def read_log(log: Path) -> dict[int, list[dict[str, Any]]]:
    """The log's lines by the number of their stage, in order of steps.

    A training that was stopped has repeated the steps since its last checkpoint, and may have left a line
    half written: of every step the newest whole line counts.
    """
    newest: dict[tuple[int, int], dict[str, Any]] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        try:
            entry = json.loads(line)
            newest[entry["number"], entry["step"]] = entry
        except (ValueError, KeyError):
            continue
    stages: dict[int, list[dict[str, Any]]] = {}
    for number, step in sorted(newest):
        stages.setdefault(number, []).append(newest[number, step])
    return stages
