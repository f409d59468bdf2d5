"""A pretended GPU, so that what is written for CUDA is run where there is none, with its true numbers.

    with pretended_gpu() as gpu:
        network.to("cuda")(points.to("cuda"))

A tensor "on" it is a tensor of the CPU with a flag. Flagged tensors compute as ever, and give flagged ones;
but they meet none without the flag, where CUDA would not let them: that is a `Mismatch`. Generators have a
flag, too. torch's own FakeTensorMode would check the same, but where torch is built without CUDA it cannot
index or move a pretended CUDA tensor, and it knows no numbers.

Streams and events keep order as vector clocks: what touches memory that another stream, or the processor,
has written or read must come after it by way of a wait, or it is a `Race`, whoever would have won it
(Lamport 1978). A graph records every operation and repeats it in the same memory; what CUDA forbids while it
records is `Illegal`: asking for numbers, and reading anything from the processor, a Python list of indices
included.

What this cannot show: that a kernel exists for a type, speed, memory, and rounding in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

CUDA = torch.device("cuda", 0)
HOST = "the processor"
MOVES = ("to", "cuda", "cpu", "copy_", "item", "tolist", "__float__", "__int__", "__bool__")
ASKS = (
    *MOVES[4:],
    "numpy",
    "nonzero",
    "unique",
    "masked_select",
    "tensor",
    "new_tensor",
    "as_tensor",
    "from_numpy",
)
LOOKS = ("size", "dim", "stride", "numel", "is_floating_point", "is_contiguous", "requires_grad_", "detach")


class Mismatch(RuntimeError):
    """Tensors of two devices met."""


class Race(RuntimeError):
    """Memory was touched without waiting for who touched it last."""


class Illegal(RuntimeError):
    """Something that must not happen while a graph is recorded."""


class OnGpu(Tensor):
    """A tensor that is said to be on the GPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]


class _Generator(torch.Generator):
    on_gpu: bool

    def __new__(cls, device: Any = "cpu") -> _Generator:
        self: _Generator = super().__new__(cls, "cpu")  # type: ignore[call-arg]
        self.on_gpu = _is_gpu(device)
        return self


class Stream:
    """As torch.cuda.Stream."""

    def __init__(self, gpu: Gpu, name: str) -> None:
        self.gpu, self.name = gpu, name
        gpu.clocks[name] = {}

    def wait_stream(self, other: Stream) -> None:
        self.gpu.join(self.name, self.gpu.clocks[other.name])


class Event:
    """As torch.cuda.Event."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.at: dict[str, int] = {}

    def record(self) -> None:
        self.at = dict(self.gpu.clocks[self.gpu.stream.name])

    def synchronize(self) -> None:
        self.gpu.join(HOST, self.at)


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        self.operations.append((operation, args, kwargs or {}, result))
        return result


class Graph:
    """As torch.cuda.CUDAGraph: repeats its operations in the memory they were recorded in."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def replay(self) -> None:
        for operation, args, kwargs, result in self.operations:
            given, results = _tensors((args, kwargs)), _tensors(result)
            known = {_memory(tensor) for tensor in given}
            fresh = [tensor for tensor in results if _memory(tensor) not in known]
            if not fresh and not operation._schema.is_mutable:
                continue  # a view
            self.gpu.touch(self.gpu.stream.name, given, fresh or results, f"replayed {operation}")
            with torch._C.DisableTorchFunction():
                again = _tensors(operation(*args, **kwargs))
                for old, new in zip(results, again, strict=True):
                    if _memory(old) not in known:
                        old.copy_(new)


