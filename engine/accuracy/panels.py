"""One bad moment as a picture: the 2D input, and truth and prediction from the camera and from the side."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..pose2mesh.observation import EXTENT_UNIT, POINT_UNIT
from ..pose2mesh.skeletons import joint_set
from ..preview.overlay import draw_mesh

Floats = NDArray[np.floating]
Image = NDArray[np.uint8]

WIDTH, HEIGHT, HEADER = 800, 360, 46
TRUTH = (120, 160, 225)
PREDICTION = (250, 130, 40)
CAPTIONS = ("input (rings: left side)", "camera: truth blue, ours orange", "from the side, camera at left")
_INK = (40, 40, 40)
_SIDE = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""Camera axes → axes of a viewer on the camera's left, who has the camera on the left: depth runs right."""


@dataclass(frozen=True)
class Scene:
    """What a panel shows; virtual camera axes, metres.

    Attributes:
        points: (33,3) x, y in `POINT_UNIT` and confidence: the network's input.
        extent: of the person, as in `Observation`.
        truth, predicted: (V,3) vertices, pelvis joints at the origin.
        triangles: (T,3) of the vertices.
        pelvis: (3,) where the true pelvis is in front of the camera.
        title, note: two lines of text, plain ASCII.
    """

    points: Floats
    extent: float
    truth: Floats
    predicted: Floats
    triangles: NDArray[np.integer]
    pelvis: Floats
    title: str
    note: str


def panel(scene: Scene) -> Image:
    """(HEIGHT, WIDTH, 3) uint8 RGB."""
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    size = (HEIGHT - HEADER - 4, WIDTH // 3)
    true, predicted = scene.truth + scene.pelvis, scene.predicted + scene.pelvis
    plane = scene.points[:, :2] * POINT_UNIT * scene.extent * EXTENT_UNIT
    outline = true[:, :2] / true[:, 2:]
    camera = _framing(np.concatenate([plane, outline, predicted[:, :2] / predicted[:, 2:]]), size)
    turned = [vertices @ _SIDE.T + [0, 0, 8.0] for vertices in (scene.truth, scene.predicted)]
    beside = _framing(np.concatenate([v[:, :2] / v[:, 2:] for v in turned]), size)
    views = [
        _input(scene.points, plane, camera, size),
        _meshes(true, predicted, scene.triangles, camera, size),
        _meshes(turned[0], turned[1], scene.triangles, beside, size),
    ]
    for column, (view, name) in enumerate(zip(views, CAPTIONS, strict=True)):
        left = column * (WIDTH // 3)
        _text(view, name, (6, size[0] - 8), 0.42, (130, 130, 130))
        picture[HEADER : HEADER + size[0], left : left + size[1]] = view
    _text(picture, scene.title, (8, 18), 0.5, _INK)
    _text(picture, scene.note, (8, 38), 0.42, (90, 90, 90))
    picture[-1:], picture[:, -1:] = 200, 200
    return picture


def sheet(panels: list[Image], columns: int = 2) -> Image:
    """Panels of one size in rows; what is left over stays white."""
    rows = -(-len(panels) // columns)
    height, width = panels[0].shape[:2]
    picture = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for number, one in enumerate(panels):
        top, left = number // columns * height, number % columns * width
        picture[top : top + height, left : left + width] = one
    return picture


def _framing(plane: Floats, size: tuple[int, int]) -> Floats:
    """A camera matrix that fits points (N,2) at unit focal length into (height, width), but for strays."""
    low, high = np.percentile(plane, (0.5, 99.5), axis=0)
    span = np.maximum(high - low, 1e-3) * 1.15
    focal = min(size[1] / span[0], size[0] / span[1])
    middle = (low + high) / 2
    return np.array(
        [[focal, 0, size[1] / 2 - focal * middle[0]], [0, focal, size[0] / 2 - focal * middle[1]], [0, 0, 1]],
        np.float32,
    )


def _input(points: Floats, plane: Floats, camera: Floats, size: tuple[int, int]) -> Image:
    """The detections as a stick figure, green where sure, red where doubted."""
    view = np.full((*size, 3), 255, np.uint8)
    pixels = np.clip(plane * camera[0, 0] + camera[:2, 2], -1000, 2000)
    confidence = np.clip((points[:, 2] - 0.3) / 0.6, 0, 1)

    def colour(sure: float) -> tuple[int, int, int]:
        return int(220 * (1 - sure)), int(150 * sure), 40

    for a, b in joint_set("mediapipe33").edges:
        ends = [(int(pixels[i, 0]), int(pixels[i, 1])) for i in (a, b)]
        cv2.line(view, ends[0], ends[1], colour(float(min(confidence[a], confidence[b]))), 2, cv2.LINE_AA)
    for i in range(11, 33):
        centre = (int(pixels[i, 0]), int(pixels[i, 1]))
        cv2.circle(view, centre, 3, colour(float(confidence[i])), -1, cv2.LINE_AA)
    for i in (11, 13, 15, 23, 25, 27):  # a ring around the left side's joints tells left from right
        cv2.circle(view, (int(pixels[i, 0]), int(pixels[i, 1])), 6, (60, 60, 200), 1, cv2.LINE_AA)
    return view


def _meshes(
    truth: Floats, predicted: Floats, triangles: NDArray[np.integer], camera: Floats, size: tuple[int, int]
) -> Image:
    view = np.full((*size, 3), 255, np.uint8)
    faces = np.asarray(triangles, np.int32)
    view = draw_mesh(view, np.asarray(truth, np.float32), faces, camera.astype(np.float32), TRUTH, 1.0)
    return draw_mesh(
        view, np.asarray(predicted, np.float32), faces, camera.astype(np.float32), PREDICTION, 0.55
    )


def _text(
    picture: Image, text: str, place: tuple[int, int], scale: float, colour: tuple[int, int, int]
) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
