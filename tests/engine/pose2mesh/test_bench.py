"""The benchmark measures what it says; the plain network it measures computes the same numbers."""

import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import golden
from test_meshnet import SMALL

from engine.errors import EngineError
from engine.pose2mesh import bench
from engine.pose2mesh.config import published_config
from engine.pose2mesh.model import Pose2Mesh, build


def test_the_plain_convolution_is_the_same_network() -> None:
    model = build(replace(SMALL, padding=True), golden("mano")["faces"]).eval()
    x = torch.randn(2, 33, 3)
    with torch.no_grad():
        ours = model(x)[0]
        model.pose2mesh.convolve = bench._PlainConvolution()
        torch.testing.assert_close(model(x)[0], ours, rtol=0, atol=1e-6)


def test_sphere_is_a_closed_mesh_of_the_asked_size() -> None:
    faces = bench._sphere(200)
    assert set(np.unique(faces)) == set(range(200))
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(function: str, *arguments: object) -> dict[str, float]:
        figures: dict[str, float] = getattr(bench, function)(*arguments)
        return figures

    monkeypatch.setattr(bench, "_in_a_process", call)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_figures_for_each_network_device_and_batch(
    monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    seen = []

    def network(name: str, device: str, batch: int) -> tuple[object, tuple[int, ...]]:
        assert (name in bench.NAMES, device) == (True, "cpu")

        def call(clip: np.ndarray) -> None:
            assert clip.shape == (batch, 17, 2)
            seen.append((name, batch))

        return call, (17, 2)

    monkeypatch.setattr(bench, "_network", network)
    figures = bench.network(batches=(1, 8), seconds=0.01)
    assert set(figures) == set(bench._available(bench.NAMES))
    assert {bench.PUBLISHED_PLAIN, bench.PUBLISHED, bench.LIGHT} <= set(figures)
    for devices in figures.values():
        assert set(devices) == {"cpu"}
        assert set(devices["cpu"]) == {"1", "8"}
        assert all(figure["fps"] > 0 and figure["peak_mb"] >= 0 for figure in devices["cpu"].values())
    assert set(seen) == {(name, batch) for name in figures for batch in (1, 8)}


def test_weights_that_do_not_ship_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from engine.pose2mesh import body_network

    monkeypatch.setattr(body_network, "shipped_weights", lambda name: tmp_path / name)
    (tmp_path / "open_body_light").touch()
    assert bench._available((bench.PUBLISHED, bench.QUALITY, bench.LIGHT)) == [bench.PUBLISHED, bench.LIGHT]


def test_our_network_answers_the_benchmark() -> None:
    call, shape = bench._network(bench.LIGHT, "cpu", 4)
    landmarks, vertices = call(np.random.default_rng(0).random((6, *shape), np.float32))
    assert landmarks.shape == (6, 33, 3)
    assert len(vertices) == 6
    assert np.isfinite(vertices).all()


@pytest.mark.parametrize("name", bench.TRAINING_NAMES)
def test_every_training_step_trains(
    name: str, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    """Measured on a small network; all but the half-precision one see the same losses."""
    monkeypatch.setattr(bench, "VERTICES", 778)
    made = []

    def small(name: str) -> Pose2Mesh:
        torch.manual_seed(0)
        config = replace(published_config("human36m17", 17), mesh=replace(SMALL.mesh, joints=17), depth=2)
        config = replace(
            config, mesh=replace(config.mesh, input_channels=5), pose=replace(config.pose, hidden=32)
        )
        made.append(build(config, bench._sphere(778)))
        if name == bench.PUBLISHED_PLAIN:
            made[-1].pose2mesh.convolve = bench._PlainConvolution()
        return made[-1]

    monkeypatch.setattr(bench, "_published", small)
    before = {key: value.clone() for key, value in small(name).state_dict().items()}
    figures = bench.training((name,), batch=3, seconds=0.01)
    assert figures[name]["cpu"]["samples_per_s"] > 0
    if name in (bench.PUBLISHED_PLAIN, bench.OURS):  # the others train a copy without padding
        after = made[-1].state_dict()
        assert not torch.equal(after["pose2mesh.cl.0.weight"], before["pose2mesh.cl.0.weight"])
        assert not torch.equal(after["pose_lifter.w1.weight"], before["pose_lifter.w1.weight"])


def test_plain_and_our_training_steps_have_the_same_gradients() -> None:
    model = build(replace(SMALL, padding=True), golden("mano")["faces"]).train()
    x = torch.randn(4, 33, 3)
    gradients = []
    for convolve in (bench._PlainConvolution(), model.pose2mesh.convolve):
        model.pose2mesh.convolve = convolve
        model.zero_grad()
        torch.autograd.backward(model(x)[0].square().mean())
        gradients.append(torch.cat([p.grad.flatten() for p in model.pose2mesh.parameters()]))
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6 * float(gradients[0].abs().max()))


@pytest.mark.parametrize("marked", [True, False])
def test_peak_memory_sees_what_came_and_went(marked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not marked:
        monkeypatch.setattr(bench, "_reset_high_water", lambda: False)
    elif not bench._reset_high_water():
        pytest.skip("this system keeps no mark that can be reset")
    before = bench._resident_mb()
    if not before:
        pytest.skip("not measured here")
    with bench._PeakMemory() as memory:
        block = np.ones(2**26, np.uint8)
        time.sleep(0.1)
        del block
    assert memory.peak_mb - before > 50


def test_a_failed_measurement_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        assert command[1:3] == ["-m", "engine.pose2mesh.bench"]
        return subprocess.CompletedProcess(command, 1, "", "Traceback\nMemoryError: 5 GB\n")

    monkeypatch.setattr(subprocess, "run", killed)
    with pytest.raises(EngineError, match=r"published on cpu failed \(MemoryError: 5 GB\)"):
        bench._in_a_process("measure", "published", "cpu", 64, 0.0, 1)