class Gpu:
    """The order of all that happened, and what torch.cuda is while it is pretended."""

    def __init__(self) -> None:
        self.clocks: dict[str, dict[str, int]] = {HOST: {}}
        self.stream = self.standard = Stream(self, "the standard stream")
        self.recording = False
        self.graphs: list[Graph] = []
        self._written: dict[int, tuple[str, int]] = {}
        self._read: dict[int, dict[str, int]] = {}
        self._kept: dict[int, Any] = {}  # so that no memory is taken for another's that is gone
        self._locked: set[int] = set()

    def join(self, who: str, clock: dict[str, int]) -> None:
        """From now on `who` comes after all that the clock has seen."""
        own = self.clocks[who]
        own.update({name: max(own.get(name, 0), count) for name, count in clock.items()})

    def touch(self, who: str, read: list[Tensor], written: list[Tensor], what: str) -> None:
        if who != HOST:
            self.join(who, self.clocks[HOST])
        clock = self.clocks[who]
        clock[who] = clock.get(who, 0) + 1
        for tensor, writes in [*((t, False) for t in read), *((t, True) for t in written)]:
            key = _memory(tensor)
            self._kept.setdefault(key, tensor.untyped_storage())
            before = [self._written[key]] if key in self._written else []
            before += self._read.get(key, {}).items() if writes else ()
            for other, when in before:
                if clock.get(other, 0) < when:
                    raise Race(f"{what} on {who} does not wait for {other} {tuple(tensor.shape)}")
            if writes:
                self._written[key], self._read[key] = (who, clock[who]), {}
            else:
                self._read.setdefault(key, {})[who] = clock[who]

    def observe(self, name: str, args: Any, kwargs: Any, compute: Callable[[], Any]) -> Any:
        """Run a function of torch, and note who touched what."""
        given = _tensors((args, kwargs))
        if self.recording:
            self._allowed(name, args, given)
        result = compute()
        if name in LOOKS or name.startswith("__get"):
            return result
        results = _tensors(result)
        known = {_memory(tensor) for tensor in given}
        in_place = name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
        if name == "numpy":
            self.touch(HOST, given, [], name)
        elif in_place or any(_memory(tensor) not in known for tensor in results):
            every = [*given, *results]
            on_gpu = [isinstance(tensor, OnGpu) for tensor in every]
            who = self.stream.name if any(on_gpu) else HOST
            self.touch(who, given[name == "copy_" :], given[:1] if in_place else results, name)
            away = [tensor for tensor, here in zip(every, on_gpu, strict=True) if not here]
            waits = not kwargs.get("non_blocking") or any(_memory(t) not in self._locked for t in away)
            if who != HOST and name in MOVES and away and waits:
                self.join(HOST, self.clocks[who])
        return result

    def lock(self, tensor: Tensor) -> Tensor:
        """Page-locked memory, which holds nothing yet."""
        if self.recording:
            raise Illegal("page-locked memory is allocated")
        self._locked.add(_memory(tensor))
        self._kept[_memory(tensor)] = tensor.untyped_storage()
        return tensor

    def _allowed(self, name: str, args: Any, given: list[Tensor]) -> None:
        if name in ASKS:
            raise Illegal(name)
        if name in MOVES and not all(isinstance(tensor, OnGpu) for tensor in given):
            raise Illegal(f"{name} to or from the processor")
        if name in ("__getitem__", "__setitem__"):
            for index in args[1] if isinstance(args[1], tuple) else (args[1],):
                if isinstance(index, list | np.ndarray) or (
                    isinstance(index, Tensor) and (not isinstance(index, OnGpu) or index.dtype == torch.bool)
                ):
                    raise Illegal(f"{name} with indices of the processor, or a mask")

    @contextmanager
    def on(self, stream: Stream) -> Iterator[None]:
        """As torch.cuda.stream."""
        before, self.stream = self.stream, stream
        yield
        self.stream = before

    @contextmanager
    def record(self, graph: Graph, **_options: Any) -> Iterator[None]:
        """As torch.cuda.graph, which waits for everything before."""
        for clock in list(self.clocks.values()):
            self.join(HOST, clock)
        side, recorder = self.new_stream(), _Recorder()
        self.recording = True
        with self.on(side), recorder:
            yield
        self.recording = False
        graph.operations = recorder.operations
        self.join(HOST, self.clocks[side.name])
        self.graphs.append(graph)

    def new_stream(self) -> Stream:
        return Stream(self, f"stream {len(self.clocks)}")


