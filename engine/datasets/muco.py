"""MuCo-3DHP: several people composited into one picture; the nearest to the camera is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .annotations import Entry, has_extent, read_annotations
from .bodies import Bodies, credible, posed
from .camera import Pinhole
from .files import no_samples, numbers, points, read_json, reading
from .sample import Sample
from .targets import ALL_MASKS, BODY_SETS, aligned_distance, body_sample, checked_set, masked

Array = npt.NDArray[Any]

LARGEST_FIT_ERROR = 45.0  # mm
JOINT_COUNT = 21
PELVIS = 14
# MuCo's joints that Human3.6M has by the same name: shoulders, elbows, wrists, legs, pelvis, head.
MUCO_JOINTS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16)
HUMAN36M_JOINTS = (14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 10)


@dataclass(frozen=True, eq=False, slots=True)
class _Row:
    pose: Array  # (72,)
    betas: Array  # (10,)
    trans: Array  # (3,) m
    camera: Pinhole
    joints: Array  # (21, 3) mm, camera axes


class MuCo:
    """The composited training set; there is no test split.

    People without a fit, or with one that holds NaN, are left out. Where the fit is more than 45 mm from the
    14 joints that MuCo and Human3.6M have in common (mean, after their means coincide) nothing of the sample
    is valid; PoseNet's own training does not check. Every body is the neutral one, and shapes with a
    coefficient beyond 3 are the mean shape.

    The published code hands the check the fit's own 17 joints in the place of MuCo's 21, so that it compares
    knees with shoulders and finds no sample valid: in its full training MuCo takes part in the two losses
    that no mask reaches (normals and edges) alone. ``as_published`` repeats that.
    """

    name = "muco"

    def __init__(
        self,
        root: Path | str,
        bodies: Bodies,
        joint_set: str = "coco19",
        stage: str = "pose2mesh",
        as_published: bool = False,
    ) -> None:
        """Read the annotations and the fits.

        Args:
            root: the folder ``MuCo`` of the published layout.
            bodies: the neutral body and both regressors.
            joint_set: "coco19" or "human36m17".
            stage: "posenet" or "pose2mesh".
            as_published: repeat the published slip.

        Raises:
            EngineError: a file is missing, damaged, empty or of another layout.
        """
        self.joint_set = checked_set(joint_set, BODY_SETS, "MuCo")
        self._checks, self._as_published = stage == "pose2mesh", as_published
        self._bodies, self._body = bodies, bodies.body("neutral")
        _ = bodies.human36m, bodies.coco
        path = Path(root) / "data" / "MuCo-3DHP.json"
        fits_path = path.with_name("smpl_param.json")
        annotations, fits = read_annotations(path), read_json(fits_path)
        self._rows: list[_Row] = []
        for image, marks in annotations.by_image().items():
            if not marks:
                continue
            with reading(path):
                camera = Pinhole(
                    numbers(annotations.images[image]["f"], f"f of image {image}", 2),
                    numbers(annotations.images[image]["c"], f"c of image {image}", 2),
                )
                mark = min(marks, key=lambda each: float(each["keypoints_cam"][PELVIS][2]))
                joints = points(mark["keypoints_cam"], f"the pose of annotation {mark['id']}", JOINT_COUNT, 3)
                if not has_extent(mark["bbox"]):
                    continue
            with reading(fits_path):
                fit = fits.get(str(mark["id"]))
                if fit is not None and not _has_nan(fit):
                    self._rows.append(_row(str(mark["id"]), fit, camera, joints))
        if not self._rows:
            raise no_samples(fits_path)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        row = self._rows[index]
        mesh = 1000.0 * posed(self._body, row.pose, credible(row.betas), row.trans).vertices
        sample = body_sample(self._bodies, self.joint_set, mesh, row.camera)
        if not self._checks or self._fit_error(row, self._bodies.human36m @ mesh) <= LARGEST_FIT_ERROR:
            return sample
        return masked(sample, *ALL_MASKS)

    def _fit_error(self, row: _Row, fitted: Array) -> float:
        measured = fitted if self._as_published else row.joints
        return aligned_distance(measured[list(MUCO_JOINTS)], fitted[list(HUMAN36M_JOINTS)])


def _has_nan(fit: Entry) -> bool:
    return any(np.isnan(np.asarray(fit[part], np.float64)).any() for part in ("pose", "shape", "trans"))


def _row(key: str, fit: Entry, camera: Pinhole, joints: Array) -> _Row:
    return _Row(
        numbers(fit["pose"], f"the pose of annotation {key}", 72),
        numbers(fit["shape"], f"the shape of annotation {key}", 10),
        numbers(fit["trans"], f"the translation of annotation {key}", 3),
        camera,
        joints,
    )
