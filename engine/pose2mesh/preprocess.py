"""From detected joints in pixels to what the published network reads.

The network sees x and y standardised apart, over the joints of one person. The crop to 288 x 384 before it
cancels out but for rounding; it is here because the noise and camera of the published training and demo are
given in its pixels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..errors import EngineError

FloatArray = npt.NDArray[np.floating]

NETWORK_SIZE = (288, 384)  # width, height of the crop in pixels
CAMERA_SIZE = (500, 500)  # of the square crop in which the demo fits its camera
CAMERA_MARGIN = 1.25


def standardize(joints: FloatArray) -> FloatArray:
    """Joints (..., J, 2) with mean 0 and population standard deviation 1 over the joints, x and y apart.

    Raises:
        EngineError: all joints of a pose share one x or one y, or a coordinate is not finite.
    """
    joints = np.asarray(joints)
    if not np.issubdtype(joints.dtype, np.floating):
        joints = joints.astype(np.float64)
    spread = joints.std(axis=-2, keepdims=True)
    if not (np.isfinite(spread).all() and (spread > 0).all()):
        raise EngineError(
            "A pose has no extent or a missing joint: keep only frames with all joints detected."
        )
    normalised: FloatArray = (joints - joints.mean(axis=-2, keepdims=True)) / spread
    return normalised


def tight_box(joints: FloatArray) -> npt.NDArray[np.float32]:
    """The box x, y, width, height around joints (J, 2)."""
    low, high = np.min(joints, axis=0), np.max(joints, axis=0)
    return np.concatenate((low, high - low)).astype(np.float32)


def grown_box(box: FloatArray, aspect: float, margin: float = 1.0) -> npt.NDArray[np.float32]:
    """A box (x, y, w, h) grown about its centre to width / height = `aspect`, then by `margin`.

    As published, width and height lose a pixel first, so that they are distances between pixel centres.

    Raises:
        EngineError: the box is less than a pixel wide or high.
    """
    x, y, w, h = (float(value) for value in box)
    w, h = w - 1.0, h - 1.0
    if not (w >= 0.0 and h >= 0.0):
        raise EngineError("The person is smaller than a pixel: keep only frames with the person in view.")
    x, y = x + w / 2.0, y + h / 2.0
    w, h = max(w, h * aspect), max(h, w / aspect)
    w, h = w * margin, h * margin
    return np.asarray((x - w / 2.0, y - h / 2.0, w, h), dtype=np.float32)


def crop_transform(box: FloatArray, size: tuple[int, int], degrees: float = 0.0) -> npt.NDArray[np.float64]:
    """The (2, 3) similarity that carries a box's centre to the crop's and its width to the crop's width.

    Args:
        box: x, y, width, height.
        size: width and height of the crop in pixels.
        degrees: the box's rotation, clockwise on the screen.
    """
    x, y, w, h = (float(value) for value in box)
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = size[0] / w * turn
    offset = np.array(size) / 2.0 - linear @ np.array([x + w / 2.0, y + h / 2.0])
    return np.column_stack((linear, offset))


def transform_points(points: FloatArray, transform: FloatArray) -> npt.NDArray[np.float32]:
    """(..., 2) points through a (2, 3) affine map."""
    points = np.asarray(points, dtype=np.float64)  # whole numbers in, fractions out
    return (points @ transform[:, :2].T + transform[:, 2]).astype(np.float32)


def network_input(joints: FloatArray) -> npt.NDArray[np.float32]:
    """Joints (J, 2) of one person in pixels to the network's (J, 2), through the published crop.

    Unlike the published code it does not truncate joints that come as integers to whole pixels of the crop.
    """
    box = grown_box(tight_box(joints), NETWORK_SIZE[0] / NETWORK_SIZE[1])
    return standardize(transform_points(joints, crop_transform(box, NETWORK_SIZE))).astype(np.float32)


def mirror_2d(joints: FloatArray, width: float, pairs: Iterable[tuple[int, int]]) -> FloatArray:
    """Joints (J, 2) in the mirrored picture: x to width - 1 - x, sides swapped."""
    mirrored = _swapped(joints, pairs)
    mirrored[:, 0] = width - 1 - mirrored[:, 0]
    return mirrored


def mirror_3d(joints: FloatArray, pairs: Iterable[tuple[int, int]]) -> FloatArray:
    """Root-relative joints (J, 3) of the mirrored person: x to -x, sides swapped."""
    mirrored = _swapped(joints, pairs)
    mirrored[:, 0] = -mirrored[:, 0]
    return mirrored


def _swapped(joints: FloatArray, pairs: Iterable[tuple[int, int]]) -> FloatArray:
    order = np.arange(len(joints))
    for left, right in pairs:
        order[[left, right]] = right, left
    return np.asarray(joints)[order]


def rotate_3d(joints: FloatArray, degrees: float) -> FloatArray:
    """Joints (J, 3) turned in the picture plane as `crop_transform` turns the picture."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turned: FloatArray = np.asarray(joints) @ turn.T
    return turned
