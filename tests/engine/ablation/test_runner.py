"""Every ablation runs, alike for all its cells, and the same again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.ablation.recipe import OURS, PUBLISHED
from engine.ablation.runner import (
    Budget,
    Runner,
    Setting,
    evaluate,
    lifter_of,
    prepare,
    split,
    steps_within,
)
from engine.cli import main
from engine.errors import EngineError
from engine.train.motions import MotionSet

TINY = Budget(steps=3, lift_batch=8, mesh_batch=4)
SMALL_OURS, SMALL_PUBLISHED = replace(OURS, hidden=16), replace(PUBLISHED, hidden=16)


def test_the_same_seed_gives_the_same_numbers(setting: Setting) -> None:
    first, second = (Runner(setting, TINY).row(SMALL_PUBLISHED) for _ in range(2))
    timeless = [{k: v for k, v in row.items() if k != "train_s"} for row in (first, second)]
    assert timeless[0] == timeless[1]
    other = Runner(replace(setting, seed=1), TINY).row(SMALL_PUBLISHED)
    assert other["clean"] != first["clean"]


def test_training_helps_and_evaluation_is_the_engines(setting: Setting) -> None:
    runner, recipe = Runner(setting, Budget(steps=100, lift_batch=32)), replace(OURS, hidden=64)
    before, after = evaluate(runner.build(recipe).eval(), setting), runner.row(recipe)
    assert after["clean"]["mpjpe"] < 0.8 * before["clean"]["mpjpe"]
    assert set(after["clean"]) == {"mpjpe", "pa_mpjpe", "mpvpe", "pa_mpvpe"}
    assert set(before) == {"clean", "detector_noise"} and before["clean"] != before["detector_noise"]


def test_decoders_share_one_lifter_and_equal_recipes_one_training(setting: Setting) -> None:
    ticks: list[int] = []
    runner = Runner(setting, TINY, lambda: ticks.append(1))
    recipes = [SMALL_PUBLISHED, replace(SMALL_PUBLISHED, reads="3d"), SMALL_PUBLISHED]
    assert runner.steps(recipes) == 9
    rows = [runner.row(recipe) for recipe in recipes]
    assert len(ticks) == 9 and rows[0] == rows[2] != rows[1] and runner.steps(recipes) == 0
    assert lifter_of(recipes[1]) == lifter_of(replace(recipes[0], target="parameters", resolution="direct"))
    for field, value in (("view", "ours"), ("hidden", 8), ("noise", "plain")):
        assert lifter_of(replace(recipes[0], **{field: value})) != lifter_of(recipes[0])


def test_finished_cells_are_kept(setting: Setting, tmp_path: Path) -> None:
    memory = tmp_path / "rows.json"
    row = Runner(setting, TINY, memory=memory).row(SMALL_OURS)
    ticks: list[int] = []
    again = Runner(setting, TINY, lambda: ticks.append(1), memory)
    assert again.row(SMALL_OURS) == row and not ticks
    again.row(replace(SMALL_OURS, view="no_confidence"))
    assert len(ticks) == 3 and len(json.loads(memory.read_text())) == 2


def test_seconds_become_steps(setting: Setting) -> None:
    short, long = (steps_within(seconds, setting, SMALL_OURS, TINY) for seconds in (0.0, 60.0))
    assert short == 1 and long > 20


def test_clips_are_held_out_whole() -> None:
    clip = torch.arange(12).repeat_interleave(3)
    training, measured = split(MotionSet(torch.arange(36.0), clip, []))
    assert set(measured.clip.tolist()) == {0, 5, 10} and len(measured.rotations) == 9
    assert not set(training.rotations.tolist()) & set(measured.rotations.tolist())
    with pytest.raises(EngineError, match="--validation"):
        split(MotionSet(torch.zeros(3), torch.zeros(3), []))


@pytest.fixture(scope="module")
def printed(motion_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """All four at once, on the command line."""
    import contextlib
    import io

    options = ["--steps", "2", "--hidden", "16", "--vertices", "120", "--device", "cpu", "--json"]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        names = ["target", "coarse-to-fine", "cascade", "ingredients"]
        assert main(["ablate", *names, "--motions", str(motion_file), *options]) == 0
    return out.getvalue(), json.loads(out.getvalue().splitlines()[-1])


def test_every_cell_has_its_row(printed: tuple[str, dict[str, Any]]) -> None:
    text, figures = printed
    assert {name: len(rows) for name, rows in figures.items()} == {
        "target": 4,
        "coarse-to-fine": 2,
        "cascade": 3,
        "ingredients": 14,
    }
    for rows in figures.values():
        for cell, row in rows.items():
            assert f"| {cell} |" in text
            assert row["steps"] == 2 and row["parameters"] > 0 and row["train_s"] > 0
            assert 0 < row["clean"]["pa_mpjpe"] < row["clean"]["mpjpe"] < 3000


def test_the_common_cell_is_one_and_the_same(printed: tuple[str, dict[str, Any]]) -> None:
    figures = printed[1]
    common = [
        figures["target"]["vertices, graph (published)"],
        figures["coarse-to-fine"]["coarse to fine (published)"],
        figures["cascade"]["2D, 3D → mesh (published)"],
    ]
    assert common[0] == common[2]
    assert common[0].items() <= common[1].items()
    assert {"step_ms", "peak_mb", "frames_per_s"} == set(common[1]) - set(common[0])


def test_a_wrong_motion_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "cascade", "--motions", str(tmp_path / "none.npz")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and "none.npz" in error and error.count("\n") == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cells_train_on_cuda(motion_file: Path) -> None:
    setting = prepare(motion_file, None, vertices=120, seed=0, device=torch.device("cuda"))
    runner = Runner(setting, TINY)
    for recipe in (replace(SMALL_PUBLISHED, target="parameters"), replace(SMALL_OURS, noise="plain")):
        assert 0 < runner.row(recipe)["clean"]["mpjpe"] < 3000
