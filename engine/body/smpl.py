"""Turn a user's SMPL file into a body file.

SMPL may not be redistributed, so nothing of it is here: the user brings the file, of any vintage: the
    Python 2 pickles with chumpy arrays, the later plain pickles, or ``.npz``. It is read without running it
    (``unpickle.py``).
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import EngineError
from . import library, relatives, unpickle
from .model import FORMAT, JOINT_COUNT, JOINT_NAMES, SHAPE_COUNT, BodyModel, compressed_rows

Array = npt.NDArray[Any]

VERTEX_COUNT = 6890
_NEEDED = ("v_template", "shapedirs", "weights", "J_regressor", "f", "kintree_table")
_FILES = "an SMPL file (basicmodel_*.pkl, SMPL_*.pkl or .npz)"

# Vertices of SMPL's topology that are points of the body (the list smplx uses), and its joints, as anchors.
_VERTICES = {
    "nose": 332,
    "right_eye": 6260,
    "left_eye": 2800,
    "right_ear": 4071,
    "left_ear": 583,
    "left_big_toe": 3216,
    "left_small_toe": 3226,
    "left_heel": 3387,
    "right_big_toe": 6617,
    "right_small_toe": 6624,
    "right_heel": 6787,
    "left_thumb": 2746,
    "left_index": 2319,
    "left_pinky": 2673,
    "right_thumb": 6191,
    "right_index": 5782,
    "right_pinky": 6133,
}
# MediaPipe's landmarks of the left side as affine combinations of anchors. The factors reproduce the open
# body's landmarks, whose offsets from anatomy were measured, on its own like-named points to 2 mm; {o} is
# the other side. The hips are set apart, for SMPL's hip joints are closer together than MediaPipe's hips.
_FACE: dict[str, dict[str, float]] = {
    "eye_inner": {"nose": 0.14, "{s}_eye": 0.43, "{o}_eye": 0.38, "{s}_ear": 0.10, "{o}_ear": -0.05},
    "eye": {"{s}_eye": 1.0},
    "eye_outer": {"nose": -0.04, "{s}_eye": 0.59, "{o}_eye": 0.37, "{s}_ear": 0.32, "{o}_ear": -0.24},
}
_PAIRS: tuple[dict[str, float], ...] = (
    {"{s}_eye": 0.24, "{s}_ear": 0.69, "{o}_ear": 0.07},  # ear
    {"nose": 1.56, "{s}_eye": -0.45, "{o}_eye": -0.56, "{s}_ear": 0.36, "{o}_ear": 0.09},  # mouth
    {"{s}_shoulder": 1.0},
    {"{s}_elbow": 1.0},
    {"{s}_wrist": 1.0},
    {"{s}_wrist": 0.53, "{s}_index": 0.33, "{s}_pinky": 0.25, "{s}_thumb": -0.11},  # pinky
    {"{s}_wrist": 0.53, "{s}_index": 0.53, "{s}_pinky": 0.04, "{s}_thumb": -0.10},  # index
    {"{s}_wrist": 0.63, "{s}_index": 0.39, "{s}_pinky": -0.05, "{s}_thumb": 0.03},  # thumb
    {"{s}_hip": 1.19, "{o}_hip": -0.19},
    {"{s}_knee": 1.0},
    {"{s}_ankle": 0.75, "{s}_heel": 0.11, "{s}_big_toe": 0.06, "{s}_knee": 0.08},  # ankle
    {"{s}_ankle": 0.31, "{s}_heel": 0.68, "{s}_big_toe": 0.14, "{s}_small_toe": -0.13},  # heel
    {"{s}_ankle": 0.13, "{s}_heel": -0.07, "{s}_big_toe": 0.58, "{s}_small_toe": 0.36},  # foot index
)


def landmark_regressor(joint_regressor: Array) -> Array:
    """MediaPipe's 33 landmarks (33, 6890) on SMPL's topology, from its joint regressor (24, 6890)."""

    def row(recipe: dict[str, float], side: str) -> Array:
        other = {"left": "right", "right": "left"}[side]
        out = np.zeros(joint_regressor.shape[1])
        for pattern, factor in recipe.items():
            name = pattern.format(s=side, o=other)
            if name in _VERTICES:
                out[_VERTICES[name]] += factor
            else:
                out += factor * joint_regressor[JOINT_NAMES.index(name)]
        return out

    rows = [row({"nose": 1.0}, "left")]
    rows += [row(recipe, side) for side in ("left", "right") for recipe in _FACE.values()]
    rows += [row(recipe, side) for recipe in _PAIRS for side in ("left", "right")]
    out = np.stack(rows)
    return np.asarray(out / out.sum(axis=1, keepdims=True))


def read(
    path: Path, needed: tuple[str, ...] = _NEEDED, kind: str = "SMPL", files: str = _FILES
) -> dict[str, Array]:
    """The arrays of a file of SMPL's family that a body needs, dense.

    Args:
        needed: the arrays that must be there; "posedirs" is read where it is there too.
        kind, files: the model and its usual files, for the sentences.

    Raises:
        EngineError: the file is missing, damaged, holds code, or is not that model.
    """
    if path.is_dir():
        raise EngineError(f"{path} is a folder; choose the {kind} file in it.")
    if not path.is_file():
        raise EngineError(f"The {kind} file {path} does not exist; check the path.")
    if path.stat().st_size == 0:
        raise EngineError(f"The {kind} file {path} is empty; get it again.")
    names = tuple(dict.fromkeys((*needed, "posedirs")))
    if zipfile.is_zipfile(path):
        content = _read_npz(path, names)
    else:
        with path.open("rb") as file:
            content = unpickle.load(file, str(path))
    if not isinstance(content, dict):
        raise EngineError(f"{path} holds no {kind} model; choose {files}.")
    missing = [name for name in needed if name not in content]
    if missing:
        raise EngineError(f"{path} lacks {', '.join(missing)}; choose {files}.")
    try:
        return {name: unpickle.as_array(content[name]) for name in names if content.get(name) is not None}
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise EngineError(f"{path} cannot be used ({error}); get the {kind} file again.") from error


def _read_npz(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                if f"{name}.npy" in archive.namelist():
                    with archive.open(f"{name}.npy") as member:
                        out[name] = _read_npy(member, f"{name} in {path}")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EngineError(f"The file {path} is damaged ({error}); get it again.") from error
    return out


def _read_npy(member: Any, label: str) -> Any:
    """An array, or the pickle behind an array of objects, read the restricted way."""
    version = np.lib.format.read_magic(member)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, kind = header(member)
    if kind.hasobject:
        return unpickle.load(member, label)
    flat = np.frombuffer(member.read(), kind)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def to_body_arrays(arrays: dict[str, Array], name: str) -> dict[str, Array]:
    """SMPL's or SMPL-H's arrays as the arrays of a body file (see ``model.py``).

    Raises:
        EngineError: it is another model.
        ValueError, IndexError: the arrays do not fit one another.
    """
    kind = relatives.kind_of(arrays)
    template = np.asarray(arrays["v_template"], np.float64)
    if kind not in ("SMPL", "SMPL-H") or template.shape != (VERTEX_COUNT, 3):
        raise EngineError(
            f"This is {kind} with {len(template)} vertices, not SMPL's body with {VERTEX_COUNT}; "
            f"choose {_FILES}."
        )
    if kind == "SMPL-H":
        arrays = relatives.without_fingers(arrays)
    tree = np.asarray(arrays["kintree_table"]).astype(np.int64)
    parents = tree[0].astype(np.int32)
    parents[0] = -1
    shapedirs = np.asarray(arrays["shapedirs"], np.float64)[:, :, :SHAPE_COUNT]
    shapedirs = np.pad(shapedirs, ((0, 0), (0, 0), (0, SHAPE_COUNT - shapedirs.shape[2])))
    regressor = np.asarray(arrays["J_regressor"], np.float64)
    if regressor.shape != (JOINT_COUNT, VERTEX_COUNT) and regressor.T.shape == (JOINT_COUNT, VERTEX_COUNT):
        regressor = regressor.T
    out: dict[str, Array] = {
        "format": np.array(FORMAT),
        "name": np.array(name),
        "source": np.array(f"{kind}, imported from the user's own file"),
        "licence": np.array("SMPL licence: not to be redistributed"),
        "v_template": template.astype(np.float32),
        "shapedirs": shapedirs.astype(np.float32),
        "parents": parents,
        "triangles": np.asarray(arrays["f"]).astype(np.int32),
        **compressed_rows("weights", arrays["weights"]),
        **compressed_rows("joint_regressor", regressor),
        **compressed_rows("landmark_regressor", landmark_regressor(regressor)),
    }
    if "posedirs" in arrays:
        directions = np.asarray(arrays["posedirs"], np.float32).reshape(VERTEX_COUNT, 3, -1)
        out["posedirs"] = np.ascontiguousarray(directions.transpose(2, 0, 1))
    return out


def import_smpl(source: Path, out: Path) -> BodyModel:
    """Read an SMPL file, write it as a body file, and return the body as it will be loaded.

    Raises:
        EngineError: the file cannot be read, is not SMPL, or the body file cannot be written.
    """
    content = read(source)
    try:
        arrays = to_body_arrays(content, out.stem)
        body = BodyModel.from_arrays(arrays)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise EngineError(f"{source} is not a usable SMPL model ({error}); get it again.") from error
    library.write_arrays(out, arrays)
    return body
