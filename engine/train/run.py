"""Train a weight file from a configuration and a motion file; a stopped training resumes where it was."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from ..body.model import BodyModel
from ..errors import EngineError
from ..pose2mesh.body_network import BodyNetwork, load_body_network, save_body_network
from . import parallel
from .body_torch import BodyTorch
from .config import TrainConfig
from .curves import draw_curves
from .linear_maps import build_body_mesh
from .loop import train
from .motions import load_motions
from .size import fit_size, resize


def run(
    config: TrainConfig,
    motions_path: Path,
    out: Path,
    device: torch.device,
    init: Path | None = None,
    compiled: bool = False,
) -> Path:
    """Train all stages and save; returns the weight file.

    Args:
        out: folder for the weight file, `checkpoint.pt`, its log `checkpoint.jsonl`, and the losses drawn,
            `curves.png`; what the configuration begins with is made in a folder in it.
        device: see `parallel.join` for several.
        init: a checkpoint or a weight file to go on from, instead of what the configuration begins with; what
            has the same shape is taken.
        compiled: see `loop.train`.

    Raises:
        EngineError: the motions, the weights to go on from or the checkpoint in `out` cannot be used.
    """
    device = parallel.join(device)
    weights = _run(config, motions_path, out, device, init, compiled)
    parallel.leave()
    return weights


def _run(
    config: TrainConfig,
    motions_path: Path,
    out: Path,
    device: torch.device,
    init: Path | None,
    compiled: bool,
) -> Path:
    """`run` among processes that have met."""
    given_by_user = init
    if config.begins is not None and init is None:
        init = _run(config.begins, motions_path, out / config.begins.name, device, None, compiled)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(f"The folder {out} cannot be made ({error}): choose another.") from error
    checkpoint, weights = out / "checkpoint.pt", out / f"{config.name}.safetensors"
    body = BodyModel.load("open_body")
    motions = load_motions(motions_path, body, unique_only=False)
    given = load_body_network(init) if init is not None and init.suffix == ".safetensors" else None
    mesh = build_body_mesh(body, motions, config.vertices, config.seed) if given is None else given.mesh
    torch.manual_seed(config.seed)
    network = BodyNetwork(config.network, mesh)
    if init is not None and not checkpoint.exists():
        load_matching(network, load_checkpoint(init) if given is None else given.state_dict())
    on_device, origin = motions.to(device), _origin(config, motions_path, given_by_user)
    for number, stage in enumerate(config.stages):
        _draw(out)
        looked_at = mesh.vertex_ids if stage.stage == "mesh" else mesh.vertex_ids[:0]
        points = BodyTorch(body, looked_at, device)
        with _progress_bar(f"{stage.stage} ({number + 1}/{len(config.stages)})") as report:
            train(
                network,
                points,
                on_device,
                stage,
                checkpoint,
                number,
                config.noise,
                config.synthesis,
                compiled,
                report,
                origin,
            )
    _draw(out)
    if parallel.rank() == 0:
        size = fit_size(network, BodyTorch(body, mesh.vertex_ids[:0], device), on_device, config.seed)
        resize(network, size)
        notes = {"config": config.name, "motions": motions_path.name, "size": round(size, 4)}
        save_body_network(network, weights, notes)
    parallel.wait()  # for the file
    return weights


def _origin(config: TrainConfig, motions: Path, init: Path | None) -> str:
    """What tells a training from another one of the same shapes, on whatever machine it goes on: the files
    that it was given, and what the coarse mesh depends on.

    Raises:
        EngineError: a file cannot be read.
    """
    digest = hashlib.sha256(f"{config.vertices} {config.seed}".encode())
    for path in (motions, init) if init is not None else (motions,):
        try:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise EngineError(f"{path} cannot be read ({error}): correct the path.") from error
    return digest.hexdigest()


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights in a `checkpoint.pt`: of an unfinished stage their average, where it keeps one.

    Raises:
        EngineError: there are none.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        weights: dict[str, Tensor] = state["network"] | state.get("average", {})
    except (RuntimeError, KeyError, TypeError, OSError, EOFError, UnpicklingError) as error:
        raise EngineError(
            f"{path} holds no weights to go on from: give a checkpoint.pt of this command, or a .safetensors."
        ) from error
    return weights


def load_matching(network: BodyNetwork, given: Mapping[str, Tensor]) -> None:
    """Take over every tensor whose name and shape agree."""
    own = network.state_dict()
    network.load_state_dict(own | {k: v for k, v in given.items() if k in own and v.shape == own[k].shape})


def _draw(out: Path) -> None:
    if parallel.rank() == 0:
        draw_curves(out / "checkpoint.jsonl", out / "curves.png")


@contextmanager
def _progress_bar(title: str) -> Iterator[Callable[[float, Mapping[str, float]], None]]:
    """The share that is done, the time left and the losses, as `loop.train` reports them."""
    from tqdm import tqdm

    shape = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    with tqdm(total=1.0, desc=title, bar_format=shape, file=sys.stderr, disable=parallel.rank() > 0) as bar:

        def report(done: float, losses: Mapping[str, float]) -> None:
            if bar.n == 0:  # what was done before a resumption says nothing about the time left
                bar.initial = bar.n = done
            bar.set_postfix(losses, refresh=False)
            bar.update(done - bar.n)

        yield report
        bar.update(1 - bar.n)
