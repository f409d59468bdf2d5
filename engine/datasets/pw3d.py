"""3DPW: people outdoors with SMPL parameters from inertial sensors: the usual test set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .annotations import Annotations, has_extent, read_annotations
from .bodies import Bodies, posed
from .camera import Pinhole
from .detections import read_detections
from .files import no_samples, numbers, reading, without
from .sample import Sample
from .targets import body_sample, checked_split, with_pelvis_and_neck

Array = npt.NDArray[Any]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False, slots=True)
class _Row:
    mark: int
    person: int
    video: str
    image: str
    camera: Pinhole
    pose: Array  # (72,)
    betas: Array  # (10,)
    trans: Array  # (3,) m
    gender: str


class Pw3d:
    """``data/3DPW_latest_SPLIT.json``, and detections by DarkPose beside it.

    Bodies are of the person's gender, in the camera's axes already. Everything is valid. The training split
    needs no detections. Samples are sorted
    by person and picture, so that a person's frames of one video follow each other.
    """

    name = "pw3d"
    joint_set = "coco19"

    def __init__(self, root: Path | str, bodies: Bodies, split: str = "test") -> None:
        """Read one split.

        Args:
            root: the folder ``PW3D`` of the published layout.
            bodies: the bodies of the genders that occur, and both regressors.
            split: "train", "validation" or "test".

        Raises:
            EngineError: a file is missing, damaged, empty or of another layout.
        """
        self.split = checked_split(split, SPLITS, "3DPW")
        self._bodies = bodies
        _ = bodies.human36m, bodies.coco
        path = Path(root) / "data" / f"3DPW_latest_{split}.json"
        rows = _rows(read_annotations(path), path)
        if not rows:
            raise no_samples(path)
        self._rows = sorted(rows, key=lambda row: (row.person, row.video, row.image))
        for gender in {row.gender for row in rows}:
            bodies.body(gender)
        detections = path.with_name(f"darkpose_3dpw_{split}set_output.json")
        if split == "train" and not detections.is_file():
            self._detected: dict[int, Array] = {}  # training uses projections
            return
        found = read_detections(detections, "annotation_id", 17)
        if missing := [f"annotation {row.mark}" for row in self._rows if row.mark not in found]:
            raise without(missing, detections, "the 2D pose")
        self._detected = {row.mark: with_pelvis_and_neck(found[row.mark]) for row in self._rows}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        row = self._rows[index]
        body = posed(self._bodies.body(row.gender), row.pose, row.betas, row.trans)
        mesh = 1000.0 * body.vertices
        return body_sample(
            self._bodies, self.joint_set, mesh, row.camera, detected=self._detected.get(row.mark)
        )

    def videos(self) -> list[npt.NDArray[np.int64]]:
        """The indices of each person's samples in each video, in time: what acceleration is measured over."""
        found: dict[tuple[str, int], list[int]] = {}
        for index, row in enumerate(self._rows):
            found.setdefault((row.video, row.person), []).append(index)
        return [np.array(found[key]) for key in sorted(found)]


def _rows(annotations: Annotations, path: Path) -> list[_Row]:
    rows = []
    for mark in annotations.marks:
        with reading(path):
            if not has_extent(mark["bbox"]):
                continue
            image, fit, key = annotations.images[mark["image_id"]], mark["smpl_param"], mark["id"]
            camera = Pinhole(
                numbers(image["cam_param"]["focal"], f"the focal length of annotation {key}", 2),
                numbers(image["cam_param"]["princpt"], f"the principal point of annotation {key}", 2),
            )
            rows.append(
                _Row(
                    int(key),
                    int(mark["person_id"]),
                    str(image["sequence"]),
                    str(image["file_name"]),
                    camera,
                    numbers(fit["pose"], f"the pose of annotation {key}", 72),
                    numbers(fit["shape"], f"the shape of annotation {key}", 10),
                    numbers(fit["trans"], f"the translation of annotation {key}", 3),
                    str(fit["gender"]),
                )
            )
    return rows
