"""3DPW: people outdoors with SMPL parameters from inertial sensors: the usual test set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .bodies import Bodies, posed
from .detections import read_detections
from .pw3d_rows import annotated_rows, sequence_rows
from .sample import Sample
from .targets import body_sample, checked_split, with_pelvis_and_neck

Array = npt.NDArray[Any]

SPLITS = ("train", "validation", "test")


class Pw3d:
    """``data/3DPW_latest_SPLIT.json``, and detections by DarkPose beside it.

    Where that file is missing and the official ``sequenceFiles/SPLIT`` are there, those are read, and there
    are no detections. Bodies are of the person's gender. Everything is valid. Samples are sorted by person
    and picture, so that a person's frames of one video follow each other. The training split may do without
    detections.
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
        path, sequences = (
            Path(root) / "data" / f"3DPW_latest_{split}.json",
            Path(root) / "sequenceFiles" / split,
        )
        official = not path.is_file() and sequences.is_dir()
        rows = sequence_rows(sequences) if official else annotated_rows(path)
        self._rows = sorted(rows, key=lambda row: (row.person, row.video, row.image))
        for gender in {row.gender for row in rows}:
            bodies.body(gender)
        detections = path.with_name(f"darkpose_3dpw_{split}set_output.json")
        self._detected: dict[int, Array] = {}
        if not official and (split != "train" or detections.is_file()):
            self._detected = self._detections(detections)

    def _detections(self, path: Path) -> dict[int, Array]:
        found = read_detections(path, "annotation_id", 17, (row.mark for row in self._rows))
        return {row.mark: with_pelvis_and_neck(found[row.mark]) for row in self._rows}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        row = self._rows[index]
        body = posed(self._bodies.body(row.gender), row.pose, row.betas, row.trans)
        mesh = 1000.0 * (body.vertices @ row.rotation.T + row.offset)
        return body_sample(
            self._bodies, self.joint_set, mesh, row.camera, detected=self._detected.get(row.mark)
        )

    def videos(self) -> list[npt.NDArray[np.int64]]:
        """The indices of each person's samples in each video, in time: what acceleration is measured over."""
        found: dict[tuple[str, int], list[int]] = {}
        for index, row in enumerate(self._rows):
            found.setdefault((row.video, row.person), []).append(index)
        return [np.array(found[key]) for key in sorted(found)]
