"""What a 2D pose detector found, as the published files list it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .files import points, read_json, reading

Array = npt.NDArray[np.float32]


def read_detections(path: Path, key: str, joints: int) -> dict[int, Array]:
    """Poses (J, 2) in pixels by "image_id" or "annotation_id" (``key``), confidences left out.

    Raises:
        EngineError: the file is missing, damaged, empty or has another number of joints.
    """
    content: Any = read_json(path, list)
    with reading(path):
        return {
            int(item[key]): points(item["keypoints"], f"the pose of {key} {item[key]}", joints, 2)
            for item in content
        }
