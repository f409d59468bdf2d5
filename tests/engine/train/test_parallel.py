"""Two processes: gradients become their mean, running averages the first one's; a training has one result."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.multiprocessing.spawn import spawn

from engine.body.model import BodyModel
from engine.pose2mesh.body_network import BodyNetwork, body_config
from engine.train import parallel
from engine.train.body_torch import BodyTorch
from engine.train.linear_maps import build_body_mesh
from engine.train.log import read_log
from engine.train.loop import train
from engine.train.motions import load_motions
from engine.train.schedule import Schedule


def _join(rank: int, port: int) -> None:
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    torch.set_num_threads(1)
    assert parallel.join(torch.device("cpu")) == torch.device("cpu")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _exchange(rank: int, port: int, folder: str) -> None:
    _join(rank, port)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, float(rank + 1))
    network[1].running_mean.fill_(float(rank))
    parallel.average_gradients(network.parameters())
    done = parallel.agree(network, 0.25 + rank)
    gradients = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    torch.save({"gradients": gradients, "done": done, "mean": network[1].running_mean}, f"{folder}/{rank}.pt")
    parallel.wait()
    parallel.leave()


def test_processes_share_gradients_and_the_first_ones_word(tmp_path: Path) -> None:
    spawn(_exchange, (_free_port(), str(tmp_path)), nprocs=2)
    for rank in range(2):
        state = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert torch.equal(state["gradients"], torch.full_like(state["gradients"], 1.5))
        assert state["done"] == 0.25
        assert torch.equal(state["mean"], torch.zeros(2))


def _train(rank: int, port: int, folder: str, motion_file: str) -> None:
    _join(rank, port)
    body, out = BodyModel.load("open_body"), Path(folder)
    motions = load_motions(Path(motion_file), body, unique_only=False)
    mesh = build_body_mesh(body, motions, 100)
    points = BodyTorch(body, mesh.vertex_ids)
    torch.manual_seed(0)
    network = BodyNetwork(body_config(32, ((8,), (8,)), ()), mesh)
    # NCCL takes no others; this test's gloo would.
    assert all(buffer.is_contiguous() for buffer in network.buffers())
    stages = (
        Schedule("lift", 4, 8, 1e-2, average=0.9),
        Schedule("mesh", 3, 8, 1e-2, mesh_batch=4, average=0.9),
    )
    for number, stage in enumerate(stages):
        train(network, points, motions, stage, out / "checkpoint.pt", number)
    torch.save(network.state_dict(), out / f"{rank}.pt")
    parallel.wait()
    parallel.leave()


def test_a_training_of_two_has_one_result(tmp_path: Path, motion_file: Path) -> None:
    """Unlike pairs, and yet the same weights on both sides, which are those in the checkpoint."""
    spawn(_train, (_free_port(), str(tmp_path), str(motion_file)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    statistics = ("running_mean", "running_var")  # the first one's count
    assert all(torch.equal(v, second[k]) for k, v in first.items() if not k.endswith(statistics))
    assert any(not torch.equal(v, second[k]) for k, v in first.items() if k.endswith(statistics))
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["network"]
    assert all(torch.equal(value, saved[name]) for name, value in first.items())
    lines = read_log(tmp_path / "checkpoint.jsonl")
    assert [[line["samples"] for line in lines[number]] for number in (0, 1)] == [[4 * 8 * 2], [3 * 8 * 2]]


def test_alone_nothing_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    layer = nn.Linear(2, 1)
    layer.weight.grad = torch.ones(1, 2)
    parallel.average_gradients(layer.parameters())
    assert torch.equal(layer.weight.grad, torch.ones(1, 2))
    assert parallel.agree(layer, 0.5) == 0.5
    assert parallel.join(torch.device("cpu")) == torch.device("cpu")
    parallel.wait()
    parallel.leave()
