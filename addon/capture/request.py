"""From the panel's settings to the message that starts a capture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import bpy

from ...engine.errors import EngineError
from ...engine.protocol.messages import Capture
from .. import paths
from . import footage
from .footage import Footage


def chosen_footage(scene: bpy.types.Scene) -> Footage:
    """What the panel's source settings name. Raises `EngineError` when that is nothing."""
    settings = scene.pose2mesh_capture
    fps = scene.render.fps / scene.render.fps_base
    if settings.source == "CLIP":
        chosen = footage.from_clip(settings.clip, fps)
    elif settings.source == "STRIP":
        chosen = footage.from_strip(scene, fps)
    else:
        chosen = footage.from_file(settings.filepath, fps)
    if settings.use_range:  # artists count from 1
        chosen = chosen.trimmed(settings.first_frame - 1, settings.last_frame - 1)
    return chosen


def make_request(chosen: Footage, settings: Any, device: str) -> Capture:
    """The capture message. The take's name is new every time: no capture ever replaces another.

    Raises:
        EngineError: the take's folder cannot be made.
    """
    return Capture(
        source=chosen.source,
        out=str(_new_take(settings.take_folder, chosen.name)),
        people=settings.people,
        device=device,
        smoothing=settings.smoothing,
        first_frame=chosen.first_frame,
        last_frame=chosen.last_frame,
        network=settings.network,
        height=settings.height if settings.use_height else None,
    )


def _new_take(folder: str, name: str) -> Path:
    try:
        base = paths.take_folder(folder)
    except OSError as error:
        raise EngineError(
            f"The folder for takes {folder or error.filename} cannot be made ({error.strerror}); "
            "choose another.",
            "disk",
        ) from error
    stem = f"{bpy.path.clean_name(name)}-{time.strftime('%Y%m%d-%H%M%S')}"
    take, number = base / f"{stem}.npz", 2
    while take.exists():
        take, number = base / f"{stem}-{number}.npz", number + 1
    return take
