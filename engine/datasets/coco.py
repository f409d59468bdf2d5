"""COCO 2017's people with SMPL fits to their keypoints (SMPLify), seen by a scaled orthographic camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..pose2mesh.preprocess import grown_box
from .annotations import has_extent, read_annotations
from .bodies import Bodies, credible, posed
from .camera import ScaledOrthographic
from .files import no_samples, numbers, read_json, reading
from .sample import Sample
from .targets import ALL_MASKS, BODY_SETS, body_sample, checked_set, masked

Array = npt.NDArray[Any]

LARGEST_FIT_ERROR = 3.0  # pixels of a crop of that size:
CROP = 64


@dataclass(frozen=True, eq=False, slots=True)
class _Row:
    pose: Array  # (72,)
    betas: Array  # (10,)
    camera: ScaledOrthographic
    keypoints: Array  # (17, 2) px
    seen: Array  # (17,) bool


class Coco:
    """The training annotations; there is no test split.

    Crowds, people without keypoints and people without a fit are left out. Where the fit's joints are more
    than 3 pixels of a 64 x 64 crop from the annotated keypoints (mean over those annotated) nothing of the
    sample is valid. Every body is the neutral one, and shapes with a coefficient beyond 3 are the mean shape.
    """

    name = "coco"

    def __init__(self, root: Path | str, bodies: Bodies, joint_set: str = "coco19") -> None:
        """Read the annotations and the fits.

        Args:
            root: the folder ``COCO`` of the published layout.
            bodies: the neutral body and both regressors.
            joint_set: "coco19" or "human36m17".

        Raises:
            EngineError: a file is missing, damaged, empty or of another layout.
        """
        self.joint_set = checked_set(joint_set, BODY_SETS, "COCO")
        self._bodies, self._body = bodies, bodies.body("neutral")
        _ = bodies.human36m, bodies.coco
        path = Path(root) / "annotations" / "person_keypoints_train2017.json"
        fits_path = path.with_name("coco_smplify_train.json")
        annotations, fits = read_annotations(path), read_json(fits_path)
        self._rows: list[_Row] = []
        for mark in annotations.marks:
            with reading(path):
                key = str(mark["id"])
                if mark["iscrowd"] or mark["num_keypoints"] == 0 or not has_extent(mark["bbox"]):
                    continue
                keypoints = numbers(mark["keypoints"], f"the keypoints of annotation {key}", 17, 3)
            with reading(fits_path):
                if key in fits:
                    self._rows.append(_row(key, fits[key], keypoints))
        if not self._rows:
            raise no_samples(fits_path)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        row = self._rows[index]
        mesh = 1000.0 * posed(self._body, row.pose, credible(row.betas)).vertices
        sample = body_sample(self._bodies, self.joint_set, mesh, row.camera)
        fitted = row.camera.project(self._bodies.coco @ mesh)
        if _fit_error(fitted, row.keypoints, row.seen, sample.box) <= LARGEST_FIT_ERROR:
            return sample
        return masked(sample, *ALL_MASKS)


def _row(key: str, fit: Any, keypoints: Array) -> _Row:
    scale = np.asarray(fit["cam_param"]["s"], np.float32).reshape(-1)
    return _Row(
        numbers(fit["smpl_param"]["pose"], f"the pose of annotation {key}", 72),
        numbers(fit["smpl_param"]["shape"], f"the shape of annotation {key}", 10),
        ScaledOrthographic(
            numbers(scale, f"s of annotation {key}", 2 if scale.size == 2 else 1),
            numbers(fit["cam_param"]["t"], f"t of annotation {key}", 2),
        ),
        keypoints[:, :2],
        keypoints[:, 2] > 0,
    )


def _fit_error(fitted: Array, keypoints: Array, seen: Array, box: Array) -> float:
    """Mean distance of the annotated joints, in pixels of the square crop around ``box``.

    Infinite where no joint is annotated.
    """
    if not seen.any():
        return float("inf")
    distance = np.linalg.norm(fitted - keypoints, axis=1)[seen].mean()
    return float(distance * CROP / grown_box(box, 1.0)[2])
