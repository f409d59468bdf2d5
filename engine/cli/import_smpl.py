"""`python -m engine import-smpl FILE`: a user's SMPL file as a body for `--body smpl`."""

from __future__ import annotations

import argparse
import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ..body.model import BodyModel

AGREEMENT = 1e-4
"""Metres within which two implementations in float32 must agree."""


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser of `python -m engine`."""
    parser = commands.add_parser(
        "import-smpl", help="turn your SMPL or MANO file (.pkl or .npz) into a body file"
    )
    parser.add_argument(
        "source", type=Path, metavar="FILE", help="basicmodel_*.pkl, SMPL_*.pkl, MANO_*.pkl, .npz"
    )
    parser.add_argument("--name", help="what --body shall call it (smpl, or mano for a hand)")
    parser.add_argument(
        "--out", type=Path, help="write the body file (.npz) here instead, to be named by path"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the body file; EngineError is the caller's to show."""
    from ..body import library, relatives
    from ..body.smpl import import_smpl, read

    hand = relatives.kind_of(read(arguments.source)) == "MANO"
    name = arguments.name or ("mano" if hand else "smpl")
    library.check_name(name)
    out = arguments.out or library.body_file(name)
    if hand:
        from ..datasets.hand import HandModel

        HandModel.load(arguments.source).save(out)
        print(f"Wrote {out}: a hand. MANO's licence lets nobody share it.")
        return 0
    body = import_smpl(arguments.source, out)
    print(f"Wrote {out}: {len(body.v_template)} vertices. SMPL's licence lets nobody share it.")
    random = np.random.default_rng(0)
    difference = difference_to_smplx(body, random.normal(0.0, 0.4, (2, 24, 3)), random.normal(size=10))
    if difference is not None:
        verdict = "agrees" if difference < AGREEMENT else "DOES NOT AGREE"
        print(f"The smplx package {verdict}: largest difference {difference * 1e3:.4f} mm.")
    return 0 if difference is None or difference < AGREEMENT else 1


def difference_to_smplx(body: BodyModel, poses: npt.ArrayLike, betas: npt.ArrayLike) -> float | None:
    """Largest distance in metres between our vertices and the `smplx` package's, given the same arrays.

    Args:
        poses: (F, 24, 3) axis-angle; betas: (10,).

    Returns:
        None where smplx, an optional extra under a non-commercial licence, is not installed.
    """
    try:
        import smplx
        import torch
    except ImportError:
        return None
    frames = np.asarray(poses, np.float32).reshape(-1, 24, 3)
    directions = body.posedirs if body.posedirs is not None else np.zeros((207, *body.v_template.shape), "f4")
    # Points that smplx adds as extra joints; it wants them all named, and nobody looks at them here.
    points = ["nose", "reye", "leye", "rear", "lear"]
    points += [side + part for side in "LR" for part in ("BigToe", "SmallToe", "Heel")]
    points += [side + finger for side in "lr" for finger in ("thumb", "index", "middle", "ring", "pinky")]
    arrays = smplx.utils.Struct(
        v_template=body.v_template,
        shapedirs=body.shapedirs,
        posedirs=directions.transpose(1, 2, 0),
        J_regressor=body.joint_regressor,
        weights=body.weights,
        f=body.triangles,
        kintree_table=np.stack([body.parents.astype(np.int64), np.arange(24)]),
    )
    shape = np.broadcast_to(np.asarray(betas, np.float32), (len(frames), 10)).copy()
    with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():  # it warns about its own defaults
        reference = smplx.SMPL("", arrays, vertex_ids=dict.fromkeys(points, 0), batch_size=len(frames))
        result = reference(
            betas=torch.from_numpy(shape),
            global_orient=torch.from_numpy(frames[:, 0].copy()),
            body_pose=torch.from_numpy(frames[:, 1:].reshape(len(frames), -1).copy()),
            transl=torch.zeros(len(frames), 3),
        )
    ours = body.vertices(frames, betas, np.zeros((len(frames), 3), np.float32))
    return float(np.linalg.norm(ours - result.vertices.numpy(), axis=-1).max())
