from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.errors import EngineError
from engine.pose2mesh.body_network import body_config, load_body_network
from engine.train.config import TrainConfig, load_config, shortened
from engine.train.evaluate_weights import evaluate_weights
from engine.train.loop import Schedule
from engine.train.run import run


@pytest.fixture(scope="module")
def small() -> TrainConfig:
    network = body_config(64, ((16,), (16,)), ())
    stages = (Schedule("lift", 120, 64, 3e-3), Schedule("mesh", 30, 32, 3e-3, mesh_batch=16))
    return TrainConfig("small", 120, network, stages, seed=0)


@pytest.fixture(scope="module")
def trained(small: TrainConfig, motion_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(small, motion_file, tmp_path_factory.mktemp("train"), torch.device("cpu"))


def test_training_learns(trained: Path, motion_file: Path, small: TrainConfig, tmp_path: Path) -> None:
    untrained = run(
        replace(small, stages=(Schedule("mesh", 1, 4, 0.0, mesh_batch=4),)), motion_file, tmp_path, torch.device("cpu")
    )
    before = evaluate_weights(str(untrained), motion_file, torch.device("cpu"))
    after = evaluate_weights(str(trained), motion_file, torch.device("cpu"))
    assert after["clean"]["mpjpe"] < 0.6 * before["clean"]["mpjpe"]
    assert (
        set(after["clean"])
        == set(after["detector_noise"])
        == {"mpjpe", "pa_mpjpe", "mpvpe", "pa_mpvpe", "accel"}
    )
    assert after["clean"]["mpvpe"] < after["detector_noise"]["mpvpe"]


def test_a_stopped_training_goes_on_where_it_was(
    small: TrainConfig, motion_file: Path, tmp_path: Path
) -> None:
    half = replace(small, stages=(small.stages[0],))
    run(half, motion_file, tmp_path, torch.device("cpu"))
    run(small, motion_file, tmp_path, torch.device("cpu"))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (
        state["progress"]["stage"] == 1 and state["progress"]["step"] == 30 and state["progress"]["finished"]
    )


def test_training_starts_from_shipped_weights(
    trained: Path, small: TrainConfig, motion_file: Path, tmp_path: Path
) -> None:
    still = replace(small, stages=(Schedule("lift", 1, 4, 0.0),))
    again = run(still, motion_file, tmp_path, torch.device("cpu"), init=trained)
    first, second = load_body_network(trained).state_dict(), load_body_network(again).state_dict()
    name = "network.pose_lifter.w1.weight"
    assert torch.allclose(first[name], second[name], atol=1e-3)


def test_the_weights_say_how_they_were_made(trained: Path) -> None:
    network = load_body_network(trained)
    assert network.config.pose.hidden == 64
    header = trained.read_bytes()[8:].split(b"\x00")[0][:20000]
    assert b'"training"' in header and json.dumps("small").encode().strip(b'"') in header


def test_the_shipped_configuration_is_readable() -> None:
    config = load_config("open_body_light")
    assert [stage.stage for stage in config.stages] == ["lift", "mesh"]
    assert sum(stage.seconds for stage in shortened(config, 10).stages) == pytest.approx(10)


def test_a_wrong_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="choose one of"):
        load_config("nothing")
    bad = tmp_path / "bad.toml"
    bad.write_text("vertices = 'many'")
    with pytest.raises(EngineError, match=r"bad\.toml"):
        load_config(str(bad))
