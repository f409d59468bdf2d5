"""From where a person is seen, frame by frame, and the classes that the tables have rows for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pose2mesh.observation import unrolled
from ..train.evaluate import Sight

Floats = NDArray[np.float64]

SIDES = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")
"""The side of the body that the camera sees, 45° each; its own left and right."""
DOUBTED = 0.5
"""Confidence below which a detected point counts as hidden, as in a capture."""


@dataclass(frozen=True)
class View:
    """How F frames are seen; angles in degrees.

    Attributes:
        azimuth: around the body, 0 = the camera sees its front, 90 = its left side.
        elevation: of the camera above the person's horizon.
        roll: of the picture against gravity.
        tilt: of the body's trunk in the picture, 0 = upright, 180 = head down.
        distance: metres.
        doubted: (F,33) bool, the detected points that count as hidden.
    """

    azimuth: Floats
    elevation: Floats
    roll: Floats
    tilt: Floats
    distance: Floats
    doubted: NDArray[np.bool_]

    @property
    def hidden(self) -> Floats:
        """(F,) how many of the 22 points below the head are doubted."""
        return np.asarray(self.doubted[:, 11:].sum(axis=1), np.float64)


def view_of(sight: Sight, root: NDArray[np.float32]) -> View:
    """The view of every frame.

    Args:
        sight: F frames; root: (F,3,3) the pelvis in the y-up world.
    """
    rotation = unrolled(sight.pairs.observation.rotation)
    to_virtual = rotation.numpy().transpose(0, 2, 1) @ sight.camera.numpy()
    pelvis = to_virtual @ root  # columns: the body's left, up and front in virtual camera axes
    towards = -pelvis[:, 2]  # the camera's direction in body axes
    up = to_virtual[:, :, 1]
    trunk = pelvis[:, :, 1]
    return View(
        azimuth=_degrees(np.arctan2(towards[:, 0], towards[:, 2])),
        elevation=_degrees(np.arcsin(np.clip(-up[:, 2], -1, 1))),
        roll=_degrees(np.arctan2(up[:, 0], -up[:, 1])),
        tilt=_degrees(np.arctan2(trunk[:, 0], -trunk[:, 1])),
        distance=np.full(len(root), sight.distance),
        doubted=sight.pairs.observation.points[..., 2].numpy() < DOUBTED,
    )


def side(azimuth: Floats) -> NDArray[np.int64]:
    """Index into `SIDES`."""
    return np.floor((azimuth + 22.5) / 45).astype(np.int64) % 8


def classes(view: View) -> dict[str, tuple[list[str], NDArray[np.int64]]]:
    """For every table its rows, and for every frame the row it belongs to."""
    return {
        "side of the body seen": (list(SIDES), side(view.azimuth)),
        "camera height": _cut(
            view.elevation,
            (-10, 10, 30),
            ("from below (under -10°)", "level (to 10°)", "from above (to 30°)", "steeply from above"),
        ),
        "camera roll": _cut(np.abs(view.roll), (10, 30, 60), ("under 10°", "10-30°", "30-60°", "over 60°")),
        "trunk in the picture": _cut(
            np.abs(view.tilt),
            (30, 60, 120),
            ("upright (under 30°)", "leaning (30-60°)", "lying (60-120°)", "head down"),
        ),
        "distance": _cut(view.distance, (2.5, 4, 7), ("under 2.5 m", "2.5-4 m", "4-7 m", "over 7 m")),
    }


def hidden_classes(view: View) -> tuple[list[str], NDArray[np.int64]]:
    """Rows by the number of hidden points, of 22."""
    return _cut(view.hidden, (0.5, 5.5, 10.5), ("none", "1-5", "6-10", "11 or more"))


def _cut(
    values: Floats, limits: tuple[float, ...], names: tuple[str, ...]
) -> tuple[list[str], NDArray[np.int64]]:
    return list(names), np.searchsorted(np.asarray(limits), values, side="right")


def _degrees(radians: NDArray[np.floating]) -> Floats:
    return np.asarray(np.rad2deg(radians), np.float64)
