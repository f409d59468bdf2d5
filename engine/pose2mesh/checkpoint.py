"""Published Pose2Mesh checkpoints (`*.pth.tar`): read without running what is in them, matched to their mesh.

A published checkpoint holds no graph: which vertex an output row belongs to depends on how NumPy sorted
where it was trained. The right order shows in the result: only with it does a plain pose decode to a body. In
a wrong one patches of the mesh change places. Lengths of edges tell little, for within a patch neighbours
stay together, and a poorly trained network is rough in the right order too; where the patches are tells
surely (`docs/network.md` has the figures).
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csgraph
from torch import Tensor

from ..errors import EngineError
from .config import Order, published_config
from .graph import mesh_adjacency
from .model import Pose2Mesh, build
from .reference_pose import reference_pose
from .skeletons import JOINT_SETS, joint_set

FloatArray = npt.NDArray[np.floating]

_PUBLISHED = ("human36m17", "coco19", "smpl24", "mano21")
_TORN = 0.3
"""A larger misfit is a wrong order."""
_TORN_WITHOUT_TEMPLATE = 0.4
_SOURCES = 24
"""Vertices from which distances along the mesh are measured."""
_STATE = "model_state_dict"
SLOTS = "vertex_slots"  # only in this engine's own checkpoints
_PARALLEL = "module."  # left by DataParallel
_ONLY_POSENET = "w1.weight"

_SCALARS = [
    np.dtype(code) for code in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
]


@dataclass(frozen=True)
class ImportedCheckpoint:
    """A network ready to use.

    Attributes:
        model: in evaluation mode, float32.
        order: the coarsening order it was trained with.
        misfit: share of a decoded mesh that is not the body's shape: 0 none, 1 all.
    """

    model: Pose2Mesh
    order: Order
    misfit: float


def import_checkpoint(
    path: Path,
    faces: npt.NDArray[np.integer],
    template: npt.NDArray[np.floating] | None = None,
    expected_joint_set: str | None = None,
) -> ImportedCheckpoint:
    """Read a published checkpoint and find the vertex order it was trained with.

    Checkpoints of this engine's own training hold the vertices' slots, which need no such proof.

    Args:
        path: the `.pth.tar` file.
        faces: (T, 3) triangles of the body or hand it was trained on.
        template: (V, 3) that body at rest; without it the mesh is only compared with its own graph.
        expected_joint_set: refuse a checkpoint for any other.

    Raises:
        EngineError: the file is missing, damaged, holds code, is no full Pose2Mesh checkpoint, or is one for
            other joints or another mesh.
    """
    content = _read(path)
    state = _state(content, path)
    name = _joint_set_of(state, path)
    if expected_joint_set not in (None, name):
        raise EngineError(
            f"{path} was trained for the joint set {name}, not {expected_joint_set}: choose the matching one."
        )
    found: list[ImportedCheckpoint] = []
    sizes: list[int] = []
    slots = stored_slots(content)
    for order in get_args(Order):
        model = _empty(name, faces, order)
        sizes.append(model.pose2mesh.coarsest)
        if not _fits(model, state, path) or not has_slots(model, slots):
            continue
        model.load_state_dict(state, assign=True)
        vertices = _decode(model.eval())
        misfit = graph_misfit(vertices, faces) if template is None else shape_misfit(vertices, template)
        found.append(ImportedCheckpoint(model, order, misfit))
    if not found:
        raise EngineError(
            f"{path} was trained on another mesh (its coarsest graph has {_coarsest(state)} nodes, this "
            f"mesh's {sizes[0]}): give the faces of the body it was trained on."
        )
    best = min(found, key=lambda each: each.misfit)
    if slots is None and not best.misfit < (_TORN if template is not None else _TORN_WITHOUT_TEMPLATE):
        raise EngineError(
            f"{path} decodes to a torn mesh ({best.misfit:.0%} of it off) in every known vertex order: give "
            "the body it was trained on, or import it where it was trained."
        )
    return best


def stored_slots(content: Any) -> npt.NDArray[np.integer] | None:
    """The slot of every vertex (V,), where a checkpoint's content holds it; the published ones do not."""
    slots = content.get(SLOTS) if isinstance(content, Mapping) else None
    return slots.numpy() if isinstance(slots, Tensor) else None


def has_slots(model: Pose2Mesh, slots: npt.NDArray[np.integer] | None) -> bool:
    """Whether the model's graphs put every vertex into the given slot, if any are given."""
    return slots is None or np.array_equal(model.pyramid.vertex_slots, slots)


def read_state(path: Path) -> dict[str, Tensor]:
    """The parameters in a checkpoint file by published name, floating point ones as float32.

    Raises:
        EngineError: the file is missing, damaged, holds code, or holds no parameters.
    """
    return _state(_read(path), path)


