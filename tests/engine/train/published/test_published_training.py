"""The published training from files to files, on a narrow network and a body of 778 vertices."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.cli import main
from engine.errors import EngineError
from engine.pose2mesh import checkpoint, weights
from engine.pose2mesh.checkpoint import import_checkpoint
from engine.pose2mesh.config import Pose2MeshConfig
from engine.train.published import evaluation, loop
from engine.train.published.checkpoints import History
from engine.train.published.config import Experiment, load_experiment
from engine.train.published.loop import BEST, FINAL, LAST, BatchLosses, network
from engine.train.published.mesh import mesh_for
from engine.train.published.run import run, score
from engine.train.published.sources import Sources
from tests.engine.train.published import world

CPU = torch.device("cpu")
SHORT = [("epochs", "6"), ("drop_at", "[5]"), ("batch", "16")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def sources(folder: Path) -> Sources:
    data = folder / "data"
    body = world.save_bodies(data, folder)
    world.write_human36m(data, train=76, test=20, people=world.bodies())
    return Sources(data, str(body))


@pytest.fixture(scope="module")
def posenet(folder: Path, sources: Sources) -> tuple[Experiment, Path]:
    """PoseNet's own training, run as a user runs it."""
    changes = [("epochs", "30"), ("drop_at", "[25]"), ("batch", "16")]
    config = world.write_config(folder, "posenet", "published_human36m_posenet", changes)
    out = folder / "posenet"
    arguments = [
        "--data",
        str(sources.data),
        "--body",
        str(sources.body),
        "--out",
        str(out),
        "--device",
        "cpu",
    ]
    assert main(["train", str(config), *arguments]) == 0
    return load_experiment(str(config)), out


@pytest.fixture(scope="module")
def full(folder: Path, sources: Sources, posenet: tuple[Experiment, Path]) -> tuple[Experiment, Path]:
    """The full training, never stopped."""
    changes = [*SHORT, ("edges_after", "3")]
    experiment = load_experiment(str(world.write_config(folder, "full", "published_human36m_full", changes)))
    out = folder / "full"
    assert run(experiment, sources, out, CPU, posenet[1] / FINAL) == out / FINAL
    return experiment, out


def log_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


def test_posenet_learns(posenet: tuple[Experiment, Path], sources: Sources, tmp_path: Path) -> None:
    experiment, out = posenet
    lines = log_of(out)
    assert [line["epoch"] for line in lines] == list(range(1, 31))
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]
    assert lines[-1]["test_mpjpe"] < 0.5 * lines[0]["test_mpjpe"]
    assert [line["learning_rate"] for line in lines] == [1e-3] * 25 + [5e-4] * 5
    found = score(experiment, sources, out / FINAL, CPU)
    assert found["mpjpe"] == pytest.approx(lines[-1]["test_mpjpe"])
    assert set(found) == {"mpjpe", "pa_mpjpe"}
    assert all("test_mpvpe" not in line for line in lines)  # PoseNet has no vertices
    assert set(content(out / FINAL)["model_state_dict"]) == set(network(experiment, mesh()).state_dict())


def mesh() -> Any:
    return mesh_for("human36m17", world.bodies())


def test_the_full_training_learns(full: tuple[Experiment, Path]) -> None:
    lines = log_of(full[1])
    assert lines[2]["vertex"] < 0.8 * lines[0]["vertex"]
    assert lines[2]["mesh_joint"] < 0.8 * lines[0]["mesh_joint"]
    assert min(line["test_mpvpe"] for line in lines) < 0.8 * lines[0]["test_mpvpe"]
    assert [line["edge"] > 0 for line in lines] == [False] * 3 + [True] * 3
    assert lines[5]["edge"] < lines[3]["edge"]
    assert [line["learning_rate"] for line in lines] == [1e-3] * 5 + [pytest.approx(1e-4)]
    for line in lines:
        terms = sum(line[name] for name in ("vertex", "normal", "edge", "mesh_joint", "lifted_joint"))
        assert line["loss"] == pytest.approx(terms, rel=1e-5)


def test_what_is_left_behind(full: tuple[Experiment, Path]) -> None:
    out = full[1]
    names = {path.name for path in out.iterdir()}
    assert names - {BEST} == {FINAL, "log.jsonl", "final.safetensors"}
    found = content(out / FINAL)
    published = {
        "epoch",
        "model_state_dict",
        "optim_state_dict",
        "scheduler_state_dict",
        "train_log",
        "test_log",
    }
    assert published <= set(found)
    lines = log_of(out)
    assert (found["epoch"], found["train_log"]) == (6, [line["loss"] for line in lines])
    assert found["test_log"]["joint"] == [line["test_mpjpe"] for line in lines]
    joints = found["test_log"]["joint"]
    best = [epoch for epoch in range(2, 7) if joints[epoch - 1] < min(joints[: epoch - 1])]
    assert (out / BEST).exists() == bool(best)
    if best:
        assert content(out / BEST)["epoch"] == best[-1]


