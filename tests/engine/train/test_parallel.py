"""Two processes on this machine: gradients become their mean, running averages the first one's."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.multiprocessing.spawn import spawn

from engine.train import parallel


def _work(rank: int, port: int, folder: str) -> None:
    import os

    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    torch.set_num_threads(1)
    assert parallel.join(torch.device("cpu")) == torch.device("cpu")
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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(_work, (port, str(tmp_path)), nprocs=2)
    for rank in range(2):
        state = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert torch.equal(state["gradients"], torch.full_like(state["gradients"], 1.5))
        assert state["done"] == 0.25
        assert torch.equal(state["mean"], torch.zeros(2))


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
