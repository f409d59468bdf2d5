"""The benchmark measures what it says; the plain network it measures computes the same numbers."""

import subprocess

import numpy as np
import pytest
import torch
from golden import golden
from test_meshnet import SMALL

from engine.errors import EngineError
from engine.pose2mesh import bench
from engine.pose2mesh.model import build


def test_the_plain_convolution_is_the_same_network() -> None:
    from dataclasses import replace

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


def test_figures_for_each_network_device_and_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_network", lambda _name, _device: torch.nn.Flatten())
    monkeypatch.setattr(bench, "_in_a_process", bench.measure)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    figures = bench.network(batches=(1, 8), seconds=0.01)
    assert set(figures) == set(bench.NAMES)
    for devices in figures.values():
        assert set(devices) == {"cpu"}
        assert set(devices["cpu"]) == {"1", "8"}
        assert all(figure["fps"] > 0 and figure["peak_mb"] >= 0 for figure in devices["cpu"].values())


def test_a_failed_measurement_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        assert command[1:3] == ["-m", "engine.pose2mesh.bench"]
        return subprocess.CompletedProcess(command, 1, "", "Traceback\nMemoryError: 5 GB\n")

    monkeypatch.setattr(subprocess, "run", killed)
    with pytest.raises(EngineError, match=r"published on cpu failed \(MemoryError: 5 GB\)"):
        bench._in_a_process("published", "cpu", 64, 0.0, 1)
