"""Speed and memory of the published network, written plainly and ours, side by side.

network()  -> {NAME: {DEVICE: {BATCH: {"fps", "peak_mb"}}}}      (both used by `engine bench`)
training() -> {NAME: {DEVICE: {"samples_per_s"}}}

Every figure comes from a process of its own, so that peak memory is that network's alone and none inherits
another's warm caches. `published_plain` is the network as its authors' code computes it: padding nodes,
permuted copies, the concatenated basis, sparse products in coordinate format. `published` is `fast`:
float32 on CPUs, float16 on CUDA. `quality` and `light` are our own body's networks, where their weights ship.

On CUDA all but the plain network run as captured graphs over a clip (`stream`), and every frame's result is
fetched, the plain network's as well.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import EngineError

BATCHES = (1, 8, 64)
PUBLISHED_PLAIN, PUBLISHED, PUBLISHED_BFLOAT16 = "published_plain", "published", "published_bfloat16"
QUALITY, LIGHT = "quality", "light"
NAMES = (PUBLISHED_PLAIN, PUBLISHED, PUBLISHED_BFLOAT16, QUALITY, LIGHT)
OUR_WEIGHTS = {QUALITY: "open_body_quality", LIGHT: "open_body_light"}
OURS, OURS_BARE, OURS_BFLOAT16 = "ours", "ours_without_padding", "ours_bfloat16"
TRAINING_NAMES = (PUBLISHED_PLAIN, OURS, OURS_BARE, OURS_BFLOAT16)
TRAINING_BATCH = 8
VERTICES = 6890
"""SMPL's."""
CLIP_BATCHES = 16
"""Batches of a measured clip on CUDA, where copies overlap with arithmetic."""

Figures = dict[str, dict[str, dict[str, dict[str, float]]]]


def network(
    names: Sequence[str] = NAMES,
    batches: Sequence[int] = BATCHES,
    seconds: float = 2.0,
    threads: int | None = None,
) -> Figures:
    """Frames per second and peak megabytes of each network on each device here, for each batch size.

    Args:
        names: which networks.
        batches: samples per call.
        seconds: how long to repeat each; the best call counts.
        threads: of the CPU; by default torch's choice.
    """
    figures: Figures = {name: {device: {} for device in _devices()} for name in _available(names)}
    for device in _devices():
        for batch in batches:
            for name in figures:
                figures[name][device][str(batch)] = _in_a_process(
                    "measure", name, device, batch, seconds, threads
                )
    return figures


def training(
    names: Sequence[str] = TRAINING_NAMES,
    batch: int = TRAINING_BATCH,
    seconds: float = 2.0,
    threads: int | None = None,
) -> dict[str, dict[str, dict[str, float]]]:
    """Samples per second through a training step of the published network, the published losses included.

    Plain, ours with the same numbers, without padding nodes (other batch statistics), and so in bfloat16.
    """
    return {
        name: {
            device: _in_a_process("measure_training", name, device, batch, seconds, threads)
            for device in _devices()
        }
        for name in names
    }


def _devices() -> tuple[str, ...]:
    from .devices import gpu_refusal

    return ("cpu", "cuda") if gpu_refusal() is None else ("cpu",)


def _available(names: Sequence[str]) -> list[str]:
    """Those that can be measured: weights that do not ship are left out."""
    from .body_network import shipped_weights

    return [name for name in names if name not in OUR_WEIGHTS or shipped_weights(OUR_WEIGHTS[name]).is_file()]


