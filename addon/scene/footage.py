"""The video as a movie clip behind the camera, upright and in step with the motion."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO

import bpy

_CONTAINERS = (b"moov", b"trak")


def load(path: Path, first_index: int, first_frame: int) -> bpy.types.MovieClip:
    """Open a video (or the first picture of a sequence) so that video frame `first_index` plays at
    `first_frame`.

    A clip that plays it so already is used again; others, the user's or another take's, stay as they are.

    Raises:
        RuntimeError: Blender cannot read the file.
    """
    start = first_frame - first_index
    for known in bpy.data.movieclips:
        file = Path(bpy.path.abspath(known.filepath, library=known.library))
        in_step = known.frame_start == start and known.frame_offset == 0
        if file == path and in_step and known.frame_duration > 0:
            return known
    clip = bpy.data.movieclips.load(str(path), check_existing=False)
    if clip.frame_duration < 1:  # loading alone succeeds with any file
        bpy.data.movieclips.remove(clip)
        raise RuntimeError(f"{path} holds no pictures that Blender can read")
    clip.frame_start = start
    return clip


def upright_size(clip: bpy.types.MovieClip, turn: int, taken: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the picture as it is displayed, whether or not this Blender turned it.

    Args:
        clip: a loaded clip.
        turn: from `rotation`.
        taken: about the size the take was made at, to tell the two cases apart.
    """
    width, height = (int(value) for value in clip.size)
    return (height, width) if _still_to_turn(clip, turn, taken) in (90, 270) else (width, height)


def put_behind(
    camera: bpy.types.Object, clip: bpy.types.MovieClip, turn: int, taken: tuple[int, int]
) -> None:
    """Show the clip behind the scene in this camera's view, replacing whatever was there.

    Args:
        camera: an object with camera data.
        clip: a loaded clip.
        turn: degrees clockwise from `rotation`; Blender before 4.5 leaves turning to us.
        taken: about the size the take was made at.
    """
    lens = camera.data
    lens.background_images.clear()
    lens.show_background_images = True
    image = lens.background_images.new()
    image.source = "MOVIE_CLIP"
    image.clip = clip
    image.alpha = 1.0
    image.display_depth = "BACK"
    image.frame_method = "STRETCH"
    left = _still_to_turn(clip, turn, taken)
    if left:
        width, height = clip.size
        image.rotation = math.radians(left)
        if left != 180:  # fitted lying down, it has to grow to fill the frame standing up
            image.frame_method = "FIT"
            image.scale = max(width, height) / min(width, height)


def rotation(path: Path) -> int:
    """How many degrees clockwise (0, 90, 180, 270) an MP4 or MOV asks to be turned for display; 0 for other
    files.

    Read from the first track header that turns the picture (ISO/IEC 14496-12, `tkhd`).
    """
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            return _rotation(file, 0, file.tell())
    except (OSError, struct.error):
        return 0


def _rotation(file: BinaryIO, start: int, end: int) -> int:
    place = start
    while place + 8 <= end:
        file.seek(place)
        size, kind = struct.unpack(">I4s", file.read(8))
        body = place + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            body += 8
        stop = end if size == 0 else place + size
        if stop < body or stop > end:
            return 0
        if kind in _CONTAINERS:
            found = _rotation(file, body, stop)
            if found:
                return found
        elif kind == b"tkhd":
            file.seek(body)
            version = file.read(1)[0]
            file.seek(body + (52 if version == 1 else 40))
            a, b = struct.unpack(">ii", file.read(8))
            return round(math.degrees(math.atan2(b, a)) / 90) * 90 % 360
        place = stop
    return 0


def _still_to_turn(clip: bpy.types.MovieClip, turn: int, taken: tuple[int, int]) -> int:
    if turn in (90, 270):
        width, height = clip.size
        lying = (width > height) != (taken[0] > taken[1]) and width != height
        return turn if lying else 0
    return turn if bpy.app.version < (4, 5, 0) else 0
