"""A whole clip through a network, batch by batch; on CUDA as a captured graph, its results copied meanwhile.

    lift = Stream(network, device)    # network: tensors to tensors, each row by itself
    vertices, joints = lift(poses)    # NumPy arrays in and out, of any length

On CUDA the first clip captures one batch of the network as a graph, which costs the processor one launch
instead of hundreds. The clip goes to the device in one piece (a pose is a few hundred bytes), every batch is
copied into the graph's input, the last one short of rows that nobody reads, and while the next batch runs the
results of this one travel through page-locked memory on a stream of their own. On CPUs it is a plain loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Network = Callable[..., tuple[Tensor, ...]]
Arrays = tuple[npt.NDArray[Any], ...]


class Stream:
    """Runs a network over clips of any length.

    Args:
        network: takes tensors (B, ...) on the device and returns a tuple of tensors (B, ...), each row from
            its own row alone, without asking the device for numbers on the way.
        device: where the network is.
        batch: rows at once.
        capture: replay the network as a CUDA graph; by default wherever there is CUDA.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device | str = "cpu",
        batch: int = 64,
        capture: bool | None = None,
    ) -> None:
        self.network = network
        self.device = torch.device(device)
        self.batch = batch
        cuda = self.device.type == "cuda"
        self._capture = cuda if capture is None else capture and cuda
        self._graphs: dict[tuple[Any, ...], _Captured] = {}

    @torch.inference_mode()
    def __call__(self, *clip: npt.NDArray[Any]) -> Arrays:
        """Arrays (F, ...), F at least 1, to the network's results (F, ...)."""
        frames = len(clip[0])
        if frames == 0:
            raise ValueError("a clip has at least one frame")
        if self.device.type == "cuda":
            return self._overlapped([_to_device(part, self.device) for part in clip], frames)
        parts = [
            self.network(*(_tensor(part[start : start + self.batch]) for part in clip))
            for start in range(0, frames, self.batch)
        ]
        return tuple(torch.cat(results).numpy() for results in zip(*parts, strict=True))

    def _overlapped(self, clip: list[Tensor], frames: int) -> Arrays:
        """The same on CUDA: batch k computes while the results of batch k-1 travel and k-2 are stored."""
        with torch.cuda.device(self.device):
            run = self._graph(clip) if self._capture else self.network
            way_home = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            slots = _Slot(), _Slot()
            results: list[npt.NDArray[Any]] = []
            for number, start in enumerate(range(0, frames, self.batch)):
                slot = slots[number % 2]
                slot.empty_into(results)
                outputs = run(*(part[start : start + self.batch] for part in clip))
                if not results:
                    results = [
                        np.empty((frames, *output.shape[1:]), _numpy_type(output)) for output in outputs
                    ]
                slot.fill(outputs, slice(start, min(start + self.batch, frames)), way_home)
            for number in range(2):
                slots[number].empty_into(results)
        return tuple(results)

    def _graph(self, clip: list[Tensor]) -> _Captured:
        """The graph for inputs of this kind; another kind of input gets a graph of its own."""
        key = tuple((part.shape[1:], part.dtype) for part in clip)
        if key not in self._graphs:
            self._graphs[key] = _Captured(self.network, clip, self.batch)
        return self._graphs[key]


class _Captured:
    """One batch of a network as a CUDA graph: fixed inputs and outputs, one launch."""

    def __init__(self, network: Network, clip: list[Tensor], batch: int) -> None:
        # Every row holds a true sample, so that nothing depends on what a network makes of zeros.
        self.inputs = [part[:1].expand(batch, *part.shape[1:]).clone() for part in clip]
        # What a network or a library sets up in its first calls must not land in the graph, and capturing
        # forbids it anyway; PyTorch asks for these calls to be on another stream than the default one.
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                network(*self.inputs)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        # Other threads of this process may use CUDA while this one captures.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.outputs = network(*self.inputs)

    def __call__(self, *rows: Tensor) -> tuple[Tensor, ...]:
        """Results of up to a batch of rows, in memory that the next call overwrites."""
        for fixed, given in zip(self.inputs, rows, strict=True):
            fixed[: len(given)].copy_(given)
        self.graph.replay()
        return tuple(output[: len(rows[0])] for output in self.outputs)


class _Slot:
    """One batch of results on its way home: a copy on the device, then page-locked memory."""

    def __init__(self) -> None:
        self._device: list[Tensor] = []
        self._host: list[Tensor] = []
        self._rows: slice | None = None
        self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def fill(self, outputs: tuple[Tensor, ...], rows: slice, way_home: torch.cuda.Stream) -> None:
        """Start the journey. The slot must be empty: then nothing reads its memory any more."""
        count = rows.stop - rows.start
        if not self._device:
            # In the order of the page-locked memory, so that the way home is one plain copy.
            self._device = [
                torch.empty_like(output, memory_format=torch.contiguous_format) for output in outputs
            ]
            self._host = [
                torch.empty(output.shape, dtype=output.dtype, pin_memory=True) for output in outputs
            ]
        for copy, output in zip(self._device, outputs, strict=True):
            copy[:count].copy_(output)  # on the computing stream: before the next replay, after this one
        way_home.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(way_home):
            for host, copy in zip(self._host, self._device, strict=True):
                host[:count].copy_(copy[:count], non_blocking=True)
            self._arrived.record()
        self._rows = rows

    def empty_into(self, results: list[npt.NDArray[Any]]) -> None:
        """Wait for the journey's end and store what arrived, if anything is under way."""
        if self._rows is None:
            return
        self._arrived.synchronize()
        for result, host in zip(results, self._host, strict=True):
            result[self._rows] = host[: self._rows.stop - self._rows.start].numpy()
        self._rows = None


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.as_tensor(array.copy())  # poses are small, and torch takes no backward strides


def _to_device(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    return _tensor(array).pin_memory().to(device, non_blocking=True)


def _numpy_type(tensor: Tensor) -> npt.DTypeLike:
    return torch.empty(0, dtype=tensor.dtype).numpy().dtype