def _in_a_process(
    function: str, name: str, device: str, batch: int, seconds: float, threads: int | None
) -> dict[str, float]:
    arguments = json.dumps([function, name, device, batch, seconds, threads])
    engine = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", f"{engine.name}.pose2mesh.bench", arguments]
    done = subprocess.run(command, cwd=engine.parent, capture_output=True, text=True)
    if done.returncode:
        cause = done.stderr.strip().splitlines() or ["it was stopped"]
        raise EngineError(f"The benchmark of {name} on {device} failed ({cause[-1]}): try smaller batches.")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(name: str, device: str, batch: int, seconds: float, threads: int | None) -> dict[str, float]:
    """One figure, in this process: {"fps", "peak_mb"}; on the CPU memory is the process's growth.

    Memory holds the parameters, and what is used while frames go through; not what building took.
    """
    import torch

    from . import body_network, fast, model, stream  # noqa: F401 - libraries are not the network's memory
    from .devices import choose_device

    if threads:
        torch.set_num_threads(threads)
    cuda = choose_device(device).type == "cuda"
    frames = batch * CLIP_BATCHES if cuda else batch
    start_mb = _resident_mb()
    call, shape = _network(name, device, batch)
    clip = torch.rand(frames, *shape, generator=torch.Generator().manual_seed(0)).numpy()
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    with _PeakMemory() as memory:
        best = _best_seconds(lambda: call(clip), seconds)
    # Meanwhile others in this process, the test suite for one, may have given memory back.
    grown_mb = max(memory.peak_mb - start_mb, 0.0)
    peak_mb = torch.cuda.max_memory_allocated() / 2**20 if cuda else grown_mb
    return {"fps": round(frames / best, 2), "peak_mb": round(peak_mb, 1)}


def measure_training(
    name: str, device: str, batch: int, seconds: float, threads: int | None
) -> dict[str, float]:
    """One figure, in this process: {"samples_per_s"} of forward, losses, backward and optimizer."""
    import torch

    from .devices import choose_device

    if threads:
        torch.set_num_threads(threads)
    cuda = choose_device(device).type == "cuda"
    step = _training_step(name, device, batch)

    def once() -> None:
        step()
        if cuda:
            torch.cuda.synchronize()

    return {"samples_per_s": round(batch / _best_seconds(once, seconds), 3)}


def _best_seconds(work: Callable[[], object], seconds: float) -> float:
    """The shortest of the calls that fit in the time, at least one, after one to warm up."""
    work()
    best, until = float("inf"), time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() > until:
            return best


def _network(name: str, device: str, batch: int) -> tuple[Callable[[Any], Any], tuple[int, ...]]:
    """The network of that name, NumPy clips to NumPy results, and the shape of a frame; random parameters for
    the published one, on the benchmark's mesh.
    """
    import gc

    import torch

    from .fast import fast
    from .stream import Stream

    if name in OUR_WEIGHTS:
        return Stream(_ours(OUR_WEIGHTS[name], device), device, batch), (33, 3)
    model = _published(name)
    if name == PUBLISHED_PLAIN:
        return Stream(model.to(device), device, batch, capture=False), (17, 2)
    half = torch.float16 if device == "cuda" else torch.float32
    quick = fast(model, torch.bfloat16 if name == PUBLISHED_BFLOAT16 else half, device)
    del model
    gc.collect()
    return Stream(quick, device, batch), (17, 2)


def _published(name: str) -> Any:
    """The published network with random parameters, its convolutions plain or ours."""
    import torch

    from .meshnet import interpolate_features
    from .model import published

    torch.manual_seed(0)
    model = published("human36m17", _sphere(VERTICES)).eval()
    if name == PUBLISHED_PLAIN:
        model.pose2mesh.convolve = _PlainConvolution()
        model.pose2mesh.resample = interpolate_features
    return model


def _ours(weights: str, device: str) -> Callable[[Any], Any]:
    """A shipped network of the open body, on landmarks within the unit square; a batch is one clip."""
    import torch

    from .body_network import load_body_network, shipped_weights
    from .fast import fast_body
    from .observation import observe

    network = fast_body(load_body_network(shipped_weights(weights)), device=device)
    camera = torch.tensor([[1.0, 0, 0.5], [0, 1.0, 0.5], [0, 0, 1]], device=device)
    return lambda keypoints: network(observe(keypoints, camera), len(keypoints))


