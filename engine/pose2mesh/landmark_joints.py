"""The published networks' joints from MediaPipe's 33 landmarks, as one linear map per joint set.

`coco19` is exact: MediaPipe has COCO's 17 points, and the published code too takes midpoints for pelvis and
neck.
Of `human36m17`, hips, knees, ankles, shoulders, elbows and wrists are MediaPipe's; its points on the midline
are those of Human3.6M's skeleton and are put together from what there is, with S the middle of the shoulders,
P of the hips, E of the ears, Y of the eyes and N the nose:

    pelvis   P
    neck     S + (E - S) / 10            the base of the neck, a little above the shoulders' joints
    torso    halfway from pelvis to neck
    nose     S + 3/4 (N - S)             120 mm above the neck: the chin rather than the nose
    head     E + (Y - N)                 as far above the ears as the eyes are above the nose
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import EngineError
from .skeletons import JOINT_SETS, joint_set

FloatArray = npt.NDArray[np.float64]

SUPPORTED = ("coco19", "human36m17")
_LANDMARKS = JOINT_SETS["mediapipe33"].joints


def joints_from_landmarks(name: str) -> FloatArray:
    """The (J, 33) map from MediaPipe's landmarks to a joint set; rows sum to 1.

    Raises:
        EngineError: the landmarks do not determine the joints of that set.
    """
    if name not in SUPPORTED:
        raise EngineError(
            f"The network reads {name}, which a video's landmarks do not give: import a checkpoint for "
            f"{' or '.join(SUPPORTED)}."
        )
    middle = {part: (_landmark(f"left_{part}") + _landmark(f"right_{part}")) / 2 for part in _PAIRED}
    shoulders, hips, ears, nose = middle["shoulder"], middle["hip"], middle["ear"], _landmark("nose")
    made = {"pelvis": hips, "neck": shoulders}
    if name == "human36m17":
        made["neck"] = 0.9 * shoulders + 0.1 * ears
        made["torso"] = (made["pelvis"] + made["neck"]) / 2
        made["nose"] = 0.25 * shoulders + 0.75 * nose
        made["head"] = ears + middle["eye"] - nose
    return np.stack([made[joint] if joint in made else _landmark(joint) for joint in joint_set(name).joints])


_PAIRED = ("shoulder", "hip", "ear", "eye")


def _landmark(name: str) -> FloatArray:
    """The row that picks one landmark."""
    row = np.zeros(len(_LANDMARKS))
    row[_LANDMARKS.index(name)] = 1.0
    return row