class _Pretence(TorchFunctionMode):
    """Keeps the flags: who has one, gives one, and meets one."""

    def __init__(self, gpu: Gpu) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(function, "__name__", ""), dict(kwargs or {})
        if name == "__get__":
            about = {"device": CUDA, "is_cuda": True, "is_cpu": False}
            if isinstance(args[0], OnGpu) and function.__self__.__name__ in about:
                return about[function.__self__.__name__]
        with torch._C.DisableTorchFunctionSubclass():
            return self.gpu.observe(name, args, kwargs, lambda: self._call(function, name, args, kwargs))

    def _call(self, function: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        given = _tensors((args, kwargs))
        on_gpu = any(isinstance(tensor, OnGpu) for tensor in given)
        if on_gpu and name in ("numpy", "__array__"):
            raise TypeError("can't convert a CUDA tensor to numpy")
        if name == "__deepcopy__":
            return _copied(args[0])
        if name in ("to", "cuda", "cpu"):
            return self._moved(function, name, args, kwargs)
        generator = kwargs.get("generator")
        if kwargs.get("device") is not None:
            on_gpu = _is_gpu(kwargs["device"])
            if generator is not None and generator.on_gpu != on_gpu:
                raise Mismatch(f"{name} with a generator of the other device")
            result = function(*args, **{**kwargs, "device": "cpu"})
            return _flagged(result.clone() if given or name == "as_tensor" else result, on_gpu)
        if generator is not None and generator.on_gpu != on_gpu:
            raise Mismatch(f"{name} with a generator of the other device")
        if kwargs.pop("pin_memory", False):
            return self.gpu.lock(function(*args, **kwargs).fill_(float("nan")))
        if name == "pin_memory":
            return self.gpu.lock(args[0].clone())
        if name in ("copy_", "__set__", "_has_compatible_shallow_copy_type"):  # may cross
            return function(*args, **kwargs)
        if on_gpu:
            self._meet(name, args, given)
        return (
            tree_map(lambda part: _flagged(part, True), function(*args, **kwargs))
            if on_gpu
            else (function(*args, **kwargs))
        )

    def _meet(self, name: str, args: Any, given: list[Tensor]) -> None:
        strangers = [tensor for tensor in given if not isinstance(tensor, OnGpu)]
        if name in ("__getitem__", "__setitem__"):  # indices may come from the processor
            strangers = [
                t for t in (args[0], *args[2:]) if isinstance(t, Tensor) and not isinstance(t, OnGpu)
            ]
        elif name != "index_select":  # single numbers may
            strangers = [tensor for tensor in strangers if tensor.dim()]
        if strangers:
            raise Mismatch(f"{name}: on the processor are {[tuple(t.shape) for t in strangers]}")

    def _moved(self, function: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Tensor:
        source: Tensor = args[0]
        if name != "to":
            return _flagged(source.clone(), name == "cuda")
        given = [*args[1:], *kwargs.values()]
        devices = [part for part in given if isinstance(part, str | torch.device)]
        others = [part for part in given if isinstance(part, Tensor)]
        there = _is_gpu(devices[0]) if devices else isinstance((others or [source])[0], OnGpu)
        kind = next((part for part in given if isinstance(part, torch.dtype)), (others or [source])[0].dtype)
        moved = source.type(kind)
        if there != isinstance(source, OnGpu) and _memory(moved) == _memory(source):
            moved = moved.clone()
        return moved if moved is source else _flagged(moved, there)


@contextmanager
def pretended_gpu() -> Iterator[Gpu]:
    """Every request for CUDA in the block is answered by the pretence; see this module."""
    gpu = Gpu()

    def new_graph() -> Graph:
        return Graph(gpu)

    def synchronize() -> None:
        for clock in list(gpu.clocks.values()):
            gpu.join(HOST, clock)

    cuda = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "device": lambda device: nullcontext(),
        "synchronize": synchronize,
        "Stream": gpu.new_stream,
        "Event": lambda: Event(gpu),
        "CUDAGraph": new_graph,
        "current_stream": lambda: gpu.stream,
        "stream": gpu.on,
        "graph": gpu.record,
    }
    autocast, load, save = torch.autocast, torch.load, torch.save

    def load_there(*args: Any, map_location: Any = "cpu", **kwargs: Any) -> Any:
        content = load(*args, map_location="cpu", **kwargs)
        return tree_map(lambda part: _flagged(part, _is_gpu(map_location)), content)

    torch_itself: dict[str, Any] = {
        "Generator": _Generator,
        "autocast": lambda device, *args, **kwargs: autocast("cpu", *args, **kwargs),
        "load": load_there,
        "save": lambda content, path: save(tree_map(_plain, content), path),
    }
    replaces = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # parameters get the flag, too
    try:
        with ExitStack() as stack:
            for name, value in cuda.items():
                stack.enter_context(mock.patch.object(torch.cuda, name, value))
            for name, value in torch_itself.items():
                stack.enter_context(mock.patch.object(torch, name, value))
            stack.enter_context(_Pretence(gpu))
            yield gpu
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(replaces)


def _tensors(tree: Any) -> list[Tensor]:
    """All tensors in nested tuples, lists and dictionaries."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, tuple | list):
        return []
    return [tensor for part in tree for tensor in _tensors(part)]


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _is_gpu(device: Any) -> bool:
    return torch.device(device).type == "cuda"


def _flagged(part: Any, on_gpu: bool) -> Any:
    if not isinstance(part, Tensor) or isinstance(part, OnGpu) == on_gpu:
        return part
    return part.as_subclass(OnGpu if on_gpu else Tensor)


def _plain(part: Any) -> Any:
    return _flagged(part.detach(), False) if isinstance(part, Tensor) else part


def _copied(tensor: Tensor) -> Tensor:
    copy: Tensor = _flagged(tensor.detach().clone(), isinstance(tensor, OnGpu))
    copy.requires_grad_(tensor.requires_grad)
    if isinstance(tensor, torch.nn.Parameter):
        copy = copy if isinstance(tensor, OnGpu) else torch.nn.Parameter(copy, tensor.requires_grad)
        copy._is_param = True  # type: ignore[attr-defined]
    return copy
