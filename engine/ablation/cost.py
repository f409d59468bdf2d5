"""What a network costs: time of a training step and of a frame, and memory, counted rather than sampled."""

from __future__ import annotations

import statistics
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..pose2mesh.body_network import BodyNetwork
from ..train.loop import compute_losses
from ..train.schedule import Schedule
from ..train.synthesis import Pairs


def costs(
    networks: Mapping[str, BodyNetwork], pairs: Pairs, edges: Tensor, repeats: int
) -> dict[str, dict[str, float]]:
    """Milliseconds of a training step, frames per second, and the peak memory of a training step in MB.

    Times are the processor's (on CUDA the call waits for the device), the networks called in turn: the
    median of `repeats`.

    Args:
        pairs: the batch to work on.
        edges: (E,2) of the mesh.
    """
    schedule = Schedule("mesh", 1, len(pairs.vertices), 0.0, mesh_batch=len(pairs.vertices))

    def step(network: BodyNetwork) -> None:
        network.train().zero_grad(set_to_none=True)
        with torch.autocast(pairs.vertices.device.type, dtype=torch.bfloat16):
            losses = compute_losses(network, pairs, edges, schedule)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())

    @torch.no_grad()
    def frames(network: BodyNetwork) -> None:
        network.eval()(pairs.observation)

    steps, calls = _in_turn(step, networks, repeats), _in_turn(frames, networks, repeats)
    return {
        name: {
            "step_ms": 1000 * steps[name],
            "frames_per_s": len(pairs.vertices) / calls[name],
            "peak_mb": peak_bytes(step, network) / 2**20,
        }
        for name, network in networks.items()
    }


def peak_bytes(work: Callable[[BodyNetwork], None], network: BodyNetwork) -> int:
    """The most bytes that the network's parameters and all tensors made during `work` held at once."""
    network.zero_grad(set_to_none=True)
    with LiveMemory() as memory:
        memory.add(list(network.parameters()))
        work(network)
    network.zero_grad(set_to_none=True)
    peak: int = memory.peak
    return peak


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storage of every tensor that an operation returns, until it is freed.

    Unlike the process's resident memory it is the same on every run, and knows nothing of the allocator.
    Memory that an operation takes and frees within itself is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self._alive: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        self.add(result)
        return result

    def add(self, tensors: Any) -> None:
        """Count the tensors of a tree; views and what is known already cost nothing."""
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                key, size = storage._cdata, storage.nbytes()
                if key not in self._alive:
                    self._alive.add(key)
                    self.now += size
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self._freed, key, size)

    def _freed(self, key: int, size: int) -> None:
        self._alive.discard(key)
        self.now -= size


def _in_turn(
    work: Callable[[BodyNetwork], None], networks: Mapping[str, BodyNetwork], repeats: int
) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in networks}
    for turn in range(repeats + 1):  # the first is for warming up
        for name, network in networks.items():
            start = time.process_time()
            work(network)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}