def _read(path: Path) -> Any:
    path = Path(path)
    if path.is_dir():
        raise EngineError(f"{path} is a folder: choose the checkpoint in it (*.pth.tar).")
    if not path.is_file():
        raise EngineError(f"There is no checkpoint at {path}: check the path.")
    if path.stat().st_size == 0:
        raise EngineError(f"{path} is empty: fetch it again.")
    try:
        with torch.serialization.safe_globals(_harmless_globals()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if re.search(r"[Uu]nsupported (global|GLOBAL|class)|Trying to", str(error)):
            raise EngineError(
                f"{path} holds more than numbers and was not opened, because it could run code on this "
                "computer: fetch the checkpoint from its authors."
            ) from None
        raise EngineError(f"{path} is damaged or no PyTorch checkpoint: fetch it again.") from None
    except (
        OSError,
        EOFError,
        RuntimeError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        AssertionError,
    ):
        raise EngineError(f"{path} is damaged or no PyTorch checkpoint: fetch it again.") from None


def _state(content: Any, path: Path) -> dict[str, Tensor]:
    state = content.get(_STATE, content) if isinstance(content, Mapping) else {}
    tensors = {
        key.removeprefix(_PARALLEL): value.float() if value.is_floating_point() else value
        for key, value in (state.items() if isinstance(state, Mapping) else ())
        if isinstance(key, str) and isinstance(value, Tensor)
    }
    if not tensors:
        raise EngineError(f"{path} holds no network parameters: choose a Pose2Mesh checkpoint.")
    return tensors


def _harmless_globals() -> list[Any]:
    """What NumPy scalars in a training log are made of, under the names that NumPy 1 and 2 pickle them by."""
    scalar = np.dtype("f8").type(0).__reduce__()[0]
    named = [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar")]
    return [np.dtype, *named, *(type(dtype) for dtype in _SCALARS)]


def _joint_set_of(state: Mapping[str, Tensor], path: Path) -> str:
    output = state.get("pose_lifter.w2.bias")
    if output is None:
        if _ONLY_POSENET in state:
            raise EngineError(f"{path} holds PoseNet alone: choose one of the full Pose2Mesh network.")
        raise EngineError(f"{path} holds another kind of network: choose a Pose2Mesh checkpoint.")
    for name in _PUBLISHED:
        if output.numel() == 3 * len(JOINT_SETS[name]):
            return name
    raise EngineError(
        f"{path} lifts {output.numel() / 3:g} joints, which no published joint set has "
        f"({', '.join(_PUBLISHED)}): choose a published checkpoint."
    )


def _empty(name: str, faces: npt.NDArray[np.integer], order: Order) -> Pose2Mesh:
    """The published network without memory for parameters, its graphs in the given order."""
    with torch.device("meta"):
        return build(replace(published_config(name, len(JOINT_SETS[name])), order=order), faces)


def _coarsest(state: Mapping[str, Tensor]) -> int:
    return state["pose2mesh.fc.bias"].numel() // state["pose2mesh.bn.2.bias"].numel()


def _fits(model: Pose2Mesh, state: Mapping[str, Tensor], path: Path) -> bool:
    """Whether the parameters fit; false where only the size of the mesh's coarsest graph differs.

    Raises:
        EngineError: keys are missing or unknown, or other shapes differ.
    """
    wanted = model.state_dict()
    missing, unknown = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    for keys, what in ((missing, "lacks"), (unknown, "has unknown")):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise EngineError(
                f"{path} {what} parameters ({keys[0]}{more}): choose an unaltered published checkpoint."
            )
    wrong = [key for key, value in wanted.items() if value.shape != state[key].shape]
    if set(wrong) <= {"pose2mesh.fc.weight", "pose2mesh.fc.bias"}:
        return not wrong
    raise EngineError(
        f"{path} has parameters of another shape ({wrong[0]}: {tuple(state[wrong[0]].shape)} instead of "
        f"{tuple(wanted[wrong[0]].shape)}): choose an unaltered published checkpoint."
    )


def _decode(model: Pose2Mesh) -> FloatArray:
    """(V, 3) what the network makes of a plain pose."""
    pose = torch.from_numpy(reference_pose(joint_set(model.config.joint_set)))[None]
    with torch.no_grad():
        vertices: FloatArray = model(pose)[0][0].numpy().astype(np.float64)
    return vertices


def shape_misfit(vertices: FloatArray, template: FloatArray) -> float:
    """The share of (V, 3) vertices' variance that the template (V, 3), turned and scaled, leaves unexplained.

    What is left in the right order is the difference between the plain pose and the pose at rest.
    """
    if not np.isfinite(vertices).all():
        return 1.0
    ours, theirs = (points - points.mean(axis=0) for points in (vertices, np.asarray(template, np.float64)))
    u, size, vt = np.linalg.svd(ours.T @ theirs)
    size[-1] *= np.sign(np.linalg.det(u @ vt))  # a rotation, no mirror image
    both = float((ours**2).sum() * (theirs**2).sum())
    return 1.0 - float(size.sum()) ** 2 / both if both > 0 else 1.0


def graph_misfit(vertices: FloatArray, faces: npt.NDArray[np.integer]) -> float:
    """One minus the correlation between distances through space and along the mesh, in edges."""
    if not np.isfinite(vertices).all() or np.ptp(vertices) == 0:
        return 1.0
    sources = np.linspace(0, len(vertices) - 1, _SOURCES).astype(np.int64)
    along = csgraph.dijkstra(mesh_adjacency(faces), directed=False, indices=sources, unweighted=True)
    through = np.linalg.norm(vertices[sources][:, None] - vertices, axis=-1)
    linked = np.isfinite(along) & (along > 0)
    return 1.0 - float(np.corrcoef(along[linked], through[linked])[0, 1])
