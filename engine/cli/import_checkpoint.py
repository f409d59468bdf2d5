"""`python -m engine import-checkpoint FILE --body BODY --out OUT`: a published checkpoint, made safe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import EngineError


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser of `python -m engine`."""
    parser = commands.add_parser(
        "import-checkpoint", help="turn a published Pose2Mesh checkpoint into a weights file"
    )
    parser.add_argument("checkpoint", type=Path, metavar="FILE", help="the published .pth.tar")
    mesh = parser.add_mutually_exclusive_group(required=True)
    mesh.add_argument("--body", help="the body it was trained on: an imported body's name or file")
    mesh.add_argument("--faces", type=Path, help="or only that body's triangles: a .npy of shape (T, 3)")
    parser.add_argument("--joint-set", help="refuse a checkpoint for other joints than these")
    parser.add_argument("--out", type=Path, required=True, help="the weights file to write (.safetensors)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the weights file; EngineError is the caller's to show."""
    from ..pose2mesh import weights
    from ..pose2mesh.checkpoint import import_checkpoint

    if arguments.body is not None:
        from ..body.model import BodyModel

        body = BodyModel.load(arguments.body)
        name, faces, template = body.name, body.triangles, body.v_template
    else:
        name, faces, template = arguments.faces.stem, _read_faces(arguments.faces), None

    imported = import_checkpoint(arguments.checkpoint, faces, template, arguments.joint_set)
    joint_set = imported.model.config.joint_set
    notes = {"source": arguments.checkpoint.name, "edge_stretch": f"{imported.stretch:.2f}"}
    weights.save(arguments.out, imported.model, name, notes)
    print(f"Wrote {arguments.out}: {joint_set} to {name}, vertex order {imported.order}")
    return 0


def _read_faces(path: Path) -> npt.NDArray[np.integer]:
    """Triangles (T, 3) from a .npy file.

    Raises:
        EngineError: it is missing, damaged or no array of whole numbers.
    """
    try:
        faces = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise EngineError(f"There is no file of triangles at {path}: check the path.") from None
    except (OSError, ValueError, EOFError) as error:
        raise EngineError(f"{path} holds no readable array ({error}): save the triangles as .npy.") from None
    if not isinstance(faces, np.ndarray):
        raise EngineError(f"{path} holds several arrays: save the triangles alone as .npy.")
    whole: npt.NDArray[np.integer] = faces.astype(np.int64) if faces.dtype.kind in "iuf" else faces
    return whole
