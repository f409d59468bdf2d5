"""FreiHAND: photographed right hands with MANO fits; the network trains on a detector's output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .annotations import has_extent, read_annotations
from .bodies import Bodies
from .camera import turned
from .detections import read_detections
from .files import no_samples, numbers, read_json, reading
from .sample import Sample
from .targets import assembled, checked_split

Array = npt.NDArray[Any]

FILES = {"train": "train", "test": "eval"}


@dataclass(frozen=True, eq=False)
class _Truth:
    pose: Array  # (48,)
    betas: Array  # (10,)
    rotation: Array  # (3, 3), world to camera


@dataclass(frozen=True, eq=False, slots=True)
class _Row:
    image: int
    truth: _Truth | None


class FreiHand:
    """``data/freihand_{train,eval}_coco.json`` and ``..._data.json``; detections by HRNet beside them.

    Everything is valid in training. The published evaluation files hold no hands: there all targets are 0
    and nothing is valid, unless the file was completed with `mano_param` as in training.
    """

    name = "freihand"
    joint_set = "mano21"

    def __init__(self, root: Path | str, bodies: Bodies, split: str = "train") -> None:
        """Read one split.

        Args:
            root: the folder ``FreiHAND`` of the published layout.
            bodies: the hand.
            split: "train" or "test".

        Raises:
            EngineError: a file is missing, damaged, empty or of another layout.
        """
        self.split = checked_split(split, tuple(FILES), "FreiHAND")
        self._hand = bodies.hand
        path = Path(root) / "data" / f"freihand_{FILES[split]}_coco.json"
        data_path = path.with_name(f"freihand_{FILES[split]}_data.json")
        annotations, data = read_annotations(path), read_json(data_path)
        rows = []
        for mark in annotations.marks:
            with reading(path):
                image = annotations.images[mark["image_id"]]
                key = str(image["db_idx"])
                if split == "train" and not has_extent(mark["bbox"]):
                    continue
            with reading(data_path):
                complete = split == "train" or "mano_param" in data[key]
                rows.append(_Row(int(mark["image_id"]), _truth(key, data[key]) if complete else None))
        if not rows:
            raise no_samples(path)
        self._rows = sorted(rows, key=lambda row: row.image)
        detections = path.with_name(f"hrnet_output_on_{split}set.json")
        self._detected = read_detections(detections, "image_id", 21, (row.image for row in self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        row = self._rows[index]
        detected = self._detected[row.image]
        if row.truth is None:
            joints, mesh = np.zeros((21, 3)), np.zeros_like(self._hand.v_template)
            return assembled(detected, joints, joints, mesh, detected, valid=False)
        vertices, joints = self._hand.posed(row.truth.pose, row.truth.betas)
        wrist = joints[0]
        relative = 1000.0 * (turned(joints, row.truth.rotation, wrist) - wrist)
        mesh = 1000.0 * (turned(vertices, row.truth.rotation, wrist) - wrist)
        return assembled(detected, relative, relative, mesh, detected)


def _truth(key: str, entry: Any) -> _Truth:
    return _Truth(
        numbers(entry["mano_param"]["pose"], f"the pose of hand {key}", 48),
        numbers(entry["mano_param"]["shape"], f"the shape of hand {key}", 10),
        numbers(entry["cam_param"]["R"], f"R of hand {key}", 3, 3),
    )
