"""Every shipped experiment, both stages, from files in the published formats to scores."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.body import library
from engine.cli import main, published_sources
from engine.datasets.bodies import Bodies
from engine.errors import EngineError
from engine.pose2mesh.metrics import hand_scores
from engine.train.published.config import Experiment, load_experiment
from engine.train.published.hand_truth import JOINTS_FILE, VERTICES_FILE, read_hand_truth
from engine.train.published.run import run, score
from engine.train.published.sources import Sources, load_bodies
from tests.engine.datasets import tiny, writers
from tests.engine.train.published import world

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tmp_path_factory.mktemp("experiments")
    data = folder / "data"
    body, hand, people = world.save_bodies(data, folder), world.save_hand(folder), world.bodies()
    world.write_human36m(data, train=8, test=4, people=people)
    writers.coco(data / "COCO", people)
    writers.muco(data / "MuCo", people)
    writers.amass(data / "AMASS")
    writers.pw3d(data / "PW3D", people)
    writers.surreal(data / "SURREAL", people)
    writers.freihand(data / "FreiHAND", people)
    return Sources(data, str(body), str(body), str(body), hand)


def tiny_experiment(name: str) -> Experiment:
    """The shipped one, but narrow and short."""
    experiment = load_experiment(f"published_{name}")
    levels = experiment.network.mesh.levels
    mesh = replace(
        experiment.network.mesh, joint_widths=(8, 8, 8), level_widths=((8, 8),) * levels, output_widths=(8,)
    )
    network = replace(experiment.network, pose=replace(experiment.network.pose, hidden=32), mesh=mesh)
    return replace(experiment, network=network, epochs=1)


@pytest.mark.parametrize(
    ("name", "joints"),
    [("human36m", 17), ("coco_muco", 19), ("coco_amass", 19), ("surreal", 24), ("freihand", 21)],
)
def test_both_stages_run(name: str, joints: int, sources: Sources, tmp_path: Path) -> None:
    posenet, full = tiny_experiment(f"{name}_posenet"), tiny_experiment(f"{name}_full")
    first = run(posenet, sources, tmp_path / "posenet", CPU)
    last = run(full, sources, tmp_path / "full", CPU, first)
    assert torch.load(last, weights_only=True)["model_state_dict"]["pose_lifter.w2.bias"].shape == (
        3 * joints,
    )
    lifted, found = score(posenet, sources, first, CPU), score(full, sources, last, CPU)
    if name == "freihand":  # the published evaluation files hold no truth
        assert (lifted, found) == ({}, {})
        assert not (tmp_path / "full" / "best.pth.tar").exists()
        assert torch.load(last, weights_only=True)["test_log"] == {"surface": [0.0], "joint": [0.0]}
        assert "test_mpjpe" not in json.loads((tmp_path / "full" / "log.jsonl").read_text())
        return
    assert set(lifted) == {"mpjpe", "pa_mpjpe"}
    assert set(found) == {"mpjpe", "pa_mpjpe", "mpvpe", "pa_mpvpe", "mpjpe_smpl24"}
    assert all(np.isfinite(value) and value > 0 for value in {**lifted, **found}.values())


def test_the_published_check_voids_muco_and_the_meant_one_does_not(sources: Sources) -> None:
    from engine.train.published.sources import open_training

    experiment = tiny_experiment("coco_muco_full")
    bodies = load_bodies(experiment, sources)
    for slip, valid in ((True, 0.0), (False, 1.0)):
        mixture = open_training(replace(experiment, muco_slip=slip), sources.data, bodies)
        assert mixture.datasets[2].name == "muco"
        assert mixture.datasets[2][0].vertices_valid.mean() == valid


@pytest.fixture(scope="module")
def hand(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    out = tmp_path_factory.mktemp("hand")
    posenet, full = tiny_experiment("freihand_posenet"), tiny_experiment("freihand_full")
    return full, run(full, sources, out / "full", CPU, run(posenet, sources, out / "posenet", CPU))


def test_hands_are_written_for_the_benchmark_and_scored_with_its_truth(
    hand: tuple[Experiment, Path], sources: Sources, tmp_path: Path
) -> None:
    experiment, checkpoint = hand
    predictions = tmp_path / "out" / "pred.json"
    assert score(experiment, sources, checkpoint, CPU, predictions=predictions) == {}
    joints, vertices = (np.array(part) for part in json.loads(predictions.read_text()))
    assert (joints.shape, vertices.shape) == ((2, 21, 3), (2, world.VERTICES, 3))
    regressor = load_bodies(experiment, sources).hand.joint_regressor21
    np.testing.assert_allclose(joints, regressor @ vertices, atol=1e-3)

    random = np.random.default_rng(0)
    true_joints = joints / 1000 + random.normal(0, 0.002, joints.shape)
    true_vertices = vertices / 1000 + random.normal(0, 0.002, vertices.shape)
    tiny.write(tmp_path / JOINTS_FILE, true_joints.tolist())
    tiny.write(tmp_path / VERTICES_FILE, true_vertices.tolist())
    found = score(experiment, sources, checkpoint, CPU, hand_truth=tmp_path)
    assert set(found) == {"pa_mpjpe", "pa_mpvpe", "auc_joints", "auc_vertices", "f_5mm", "f_15mm"}
    assert found == pytest.approx(hand_scores(joints, vertices, true_joints, true_vertices), rel=1e-3)
    assert found["pa_mpvpe"] == pytest.approx(2 * np.sqrt(8 / np.pi), rel=0.1)


def test_hands_with_truth_in_the_test_set_are_scored_by_it(
    hand: tuple[Experiment, Path], sources: Sources, tmp_path: Path
) -> None:
    experiment, checkpoint = hand
    folder = tmp_path / "FreiHAND" / "data"
    for file in (sources.data / "FreiHAND" / "data").iterdir():
        tiny.write(folder / file.name, json.loads(file.read_text()))
    data = json.loads((folder / "freihand_train_data.json").read_text())
    tiny.write(folder / "freihand_eval_data.json", data)
    found = score(experiment, replace(sources, data=tmp_path), checkpoint, CPU)
    assert found["pa_mpjpe"] > 0 and 0 < found["f_15mm"] <= 1


def test_truth_of_other_hands_is_refused(
    hand: tuple[Experiment, Path], sources: Sources, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match="missing"):
        read_hand_truth(tmp_path, 2)
    tiny.write(tmp_path / JOINTS_FILE, np.zeros((3, 21, 3)).tolist())
    tiny.write(tmp_path / VERTICES_FILE, np.zeros((3, 778, 3)).tolist())
    with pytest.raises(EngineError, match="3 hands"):
        read_hand_truth(tmp_path, 2)
    tiny.write(tmp_path / JOINTS_FILE, [[1.0, 2.0]])
    with pytest.raises(EngineError, match="published format"):
        read_hand_truth(tmp_path, 1)
    tiny.write(tmp_path / JOINTS_FILE, np.zeros((2, 21, 3)).tolist())
    tiny.write(tmp_path / VERTICES_FILE, np.zeros((2, 5, 3)).tolist())
    experiment, checkpoint = hand
    with pytest.raises(EngineError, match="5 vertices"):
        score(experiment, sources, checkpoint, CPU, hand_truth=tmp_path)


def test_weights_of_another_experiment_are_refused(
    hand: tuple[Experiment, Path], sources: Sources, tmp_path: Path
) -> None:
    full, checkpoint = hand
    body = tiny_experiment("human36m_full")
    with pytest.raises(EngineError, match="is for mano21"):
        score(body, sources, checkpoint.with_name("final.safetensors"), CPU)
    with pytest.raises(EngineError, match="does not fit this experiment"):
        score(body, sources, checkpoint, CPU)
    with pytest.raises(EngineError, match="There is no checkpoint"):
        score(full, sources, tmp_path / "none.pth.tar", CPU)


def test_input_without_detections_is_pointed_out(
    sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = replace(tiny_experiment("coco_amass_posenet"), train=("amass",), test="human36m")
    checkpoint = run(experiment, sources, tmp_path, CPU)
    assert "human36m has no detections" in capsys.readouterr().err
    score(replace(experiment, detected=False), sources, checkpoint, CPU)
    assert "Warning" not in capsys.readouterr().err


def test_a_body_without_the_other_genders_is_refused(
    sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(sources.data), "--body", str(sources.body), "--out", str(tmp_path)]
    assert main(["train", "published_surreal_posenet", *arguments, "--device", "cpu"]) == 1
    assert "male SMPL body" in capsys.readouterr().err


def test_a_hand_is_named_or_given_as_a_file(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(library.VARIABLE, str(tmp_path))
    found = [
        published_sources.sources(
            argparse.Namespace(**dict.fromkeys(("body", "male", "female")), data=tmp_path, hand=Path(hand))
        )
        for hand in ("mano", "MANO_RIGHT.pkl", "some/mano")
    ]
    assert [each.hand for each in found] == [
        library.body_file("mano"),
        Path("MANO_RIGHT.pkl"),
        Path("some/mano"),
    ]
    arguments = ["--data", str(sources.data), "--out", str(tmp_path), "--device", "cpu", "--hand", "mano"]
    assert main(["train", "published_freihand_posenet", *arguments]) == 1
    assert "mano.npz" in capsys.readouterr().err


def test_bodies_are_asked_for_as_they_are_needed(sources: Sources) -> None:
    bodies: Bodies = load_bodies(load_experiment("published_human36m_full"), sources)
    assert bodies.coco_regressor is None and bodies.hand_model is None
    assert load_bodies(load_experiment("published_surreal_full"), sources).human36m_regressor is None
    assert not load_bodies(load_experiment("published_freihand_full"), sources).by_gender
