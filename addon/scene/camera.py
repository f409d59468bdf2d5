"""A Blender camera that sees what the filming camera saw."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

_SENSOR_WIDTH = 36.0
# The take's camera looks along +z with y down, Blender's along -z with y up.
_TO_BLENDER = np.diag([1.0, -1.0, -1.0, 1.0])


def match(
    camera: bpy.types.Object,
    scene: bpy.types.Scene,
    camera_matrix: NDArray[np.floating],
    world_from_camera: NDArray[np.floating],
    size: tuple[int, int],
) -> None:
    """Give a camera the footage's focal length, principal point and place, and the scene the footage's size.

    Args:
        camera: an object with camera data.
        scene: whose render size is set.
        camera_matrix: (3,3) pixels, (0,0) the upper left corner of the picture.
        world_from_camera: (4,4) metres.
        size: width and height of the upright picture in pixels.
    """
    width, height = size
    fx, fy = float(camera_matrix[0, 0]), float(camera_matrix[1, 1])
    cx, cy = float(camera_matrix[0, 2]), float(camera_matrix[1, 2])
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    # Pixels need not be square; Blender wants both aspects at 1 or above.
    render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, fy / fx), max(1.0, fx / fy)

    lens = camera.data
    lens.type = "PERSP"
    lens.sensor_fit = "HORIZONTAL"
    lens.sensor_width = _SENSOR_WIDTH
    lens.lens_unit = "MILLIMETERS"
    lens.lens = fx * _SENSOR_WIDTH / width
    # Shifts are in units of the picture's width, also the vertical one.
    lens.shift_x = (width / 2 - cx) / width
    lens.shift_y = (cy - height / 2) / width * (fx / fy)
    camera.matrix_world = Matrix((world_from_camera @ _TO_BLENDER).tolist())
