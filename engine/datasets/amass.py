"""AMASS: captured motion as SMPL parameters, put before four cameras turned like Human3.6M's."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import EngineError
from .bodies import Bodies, posed
from .camera import Pinhole, turned
from .files import REMEDY, existing, numbers
from .sample import Sample
from .targets import BODY_SETS, body_sample, checked_set

Array = npt.NDArray[Any]

# World (z up) to camera, of Human3.6M's four cameras.
ROTATIONS = np.array(
    [
        [
            [-0.9153617, 0.40180838, 0.02574755],
            [0.05154812, 0.18037356, -0.9822465],
            [-0.39931902, -0.89778364, -0.18581952],
        ],
        [
            [0.92816836, 0.37215385, 0.00224838],
            [0.08166409, -0.1977723, -0.9768404],
            [-0.36309022, 0.9068559, -0.2139576],
        ],
        [
            [-0.91415495, -0.40277803, -0.04572295],
            [-0.04562341, 0.2143085, -0.97569996],
            [0.4027893, -0.8898549, -0.21428728],
        ],
        [
            [0.91415626, -0.40060705, 0.06190599],
            [-0.05641001, -0.2769532, -0.9592262],
            [0.40141782, 0.8733905, -0.27577674],
        ],
    ]
)
CAMERA = Pinhole(np.array([1500.0, 1500.0]), np.array([500.0, 500.0]))
DEPTH = 10.0  # metres from the camera to the body's origin
EVERY = {"cmu": 60, "mpi_mosh": 10, "bmlrub": 10, "bmlmovi": 10}
EVERY_ELSEWHERE = 5
COLLECTIONS = {"pose2mesh": ("cmu",), "posenet": ("cmu", "bml")}


class Amass:
    """Motion files under ``data/COLLECTION/SEQUENCE/*_poses.npz``; there is no test split.

    PoseNet is trained on the collections with CMU or BML in their names, the whole network on CMU alone. Of
    CMU every 60th frame is taken, of MPI_mosh, BMLrub and BMLmovi every 10th, of others every 5th, each
    before four cameras. As published: the global translation is left out, the neutral body takes the first
    10 shape coefficients whatever the gender and however large, and the first 72 numbers of a pose are
    SMPL's, so that the body's hand joints turn like the left index finger's first two.
    """

    name = "amass"

    def __init__(
        self, root: Path | str, bodies: Bodies, joint_set: str = "coco19", stage: str = "pose2mesh"
    ) -> None:
        """Read the poses.

        Args:
            root: the folder ``AMASS`` of the published layout.
            bodies: the neutral body and the Human3.6M regressor; for "coco19" COCO's too.
            joint_set: "coco19" or "human36m17".
            stage: "posenet" or "pose2mesh": which collections are read.

        Raises:
            EngineError: no motion file is there, or one is damaged or of another layout.
        """
        self.joint_set = checked_set(joint_set, BODY_SETS, "AMASS")
        self._bodies, self._body = bodies, bodies.body("neutral")
        _ = bodies.human36m, joint_set == "coco19" and bodies.coco
        files = [
            (path, EVERY.get(folder.name.lower(), EVERY_ELSEWHERE))
            for folder in sorted((Path(root) / "data").glob("*"))
            if any(name in folder.name.lower() for name in COLLECTIONS[stage])
            for path in sorted(folder.glob("*/*_poses.npz"))
        ]
        if not files:
            wanted = " or ".join(name.upper() for name in COLLECTIONS[stage])
            raise EngineError(
                f"There is no motion file like {Path(root) / 'data'}/{wanted}/SEQUENCE/NAME_poses.npz; "
                "docs/datasets.md says where to get AMASS and how to lay it out."
            )
        read = [_read(path, every) for path, every in files]
        self._poses = np.concatenate([poses for poses, _ in read])
        self._betas = np.repeat([betas for _, betas in read], [len(poses) for poses, _ in read], axis=0)

    def __len__(self) -> int:
        return len(self._poses) * len(ROTATIONS)

    def __getitem__(self, index: int) -> Sample:
        frame, camera = divmod(range(len(self))[index], len(ROTATIONS))
        body = posed(self._body, self._poses[frame], self._betas[frame])
        seen = turned(body.vertices, ROTATIONS[camera], body.joints[0]) + np.array((0.0, 0.0, DEPTH))
        return body_sample(self._bodies, self.joint_set, 1000.0 * seen, CAMERA)


def _read(path: Path, every: int) -> tuple[Array, Array]:
    """Poses (F, 72) and shape (10,) of one motion file."""
    try:
        with np.load(existing(path), allow_pickle=False) as archive:
            poses, betas = archive["poses"], archive["betas"]
        if poses.ndim != 2 or poses.shape[1] < 72 or len(poses) == 0:
            raise ValueError(f"poses has the shape {poses.shape} instead of (frames, 156)")
        taken = poses[::every, :72]
        return numbers(taken, "poses", *taken.shape), numbers(betas.reshape(-1)[:10], "betas", 10)
    except KeyError as error:
        raise EngineError(f"The motion file {path} is not AMASS's ({error}); {REMEDY}.") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EngineError(f"The motion file {path} cannot be used ({error}); {REMEDY}.") from error
