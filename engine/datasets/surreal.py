"""SURREAL: rendered people with known SMPL parameters; the network trains on a detector's output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from .annotations import has_extent, read_annotations
from .bodies import Bodies, posed
from .detections import read_detections
from .files import no_samples, numbers, reading
from .sample import Sample
from .targets import assembled, checked_split

Array = npt.NDArray[Any]

FILES = {"train": "train", "test": "val"}


@dataclass(frozen=True, eq=False, slots=True)
class _Row:
    image: int
    pose: Array  # (72,)
    betas: Array  # (10,)
    trans: Array  # (3,) m
    gender: str


class Surreal:
    """``data/train.json`` or, to test, ``data/val.json``; detections by HRNet beside them.

    Everything is valid. The 24 SMPL joints are lifted as well as measured on the mesh; they are those of the
    skeleton, not regressed. The published loader repeats the first training sample at the end, to work round
    a fault with several GPUs; this one does not.
    """

    name = "surreal"
    joint_set = "smpl24"

    def __init__(self, root: Path | str, bodies: Bodies, split: str = "train") -> None:
        """Read one split.

        Args:
            root: the folder ``SURREAL`` of the published layout.
            bodies: the bodies of the genders that occur.
            split: "train" or "test".

        Raises:
            EngineError: a file is missing, damaged, empty or of another layout.
        """
        self.split = checked_split(split, tuple(FILES), "SURREAL")
        self._bodies = bodies
        path = Path(root) / "data" / f"{FILES[split]}.json"
        annotations = read_annotations(path)
        self._rows: list[_Row] = []
        for image, marks in sorted(annotations.by_image().items()):
            with reading(path):
                if marks and has_extent(marks[0]["bbox"]):
                    self._rows.append(_row(image, marks[0]["smpl_param"]))
        if not self._rows:
            raise no_samples(path)
        for gender in {row.gender for row in self._rows}:
            bodies.body(gender)
        detections = path.with_name(f"hrnet_output_on_{FILES[split]}set.json")
        self._detected = read_detections(detections, "image_id", 24, (row.image for row in self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        row = self._rows[index]
        body = posed(self._bodies.body(row.gender), row.pose, row.betas, row.trans)
        joints, mesh = 1000.0 * body.joints, 1000.0 * body.vertices
        detected = self._detected[row.image]
        relative = joints - joints[0]
        return assembled(detected, relative, relative, mesh - joints[0], detected)


def _row(image: int, fit: Any) -> _Row:
    return _Row(
        image,
        numbers(fit["pose"], f"the pose of image {image}", 72),
        numbers(fit["shape"], f"the shape of image {image}", 10),
        numbers(fit["trans"], f"the translation of image {image}", 3),
        str(fit["gender"]),
    )
