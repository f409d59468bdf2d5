"""A plain pose per joint set, as 2D joints: a person standing, the arms held off the body, or an open hand.

Something every trained network must turn into a sound mesh; imports are checked with it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .preprocess import standardize
from .skeletons import JointSet

# Metres in the picture plane, x to the picture's right, y down, pelvis at the origin; the person faces the
# camera, so the left side is on the right of the picture. Left and middle joints; the right side mirrors
# the left.
_STANDING = {
    "pelvis": (0.0, 0.0), "spine1": (0.0, -0.12), "torso": (0.0, -0.24), "spine2": (0.0, -0.25),
    "spine3": (0.0, -0.31), "neck": (0.0, -0.52), "nose": (0.0, -0.63), "head": (0.0, -0.72),
    "left_hip": (0.1, 0.02), "left_knee": (0.13, 0.44), "left_ankle": (0.15, 0.84), "left_foot": (0.17, 0.9),
    "left_heel": (0.15, 0.89), "left_foot_index": (0.18, 0.93), "left_collar": (0.07, -0.43),
    "left_shoulder": (0.18, -0.44), "left_elbow": (0.33, -0.22), "left_wrist": (0.45, 0.0),
    "left_hand": (0.49, 0.07), "left_pinky": (0.5, 0.09),
    "left_index": (0.48, 0.11),
    "left_thumb": (0.45, 0.08),
    "left_eye": (0.03, -0.67), "left_eye_inner": (0.02, -0.67), "left_eye_outer": (0.045, -0.67),
    "left_ear": (0.075, -0.65), "left_mouth": (0.025, -0.59), "wrist": (0.0, 0.0),
}  # fmt: skip
_FINGER_ANGLES = {
    "thumb": -50.0,
    "index": -14.0,
    "middle": 0.0,
    "ring": 12.0,
    "pinky": 26.0,
}  # degrees from up
_FINGER_REACH = {"thumb": (0.04, 0.07, 0.1, 0.12)}  # metres from the wrist; the other fingers:
_REACH = (0.09, 0.125, 0.15, 0.17)


def _position(joint: str) -> tuple[float, float]:
    if joint.startswith("right_"):
        x, y = _position("left_" + joint.removeprefix("right_"))
        return -x, y
    finger, rank = joint[:-1], joint[-1]
    if finger in _FINGER_ANGLES:
        angle = np.deg2rad(_FINGER_ANGLES[finger])
        reach = _FINGER_REACH.get(finger, _REACH)[int(rank) - 1]
        return reach * float(np.sin(angle)), -reach * float(np.cos(angle))
    return _STANDING[joint]


def reference_pose(joint_set: JointSet) -> npt.NDArray[np.float32]:
    """(J, 2) joints of a plain pose, standardised as the published network reads them."""
    return standardize(np.array([_position(joint) for joint in joint_set.joints])).astype(np.float32)
