from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from engine.body.model import BodyModel
from engine.cli import main
from engine.errors import EngineError
from engine.pose2mesh.body_network import BodyNetwork, body_config, load_body_network, shipped_weights
from engine.pose2mesh.observation import Observation
from engine.train.body_torch import BodyTorch
from engine.train.config import TrainConfig
from engine.train.evaluate_weights import evaluate_weights
from engine.train.log import read_log
from engine.train.loop import train
from engine.train.motions import load_motions
from engine.train.run import load_checkpoint, run
from engine.train.schedule import Schedule


@pytest.fixture(scope="module")
def small() -> TrainConfig:
    network = body_config(64, ((16,), (16,)), ())
    stages = (Schedule("lift", 120, 64, 3e-3), Schedule("mesh", 30, 32, 3e-3, mesh_batch=16))
    return TrainConfig("small", 120, network, stages, seed=0)


@pytest.fixture(scope="module")
def trained(small: TrainConfig, motion_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(small, motion_file, tmp_path_factory.mktemp("train"), torch.device("cpu"))


@pytest.fixture(scope="module")
def made_once() -> Callable[..., BodyTorch]:
    made: dict[bytes, BodyTorch] = {}

    def make(body: BodyModel, ids: np.ndarray, device: torch.device) -> BodyTorch:
        if ids.tobytes() not in made:
            made[ids.tobytes()] = BodyTorch(body, ids, device)
        return made[ids.tobytes()]

    return make


@pytest.fixture
def quick(trained: Path, made_once: Callable[..., BodyTorch], monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds to make and is always the same: the coarse mesh, and the body's moments."""
    mesh = load_body_network(trained).mesh
    monkeypatch.setattr("engine.train.run.build_body_mesh", lambda *_: mesh)
    monkeypatch.setattr("engine.train.run.BodyTorch", made_once)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture takes longer than these trainings."""
    monkeypatch.setattr("engine.train.run.draw_curves", lambda *_: None)


def test_training_learns(trained: Path, motion_file: Path, small: TrainConfig, tmp_path: Path) -> None:
    untrained = run(
        replace(small, stages=(Schedule("mesh", 1, 4, 0.0, mesh_batch=4),)),
        motion_file,
        tmp_path,
        torch.device("cpu"),
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


@pytest.mark.usefixtures("quick", "undrawn")
def test_a_stopped_training_ends_with_the_same_bits(
    small: TrainConfig, motion_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in every stage, between checkpoints, with weights averaged."""
    monkeypatch.setattr("engine.train.loop.LOG_EVERY", 3)
    monkeypatch.setattr("engine.train.loop.SAVE_EVERY", 6)
    stages = (
        Schedule("lift", 14, 16, 3e-3, average=0.9),
        Schedule("time", 14, 16, 3e-3, frames=4, views=2, average=0.9),
        Schedule("mesh", 14, 16, 3e-3, mesh_batch=8, frames=4, lift_rate=0.3, average=0.9),
    )
    config = replace(small, network=body_config(64, ((16,), (16,)), (), temporal_width=8), stages=stages)
    whole = run(config, motion_file, tmp_path / "whole", torch.device("cpu"))
    for stop_after in (9, 13, 17, 8):
        with stopped_after(stop_after), pytest.raises(KeyboardInterrupt):
            run(config, motion_file, tmp_path / "stopped", torch.device("cpu"))
    stopped = run(config, motion_file, tmp_path / "stopped", torch.device("cpu"))
    first, second = (load_checkpoint(path.parent / "checkpoint.pt") for path in (whole, stopped))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    first, second = (load_body_network(path).state_dict() for path in (whole, stopped))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    logs = [read_log(path.parent / "checkpoint.jsonl") for path in (whole, stopped)]
    assert len(logs[0]) == 3 and [len(lines) for lines in logs[0].values()] == [5, 5, 5]
    assert [[line["losses"] for line in lines] for lines in logs[0].values()] == [
        [line["losses"] for line in lines] for lines in logs[1].values()
    ]


@contextmanager
def stopped_after(steps: int) -> Iterator[None]:
    """Somebody presses Ctrl+C after so many steps."""
    count = iter(range(1, steps))

    def step(*_: object) -> None:
        if next(count, None) is None:
            raise KeyboardInterrupt

    hook = register_optimizer_step_post_hook(step)
    try:
        yield
    finally:
        hook.remove()


@pytest.mark.usefixtures("quick")
def test_a_stage_hands_on_the_average(small: TrainConfig, motion_file: Path, tmp_path: Path) -> None:
    """The checkpoint holds the moving average of what the optimiser made of the weights."""
    seen: list[torch.Tensor] = []
    hook = register_optimizer_step_post_hook(
        lambda optimizer, *_: seen.append(optimizer.param_groups[0]["params"][0].detach().clone())
    )
    try:
        run(
            replace(small, stages=(Schedule("lift", 25, 16, 1e-1, average=0.6),)),
            motion_file,
            tmp_path,
            torch.device("cpu"),
        )
    finally:
        hook.remove()
    mean = seen[0]
    for step, weights in enumerate(seen, start=1):
        keep = min(0.6, (1 + step) / (10 + step))
        mean = keep * mean + (1 - keep) * weights
    handed_on = load_checkpoint(tmp_path / "checkpoint.pt")["network.pose_lifter.w1.weight"]
    torch.testing.assert_close(handed_on, mean)
    assert not torch.allclose(handed_on, seen[-1])


@pytest.mark.usefixtures("quick", "undrawn")
def test_every_stage_trains_its_part_and_nothing_else(
    small: TrainConfig, motion_file: Path, tmp_path: Path
) -> None:
    stages = (
        Schedule("lift", 3, 16, 1e-2),
        Schedule("time", 3, 16, 1e-2, frames=4),
        Schedule("mesh", 3, 16, 1e-2, mesh_batch=8, frames=4, lift_rate=0.0),
    )
    temporal = body_config(64, ((16,), (16,)), (), temporal_width=8)
    states = []
    for count in range(1, 4):
        run(
            replace(small, network=temporal, stages=stages[:count]),
            motion_file,
            tmp_path,
            torch.device("cpu"),
        )
        states.append(load_checkpoint(tmp_path / "checkpoint.pt"))
    mesh = load_body_network(tmp_path / "small.safetensors").mesh
    torch.manual_seed(small.seed)
    changed = [
        {_part(name) for name, value in after.items() if not torch.equal(value, before[name])}
        for before, after in pairwise([BodyNetwork(temporal, mesh).state_dict(), *states])
    ]
    assert changed == [{"trunk"}, {"mixers"}, {"mesh"}]


@pytest.mark.usefixtures("quick", "undrawn")
def test_of_the_mixers_only_a_share_is_handed_on(
    small: TrainConfig, motion_file: Path, tmp_path: Path
) -> None:
    temporal = body_config(64, ((16,), (16,)), (), temporal_width=8)
    ups = []
    for share in (1.0, 0.25):
        stage = Schedule("time", 5, 16, 1e-2, frames=4, share=share)
        out = tmp_path / str(share)
        run(replace(small, network=temporal, stages=(stage,)), motion_file, out, torch.device("cpu"))
        ups.append(load_checkpoint(out / "checkpoint.pt")["network.pose_lifter.mixers.0.up.weight"])
    assert ups[0].abs().max() > 0
    torch.testing.assert_close(ups[1], 0.25 * ups[0])


@pytest.mark.usefixtures("quick", "undrawn")
def test_a_training_goes_on_from_what_it_begins_with(
    small: TrainConfig, motion_file: Path, tmp_path: Path
) -> None:
    temporal = body_config(64, ((16,), (16,)), (), temporal_width=8)
    later = replace(
        small,
        name="later",
        network=temporal,
        stages=(Schedule("time", 2, 16, 1e-2, frames=4),),
        begins=replace(small, stages=small.stages[:1]),
    )
    first = load_body_network(run(later, motion_file, tmp_path, torch.device("cpu")))
    earlier = tmp_path / "small" / "small.safetensors"
    before, after = load_body_network(earlier).state_dict(), first.state_dict()
    name = "network.pose_lifter.linear_stages.0.w1.weight"
    torch.testing.assert_close(after[name], before[name])
    log = (tmp_path / "small" / "checkpoint.jsonl").read_text()
    run(later, motion_file, tmp_path, torch.device("cpu"))
    assert (tmp_path / "small" / "checkpoint.jsonl").read_text() == log  # not trained again
    torch.testing.assert_close(load_body_network(earlier).state_dict(), before, atol=0, rtol=0)


def _part(name: str) -> str:
    return "mesh" if ".pose2mesh." in name else "mixers" if ".mixers." in name else "trunk"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["open_body_light", "open_body_quality"])
def test_one_command_makes_a_shipped_network_from_nothing(
    name: str, motion_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--motions", str(motion_file), "--out", str(tmp_path), "--seconds", "0.01", "--json"]
    assert main(["train", name, *arguments]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1]) == {"weights": str(tmp_path / f"{name}.safetensors")}
    assert "100%" in said.err
    network = load_body_network(tmp_path / f"{name}.safetensors")
    assert network.config.to_dict() == load_body_network(shipped_weights(name)).config.to_dict()
    points = torch.rand(6, 33, 3, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        landmarks, vertices = network(Observation(points, torch.ones(6, 1), torch.eye(3).repeat(6, 1, 1)), 6)
    assert landmarks.shape == (6, 33, 3) and vertices.shape == (6, len(network.mesh.vertex_ids), 3)
    assert torch.isfinite(vertices).all() and float((vertices - vertices.mean(1, True)).std()) > 0.01
    assert (tmp_path / "curves.png").stat().st_size > 10_000


@pytest.mark.usefixtures("quick", "undrawn")
def test_what_is_given_takes_the_place_of_what_it_begins_with(
    motion_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = shipped_weights("open_body_light")
    arguments = [
        "--motions",
        str(motion_file),
        "--out",
        str(tmp_path),
        "--seconds",
        "0.01",
        "--init",
        str(given),
    ]
    assert main(["train", "open_body_quality", *arguments]) == 0
    assert not (tmp_path / "open_body_light").exists()
    before, after = load_body_network(given), load_body_network(tmp_path / "open_body_quality.safetensors")
    assert after.reach > 0 == before.reach
    name = "network.pose_lifter.linear_stages.0.w1.weight"
    torch.testing.assert_close(after.state_dict()[name], before.state_dict()[name])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_a_stopped_training_goes_on(
    small: TrainConfig, motion_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.train.loop.SAVE_EVERY", 3)
    stages = (
        Schedule("lift", 5, 16, 3e-3, average=0.9),
        Schedule("time", 5, 16, 3e-3, frames=4, average=0.9),
        Schedule("mesh", 5, 16, 3e-3, mesh_batch=8, frames=4, average=0.9),
    )
    config = replace(small, network=body_config(64, ((16,), (16,)), (), temporal_width=8), stages=stages)
    with stopped_after(9), pytest.raises(KeyboardInterrupt):
        run(config, motion_file, tmp_path, torch.device("cuda"))
    weights = run(config, motion_file, tmp_path, torch.device("cuda"))
    assert all(
        torch.isfinite(value.float()).all() for value in load_body_network(weights).state_dict().values()
    )


@pytest.mark.usefixtures("quick")
def test_a_loss_that_is_no_number_ends_it(small: TrainConfig, motion_file: Path, tmp_path: Path) -> None:
    wild = replace(small, stages=(Schedule("lift", 60, 16, 1e30),))
    with pytest.raises(EngineError, match=r"stage \"lift\" is no longer a number: lower its learning_rate"):
        run(wild, motion_file, tmp_path, torch.device("cpu"))
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.usefixtures("quick", "undrawn")
@pytest.mark.parametrize("kind", ["damaged", "another network's", "empty", "another optimiser's"])
def test_a_checkpoint_that_does_not_fit_is_named(
    small: TrainConfig, motion_file: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "checkpoint.pt"
    one = replace(small, stages=(Schedule("lift", 1, 4, 0.0),))
    run(one, motion_file, tmp_path, torch.device("cpu"))
    if kind == "damaged":
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "another network's":
        one = replace(one, network=body_config(32, ((16,), (16,)), ()))
    else:
        state = torch.load(path, weights_only=True)
        state["progress"]["finished"] = False
        state["optimizer"]["param_groups"].pop()
        torch.save(state, path)
    with pytest.raises(
        EngineError, match=r"checkpoint\.pt is damaged, or of another configuration, .*: delete it"
    ):
        run(one, motion_file, tmp_path, torch.device("cpu"))


@pytest.mark.usefixtures("quick")
def test_weights_to_go_on_from_that_are_none(small: TrainConfig, motion_file: Path, tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no weights")
    for name in ("text.pt", "missing.pt"):
        with pytest.raises(EngineError, match=f"{name} holds no weights"):
            run(small, motion_file, tmp_path / "out", torch.device("cpu"), init=tmp_path / name)


@pytest.mark.usefixtures("quick")
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


def _tiny(config: TrainConfig) -> TrainConfig:
    return replace(config, stages=(Schedule("lift", 4, 16, 1e-2),))


@pytest.mark.usefixtures("quick", "undrawn")
def test_a_corrected_learning_rate_counts_after_a_resumption(
    small: TrainConfig, motion_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As whoever lowers it does, having read that the loss is no longer a number."""
    monkeypatch.setattr("engine.train.loop.SAVE_EVERY", 2)
    stage = Schedule("lift", 4, 16, 1e-2)

    def stop(done: float, _losses: object) -> None:
        if done >= 0.5:
            raise KeyboardInterrupt

    body = BodyModel.load("open_body")
    motions = load_motions(motion_file, body, unique_only=False)
    mesh = load_body_network(shipped_weights("open_body_light")).mesh
    points, checkpoint = BodyTorch(body, mesh.vertex_ids[:0]), tmp_path / "checkpoint.pt"
    network = BodyNetwork(small.network, mesh)
    with pytest.raises(KeyboardInterrupt):
        train(network, points, motions, stage, checkpoint, 0, report=stop)
    before = network.state_dict()["network.pose_lifter.w1.weight"].clone()
    train(network, points, motions, replace(stage, learning_rate=0.0), checkpoint, 0)
    after = network.state_dict()["network.pose_lifter.w1.weight"]
    assert torch.equal(after, before)


@pytest.mark.usefixtures("quick", "undrawn")
def test_a_folder_of_another_training_is_refused(
    small: TrainConfig, motion_file: Path, tmp_path: Path
) -> None:
    config, cpu = _tiny(small), torch.device("cpu")
    run(config, motion_file, tmp_path, cpu)
    run(config, motion_file, tmp_path, cpu)  # the same one: done already
    with pytest.raises(EngineError, match="another --init: delete it"):
        run(config, motion_file, tmp_path, cpu, shipped_weights("open_body_light"))
    other = tmp_path / "other.npz"
    with np.load(motion_file) as data:
        np.savez(other, **{name: data[name] for name in data.files}, more=np.zeros(1))
    with pytest.raises(EngineError, match="other motions"):
        run(config, other, tmp_path, cpu)


@pytest.mark.usefixtures("quick", "undrawn")
@pytest.mark.filterwarnings("error:Dynamo detected")
def test_a_compiled_step_is_the_same_step(
    small: TrainConfig, motion_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced and run without a code generator, which is not at hand everywhere."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    name, ways = "network.pose_lifter.linear_stages.0.w1.weight", {}
    for compiled in (False, True):
        out = tmp_path / str(compiled)
        weights = run(_tiny(small), motion_file, out, torch.device("cpu"), compiled=compiled)
        ways[compiled] = load_body_network(weights).state_dict()[name]
    torch.testing.assert_close(ways[True], ways[False], atol=2e-3, rtol=0.01)