def test_the_first_epoch_is_never_the_best() -> None:
    assert not History(1, [1.0], [50.0], [60.0]).is_best()
    assert History(2, [1.0] * 2, [50.0, 49.0], [0.0] * 2).is_best()
    assert not History(3, [1.0] * 3, [50.0, 60.0, 55.0], [0.0] * 3).is_best()
    assert not History(2, [1.0] * 2, [0.0, 0.0], [0.0] * 2).is_best()  # hands without truth


def test_a_stopped_training_ends_as_if_it_had_not_been(
    full: tuple[Experiment, Path],
    posenet: tuple[Experiment, Path],
    sources: Sources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment, uninterrupted = full
    calls = []
    watch = evaluation.watch

    def stop_in_epoch_four(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return watch(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "watch", stop_in_epoch_four)
        with pytest.raises(KeyboardInterrupt):
            run(experiment, sources, tmp_path, CPU, posenet[1] / FINAL)
    assert content(tmp_path / LAST)["epoch"] == 3
    torch.manual_seed(99)  # whatever happens in between
    run(experiment, sources, tmp_path, CPU)  # the PoseNet is in the checkpoint
    one, other = content(uninterrupted / FINAL), content(tmp_path / FINAL)
    assert one["test_log"] == other["test_log"]
    for name, value in one["model_state_dict"].items():
        assert torch.equal(value, other["model_state_dict"][name]), name
    for number, state in one["optim_state_dict"]["state"].items():
        assert torch.equal(state["square_avg"], other["optim_state_dict"]["state"][number]["square_avg"])


def test_a_finished_training_is_not_run_again(full: tuple[Experiment, Path], sources: Sources) -> None:
    experiment, out = full
    before = (out / FINAL).read_bytes(), log_of(out)
    assert run(experiment, sources, out, CPU) == out / FINAL
    assert ((out / FINAL).read_bytes(), log_of(out)) == before


def test_a_longer_schedule_goes_on_from_the_end(
    posenet: tuple[Experiment, Path], sources: Sources, tmp_path: Path
) -> None:
    experiment, finished = posenet
    shutil.copy(finished / FINAL, tmp_path)
    run(replace(experiment, epochs=31), sources, tmp_path, CPU)
    assert [line["epoch"] for line in log_of(tmp_path)] == [31]
    found = content(tmp_path / FINAL)
    assert (found["epoch"], len(found["train_log"])) == (31, 31)


def test_a_folder_that_cannot_be_made_is_named(
    posenet: tuple[Experiment, Path], sources: Sources, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot be made"):
        run(posenet[0], sources, tmp_path / "file" / "out", CPU)


def test_evaluation_improves_and_import_reads_the_checkpoint(
    full: tuple[Experiment, Path],
    sources: Sources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    experiment, out = full

    def narrow(_name: str, _joints: int) -> Pose2MeshConfig:
        return experiment.network

    monkeypatch.setattr(checkpoint, "published_config", narrow)
    # After six epochs the mesh is too rough to tell its order by; the file holds what tells it for certain.
    imported = import_checkpoint(out / FINAL, world.FACES, mesh().template, "human36m17").model
    with pytest.raises(EngineError, match="another mesh"):
        import_checkpoint(out / FINAL, (world.FACES + 1) % world.VERTICES, mesh().template)
    stored, description = weights.load(out / "final.safetensors")
    assert (description.body, description.notes) == ("tiny", {"experiment": experiment.name})
    for name, value in imported.state_dict().items():
        assert torch.equal(value, stored.state_dict()[name])

    torch.manual_seed(0)
    weights.save(tmp_path / "fresh.safetensors", network(experiment, mesh()), "tiny")  # type: ignore[arg-type]
    fresh = score(experiment, sources, tmp_path / "fresh.safetensors", CPU)
    trained = score(experiment, sources, out / FINAL, CPU)
    assert trained == pytest.approx(score(experiment, sources, out / "final.safetensors", CPU))
    assert set(trained) == {"mpjpe", "pa_mpjpe", "mpvpe", "pa_mpvpe", "mpjpe_smpl24"}
    for name in ("mpjpe", "mpvpe", "mpjpe_smpl24"):
        assert trained[name] < 0.8 * fresh[name], name

    config = sources.data.parent / "full.toml"
    arguments = [str(config), str(out / "final.safetensors"), "--data", str(sources.data), "--device", "cpu"]
    capsys.readouterr()
    assert main(["evaluate-published", *arguments, "--body", str(sources.body), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(trained)
    assert main(["evaluate-published", *arguments, "--body", str(sources.body)]) == 0
    assert f"mpjpe               {trained['mpjpe']:10.3f}" in capsys.readouterr().out


def test_the_losses_of_a_batch(full: tuple[Experiment, Path]) -> None:
    """A perfect network has none but the normals'; an invalid sample teaches by normals and edges alone."""
    experiment = full[0]
    body = mesh()
    vertices = torch.as_tensor(np.stack([body.template, 1.1 * body.template]), dtype=torch.float32)
    joints = 1000.0 * torch.as_tensor(body.regressor, dtype=torch.float32) @ vertices
    ones = {name: torch.ones(2, count, 1) for name, count in (("vertices_valid", world.VERTICES),
            ("mesh_joints_valid", 17), ("lifted_valid", 17))}  # fmt: skip
    batch = {"pose2d": torch.zeros(2, 17, 2), "vertices": vertices, "mesh_joints": joints, **ones}
    batch["lifted_joints"] = joints

    class Answer(torch.nn.Module):
        def __init__(self, vertices: torch.Tensor, joints: torch.Tensor) -> None:
            super().__init__()
            self.answer = (vertices, joints)

        def forward(self, _pose: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.answer

    losses = BatchLosses(experiment, body, CPU)
    perfect = losses(Answer(vertices, joints), batch, epoch=4)
    assert max(float(perfect[name]) for name in ("vertex", "edge", "mesh_joint", "lifted_joint")) < 1e-5
    off = Answer(vertices + 0.01, joints + 20.0)
    before, after = losses(off, batch, epoch=3), losses(off, batch, epoch=4)
    assert float(before["edge"]) == 0.0
    assert float(before["vertex"]) == pytest.approx(0.01, rel=1e-4)
    assert float(before["mesh_joint"]) == pytest.approx(1e-3 * 10.0, rel=1e-3)
    assert float(before["lifted_joint"]) == pytest.approx(1e-3 * 20.0, rel=1e-4)
    bent = Answer(vertices * torch.tensor([1.0, 1.2, 0.9]), joints)
    for name in ones:
        batch[name] = torch.zeros_like(batch[name])
    void = losses(bent, batch, epoch=4)
    assert [float(void[name]) for name in ("vertex", "mesh_joint", "lifted_joint")] == [0.0] * 3
    assert float(void["edge"]) > 0.01 and float(void["normal"]) > 0.001
    assert set(after) == set(void)


def test_a_full_training_needs_a_posenet_of_its_joints(
    full: tuple[Experiment, Path], sources: Sources, tmp_path: Path
) -> None:
    experiment, out = full
    with pytest.raises(EngineError, match="--init"):
        run(experiment, sources, tmp_path, CPU)
    with pytest.raises(EngineError, match="holds no PoseNet"):
        run(experiment, sources, tmp_path, CPU, out / FINAL)
    with pytest.raises(EngineError, match="no checkpoint"):
        run(experiment, sources, tmp_path, CPU, tmp_path / "nowhere.pth.tar")


class Hostile:
    """Runs code when unpickled."""

    def __reduce__(self) -> Any:
        return (print, ("This must not be printed.",))


@pytest.mark.parametrize("kind", ["damaged", "hostile", "other", "seed", "widths"])
def test_a_checkpoint_that_is_not_this_trainings_is_refused(
    kind: str,
    posenet: tuple[Experiment, Path],
    sources: Sources,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    experiment, out = posenet
    good = out / FINAL
    bad = tmp_path / LAST
    if kind == "damaged":
        bad.write_bytes(good.read_bytes()[:5000])
    elif kind == "hostile":
        torch.save({**content(good), "experiment": Hostile()}, bad)
    else:
        shutil.copy(good, bad)
    if kind == "other":
        experiment = replace(experiment, name="published_another")
    elif kind == "seed":
        experiment = replace(experiment, seed=1)
    elif kind == "widths":
        pose = replace(experiment.network.pose, hidden=32)
        experiment = replace(experiment, network=replace(experiment.network, pose=pose))
    with pytest.raises(EngineError, match=r"checkpoint .*last\.pth\.tar"):
        run(experiment, sources, tmp_path, CPU)
    assert "must not" not in capsys.readouterr().out


def test_a_loss_that_is_no_number_stops_the_training(
    posenet: tuple[Experiment, Path], sources: Sources, tmp_path: Path
) -> None:
    experiment = replace(posenet[0], learning_rate=1e30)
    with pytest.raises(EngineError, match="no longer a number"):
        run(experiment, sources, tmp_path, CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_on_cuda_gives_about_the_same(
    posenet: tuple[Experiment, Path], sources: Sources, tmp_path: Path
) -> None:
    experiment = replace(posenet[0], name="on_cuda", epochs=1)
    run(experiment, sources, tmp_path, torch.device("cuda"))
    assert log_of(tmp_path)[0]["loss"] == pytest.approx(log_of(posenet[1])[0]["loss"], rel=0.05)
