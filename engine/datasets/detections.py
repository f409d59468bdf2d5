"""What a 2D pose detector found, as the published files list it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .files import points, read_json, reading, without

Array = npt.NDArray[np.float32]


def read_detections(path: Path, key: str, joints: int, wanted: Iterable[int]) -> dict[int, Array]:
    """Poses (J, 2) in pixels by "image_id" or "annotation_id" (``key``), confidences left out.

    Args:
        wanted: what must be among them.

    Raises:
        EngineError: the file is missing, damaged, empty, has another number of joints or lacks a pose.
    """
    content: Any = read_json(path, list)
    with reading(path):
        found = {
            int(item[key]): points(item["keypoints"], f"the pose of {key} {item[key]}", joints, 2)
            for item in content
        }
    if missing := [f"{key.removesuffix('_id')} {each}" for each in wanted if each not in found]:
        raise without(missing, path, "the 2D pose")
    return found
