"""`python -m engine import-checkpoint FILE --body smpl`: a published checkpoint, made safe, for captures."""

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
    parser.add_argument(
        "--out", type=Path, help="write the weights file (.safetensors) here, not where capture --body looks"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the weights file; EngineError is the caller's to show."""
    from ..pose2mesh import weights
    from ..pose2mesh.checkpoint import import_checkpoint

    template: npt.NDArray[np.floating] | None = None
    if arguments.body is not None:
        name, faces, template = _mesh_of(arguments.body)
    else:
        name, faces = arguments.faces.stem, _read_faces(arguments.faces)
    out = arguments.out or _place(arguments.body)

    imported = import_checkpoint(arguments.checkpoint, faces, template, arguments.joint_set)
    joint_set = imported.model.config.joint_set
    if arguments.out is None:
        check_for_capture(joint_set, arguments.checkpoint)
        _make_folder(out.parent)
    notes = {"source": arguments.checkpoint.name, "misfit": f"{imported.misfit:.2f}"}
    weights.save(out, imported.model, name, notes)
    print(f"Wrote {out}: {joint_set} to {name}, vertex order {imported.order}")
    return 0


def check_for_capture(joint_set: str, checkpoint: Path) -> None:
    """Whether captures can use a network that reads these joints.

    Raises:
        EngineError: they cannot.
    """
    from ..pose2mesh.landmark_joints import SUPPORTED

    if joint_set not in SUPPORTED:
        raise EngineError(
            f"{checkpoint.name} reads {joint_set}, which a video's landmarks do not give: import one for "
            f"{' or '.join(SUPPORTED)}, or say with --out where to keep it for other purposes."
        )


def _mesh_of(body: str) -> tuple[str, npt.NDArray[np.integer], npt.NDArray[np.floating]]:
    """Name, triangles and rest shape of a body or hand, by name or file."""
    from ..body import library
    from ..body.model import BodyModel
    from ..datasets.hand import HandModel

    file = Path(body) if body.endswith(".npz") else library.body_file(body)
    if library.is_hand(file):
        hand = HandModel.load(file)
        return file.stem, hand.triangles, hand.v_template
    model = BodyModel.load(body)
    return model.name, model.triangles, model.v_template


def _place(body: str | None) -> Path:
    """Where captures look for the network of an imported body.

    Raises:
        EngineError: the body is not known by name.
    """
    from ..body import library

    imported = library.imported_bodies()
    if body is None or body not in imported:
        raise EngineError(
            "Captures find networks of imported bodies only: give a file as --out, or an imported "
            f"body's name as --body ({', '.join(imported) or 'there is none yet: run import-smpl first'})."
        )
    return library.weights_file(body)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            f"The folder {folder} cannot be made ({error}): free the place, or give a file as --out."
        ) from None


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
