"""Network weights in one safetensors file: parameters, graphs, and a description. Nothing in it can run code.

The published checkpoints hold parameters only and rebuild their graphs on every start, which ties them to one
version of NumPy. Here the graphs travel with the parameters.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .. import __version__
from ..errors import EngineError
from .coarsening import MeshPyramid
from .config import Pose2MeshConfig
from .model import Pose2Mesh

FORMAT = "pose2mesh-weights-1"
_GRAPH = "graph."


@dataclass(frozen=True)
class Description:
    """What a weights file says of itself.

    Attributes:
        body: name of the body the mesh belongs to.
        config: the network.
        engine_version: of the engine that wrote the file.
        notes: further text by name, such as where the weights come from.
    """

    body: str
    config: Pose2MeshConfig
    engine_version: str = __version__
    notes: Mapping[str, str] = field(default_factory=dict)


def save(
    path: Path,
    model: Pose2Mesh,
    body: str,
    notes: Mapping[str, str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write the model's parameters, graphs and description; an existing file is replaced only at the end.

    Args:
        path: the file, by custom `*.safetensors`.
        model: the network, on any device.
        body: name of the body the mesh belongs to.
        notes: further text by name.
        dtype: what the parameters are rounded to; half precision halves the file and is widened on loading.

    Raises:
        EngineError: the file cannot be written.
    """
    tensors = {
        name: (value.to(dtype) if value.is_floating_point() else value).cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    tensors |= {_GRAPH + name: value for name, value in pyramid_tensors(model.pyramid).items()}
    description = {
        "format": FORMAT,
        "body": body,
        "joint_set": model.config.joint_set,
        "config": json.dumps(model.config.to_dict()),
        "engine_version": __version__,
        "notes": json.dumps(dict(notes or {})),
    }
    path = Path(path)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".weights-") as scratch:
            whole = Path(scratch) / path.name
            save_file(tensors, str(whole), metadata=description)
            whole.replace(path)
    except (OSError, SafetensorError) as error:
        raise EngineError(
            f"The weights could not be written to {path} ({error}): choose a folder that can."
        ) from None


def load(path: Path) -> tuple[Pose2Mesh, Description]:
    """The network in evaluation mode, float32 on the CPU, and what its file says of it.

    Raises:
        EngineError: no such file, not a weights file of this format, or parameters that do not fit.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise EngineError(
                    f"{path} is no weights file of this engine: convert others with import-checkpoint."
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except FileNotFoundError:
        raise EngineError(f"There is no weights file at {path}: check the path.") from None
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{path} is damaged or no safetensors file ({error}): fetch it again.") from None
    config = Pose2MeshConfig.from_dict(_json(metadata, "config", path))
    graph = {
        name.removeprefix(_GRAPH): tensors.pop(name) for name in list(tensors) if name.startswith(_GRAPH)
    }
    try:
        model = Pose2Mesh(config, pyramid_from_tensors(graph))
        model.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
        )
    except (KeyError, ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise EngineError(
            f"The parameters in {path} do not fit its description ({first}): fetch it again."
        ) from None
    notes = _json(metadata, "notes", path)
    return model.eval(), Description(metadata["body"], config, metadata["engine_version"], notes)


def _json(metadata: Mapping[str, str], name: str, path: Path) -> Any:
    try:
        return json.loads(metadata[name])
    except (KeyError, ValueError):
        raise EngineError(
            f"The description in {path} is incomplete (no readable {name!r}): fetch it again."
        ) from None


def pyramid_tensors(pyramid: MeshPyramid) -> dict[str, Tensor]:
    """The graphs as named tensors, for a safetensors file."""
    arrays: dict[str, np.ndarray] = {"vertex_slots": pyramid.vertex_slots, "lmax": np.asarray(pyramid.lmax)}
    for i, (laplacian, real) in enumerate(zip(pyramid.laplacians, pyramid.real, strict=True)):
        arrays[f"{i}.values"] = laplacian.data
        arrays[f"{i}.columns"] = laplacian.indices.astype(np.int32)
        arrays[f"{i}.row_starts"] = laplacian.indptr.astype(np.int32)
        arrays[f"{i}.real"] = real
    for i, parents in enumerate(pyramid.parents):
        arrays[f"{i}.parents"] = parents.astype(np.int32)
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def pyramid_from_tensors(tensors: Mapping[str, Tensor]) -> MeshPyramid:
    """The reverse of `pyramid_tensors`.

    Raises:
        KeyError, ValueError: tensors are missing or contradict each other.
    """
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    levels = len(arrays["lmax"])
    laplacians = []
    for i in range(levels):
        nodes = len(arrays[f"{i}.row_starts"]) - 1
        parts = (arrays[f"{i}.values"], arrays[f"{i}.columns"], arrays[f"{i}.row_starts"])
        laplacian = sp.csr_matrix(parts, shape=(nodes, nodes))
        laplacian.check_format(full_check=True)
        laplacians.append(laplacian)
    return MeshPyramid(
        tuple(laplacians),
        tuple(arrays[f"{i}.parents"].astype(np.int64) for i in range(levels - 1)),
        tuple(arrays[f"{i}.real"] for i in range(levels)),
        arrays["vertex_slots"].astype(np.int64),
        tuple(arrays["lmax"].tolist()),
    )
