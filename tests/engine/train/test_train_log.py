"""The log's lines, written and read again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from engine.errors import EngineError
from engine.train.log import Log, read_log
from engine.train.schedule import Schedule


def test_a_line_is_the_mean_since_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.jsonl"
    log = Log(path, Schedule("mesh", 9, 32, 1e-3, mesh_batch=8), 1)
    log.write(0, 0.0, 1e-3)
    assert log.last == {} and not path.exists()
    for step in range(1, 5):
        log.add({"lift": torch.tensor(float(step)), "edge": torch.tensor(10.0 * step)})
        if step % 2 == 0:
            log.write(step, 3.0 * step, 1e-3 / step)
    (first, second) = read_log(path)[1]
    assert first["losses"] == {"lift": 1.5, "edge": 15.0}
    assert second["losses"] == log.last == {"lift": 3.5, "edge": 35.0}
    assert (second["stage"], second["step"], second["samples"], second["seconds"]) == ("mesh", 4, 128, 12.0)
    assert second["learning_rate"] == 2.5e-4


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    log = Log(tmp_path / "checkpoint.jsonl", Schedule("lift", 9, 32, 1e-3), 0)
    log.add({"lift": torch.tensor(float("nan"))})
    with pytest.raises(EngineError, match="no longer a number"):
        log.write(1, 1.0, 1e-3)


def test_a_stopped_trainings_repeated_and_torn_lines(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.jsonl"
    lines = [
        _line(0, 50, 9.0),
        _line(0, 100, 8.0),
        _line(0, 150, 7.0)[:30],
        _line(0, 100, 6.0),
        _line(1, 50, 5.0),
    ]
    path.write_text("\n".join(lines) + '\n{"stage": "of an older version"}\n')
    stages = read_log(path)
    assert list(stages) == [0, 1]
    assert [(each["step"], each["losses"]["lift"]) for each in stages[0]] == [(50, 9.0), (100, 6.0)]


def _line(number: int, step: int, loss: float) -> str:
    return json.dumps({"number": number, "step": step, "losses": {"lift": loss}})
