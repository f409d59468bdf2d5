"""The picture made of the log's lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import pytest

from engine.train import curves


def line(number: int, step: int, loss: float = 50.0, stage: str = "lift") -> str:
    losses = {"lift": loss, "vertex": loss / 2} if stage == "mesh" else {"lift": loss}
    return json.dumps(
        {
            "number": number,
            "stage": stage,
            "step": step,
            "samples": step * 64,
            "learning_rate": 1e-3 / step,
            "losses": losses,
        }
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.jsonl"
    lines = [line(0, step, 200 / step) for step in range(1, 40)]
    lines += [line(1, step, 100 / step, "mesh") for step in range(1, 10)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(autouse=True)
def nothing_said_yet() -> None:
    curves._warn.cache_clear()


def test_a_row_per_stage(log: Path, tmp_path: Path) -> None:
    curves.draw_curves(log, tmp_path / "two.png")
    log.write_text(line(0, 1) + "\n")
    curves.draw_curves(log, tmp_path / "one.png")
    two, one = (cv2.imread(str(tmp_path / name)) for name in ("two.png", "one.png"))
    assert two.shape[1] == one.shape[1] and two.shape[0] == 2 * one.shape[0]
    half = len(two) // 2
    for panel in (two[:half], two[half:], one):  # something coloured is drawn in each
        assert (panel.max(axis=2).astype(int) - panel.min(axis=2) > 60).any()


def test_without_a_log_there_is_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curves.draw_curves(tmp_path / "none.jsonl", tmp_path / "curves.png")
    (tmp_path / "empty.jsonl").touch()
    curves.draw_curves(tmp_path / "empty.jsonl", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
    assert capsys.readouterr().err == ""


def test_without_matplotlib_one_sentence_says_so(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    curves.draw_curves(log, tmp_path / "curves.png")
    curves.draw_curves(log, tmp_path / "curves.png")
    said = capsys.readouterr().err
    assert said.startswith("Warning: ") and "matplotlib is missing" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "curves.png").exists()


def test_a_picture_that_cannot_be_written_is_no_end(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curves.draw_curves(log, tmp_path / "no folder" / "curves.png")
    assert "curves.png cannot be written" in capsys.readouterr().err
