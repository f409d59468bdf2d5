"""Speed and memory of the published network, written plainly and ours, side by side.

network() -> {NAME: {DEVICE: {BATCH: {"fps", "peak_mb"}}}}      (used by `engine bench`)

Every figure comes from a process of its own, so that peak memory is that network's alone and none inherits
another's warm caches. `published_plain` is the network as its authors' code computes it: padding nodes,
permuted copies, the concatenated basis, sparse products in coordinate format. `published` is `fast`:
float32 on CPUs, float16 on CUDA.
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
LIGHT = "light"
NAMES = (PUBLISHED_PLAIN, PUBLISHED, PUBLISHED_BFLOAT16, LIGHT)

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
    import torch

    devices = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    figures: Figures = {name: {device: {} for device in devices} for name in names}
    for device in devices:
        for batch in batches:
            for name in names:
                figures[name][device][str(batch)] = _in_a_process(name, device, batch, seconds, threads)
    return figures


def _in_a_process(
    name: str, device: str, batch: int, seconds: float, threads: int | None
) -> dict[str, float]:
    arguments = json.dumps([name, device, batch, seconds, threads])
    engine = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", f"{engine.name}.pose2mesh.bench", arguments]
    done = subprocess.run(command, cwd=engine.parent, capture_output=True, text=True)
    if done.returncode:
        cause = done.stderr.strip().splitlines() or ["it was stopped"]
        raise EngineError(f"The benchmark of {name} on {device} failed ({cause[-1]}): try smaller batches.")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(name: str, device: str, batch: int, seconds: float, threads: int | None) -> dict[str, float]:
    """One figure, in this process: {"fps", "peak_mb"}; on the CPU memory is the process's growth."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    cuda = torch.device(device).type == "cuda"
    with torch.no_grad():
        start_mb = _resident_mb()
        call = _network(name, device)
        pose = torch.randn(batch, 17, 2, generator=torch.Generator().manual_seed(0)).to(device)

        def once() -> None:
            call(pose)
            if cuda:
                torch.cuda.synchronize()

        with _PeakMemory() as memory:
            best, until = float("inf"), time.perf_counter() + seconds
            once()
            while True:
                start = time.perf_counter()
                once()
                best = min(best, time.perf_counter() - start)
                if time.perf_counter() > until:
                    break
    peak_mb = torch.cuda.max_memory_allocated() / 2**20 if cuda else memory.peak_mb - start_mb
    return {"fps": round(batch / best, 2), "peak_mb": round(peak_mb, 1)}


def _network(name: str, device: str) -> Callable[[Any], Any]:
    """The network of that name for the benchmark's mesh, its parameters random."""
    import gc

    import torch

    if name == LIGHT:
        return _light(device)
    from .fast import fast
    from .model import published

    torch.manual_seed(0)
    model = published("human36m17", _sphere(6890)).eval()
    if name == PUBLISHED_PLAIN:
        model.pose2mesh.convolve = _PlainConvolution()
        return model.to(device)
    half = torch.float16 if device == "cuda" else torch.float32
    quick = fast(model, torch.bfloat16 if name == PUBLISHED_BFLOAT16 else half, device)
    del model
    gc.collect()
    return quick


def _light(device: str) -> Callable[[Any], Any]:
    """The open body's shipped network, as the pipeline calls it, on random landmarks."""
    import torch

    from .body_network import load_body_network, shipped_weights
    from .observation import observe

    network = load_body_network(shipped_weights("open_body_light"), device)
    camera = torch.tensor([[1000.0, 0, 500], [0, 1000, 500], [0, 0, 1]], device=device)

    def call(pose: Any) -> Any:
        keypoints = torch.rand(len(pose), 33, 3, device=device) * torch.tensor([400.0, 800, 1], device=device)
        return network(observe(keypoints, camera))

    return call


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
            sparse = laplacian(torch.eye(laplacian.shape[1], device=x.device)).to_sparse()
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
    """The largest resident memory of this process while the block runs, sampled every few milliseconds."""

    def __enter__(self) -> _PeakMemory:
        self.peak_mb = _resident_mb()
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.peak_mb = max(self.peak_mb, _resident_mb())

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._watcher.join()
        self.peak_mb = max(self.peak_mb, _resident_mb())


def _resident_mb() -> float:
    """This process's resident memory; on macOS its peak, on Windows zero (not measured)."""
    if sys.platform == "win32":
        return 0.0
    import resource

    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    print(json.dumps(measure(*json.loads(sys.argv[1]))))