def _training_step(name: str, device: str, batch: int) -> Callable[[], None]:
    """One step of the published training towards random targets."""
    from dataclasses import replace

    import torch

    from . import losses
    from .model import build

    faces = _sphere(VERTICES)
    model = _published(name)
    if name in (OURS_BARE, OURS_BFLOAT16):
        model = build(replace(model.config, padding=False), faces)
    model = model.to(device).train()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    pose = torch.randn(batch, 17, 2, generator=generator).to(device)
    vertices = torch.randn(batch, VERTICES, 3, generator=generator).to(device)
    joints = torch.randn(batch, 17, 3, generator=generator).to(device)
    triangles = torch.as_tensor(faces, dtype=torch.long, device=device)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=name == OURS_BFLOAT16):
            mesh, lifted = model(pose)
        mesh = mesh.float()
        loss = losses.VERTEX_WEIGHT * losses.coordinate_loss(mesh, vertices)
        loss = loss + losses.JOINT_WEIGHT * losses.coordinate_loss(lifted.float(), 1000 * joints)
        loss = loss + losses.NORMAL_WEIGHT * losses.normal_loss(mesh, vertices, triangles)
        loss = loss + losses.EDGE_WEIGHT * losses.edge_loss(mesh, vertices, triangles)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()

    return step


class _PlainConvolution:
    """The graph convolution as published: upsample, copy to (V, F B), concatenate the basis, copy back."""

    def __init__(self) -> None:
        self.laplacians: dict[int, Any] = {}

    def __call__(self, x: Any, laplacian: Any, linear: Any, upsample: Any = None) -> Any:
        import torch
        from torch.nn import functional as F

        if upsample is not None:
            x = F.interpolate(x.permute(1, 2, 0).contiguous(), scale_factor=2).permute(2, 0, 1)
        sparse = self.laplacians.get(id(laplacian))
        if sparse is None:
            counts = torch.diff(
                laplacian.starts, append=laplacian.starts.new_tensor([len(laplacian.columns)])
            )
            rows = torch.repeat_interleave(torch.arange(len(counts), device=x.device), counts)
            entries = torch.stack((rows, laplacian.columns))
            sparse = torch.sparse_coo_tensor(
                entries, laplacian.values, laplacian.shape, is_coalesced=True, check_invariants=False
            )
            self.laplacians[id(laplacian)] = sparse
        nodes, batch, features = x.shape
        first = x.permute(0, 2, 1).contiguous().view(nodes, features * batch)
        second = torch.sparse.mm(sparse, first)
        third = 2 * torch.sparse.mm(sparse, second) - first
        stacked = torch.cat([t[None] for t in (first, second, third)]).view(3, nodes, features, batch)
        rows = stacked.permute(3, 1, 2, 0).contiguous().view(batch * nodes, features * 3)
        return linear(rows).view(batch, nodes, -1).transpose(0, 1)


def _sphere(vertices: int) -> Any:
    """Triangles (T, 3) of a closed mesh with as many vertices as asked: points spread evenly on a sphere."""
    import numpy as np
    from scipy.spatial import ConvexHull

    turn = np.arange(vertices) * np.pi * (3.0 - np.sqrt(5.0))
    height = 1.0 - 2.0 * (np.arange(vertices) + 0.5) / vertices
    radius = np.sqrt(1.0 - height**2)
    return ConvexHull(np.column_stack((radius * np.cos(turn), height, radius * np.sin(turn)))).simplices


class _PeakMemory:
    """The largest resident memory of this process while the block runs: from Linux, which keeps the mark;
    elsewhere, or where it may not be reset, sampled every few milliseconds.
    """

    def __enter__(self) -> _PeakMemory:
        self._marked = _reset_high_water()
        self.peak_mb = _resident_mb()
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        if not self._marked:
            self._watcher.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.peak_mb = max(self.peak_mb, _resident_mb())

    def __exit__(self, *_error: object) -> None:
        if self._marked:
            self.peak_mb = _high_water_mb()
            return
        self._done.set()
        self._watcher.join()
        self.peak_mb = max(self.peak_mb, _resident_mb())


def _reset_high_water() -> bool:
    """Let Linux begin a new mark for this process's peak of resident memory; whether that could be done."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _high_water_mb() > 0
    except (OSError, StopIteration):
        return False


def _high_water_mb() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def _resident_mb() -> float:
    """This process's resident memory; on macOS its peak, on Windows zero (not measured)."""
    if sys.platform == "win32":
        return 0.0
    import resource

    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    _function, *_arguments = json.loads(sys.argv[1])
    print(json.dumps({"measure": measure, "measure_training": measure_training}[_function](*_arguments)))
