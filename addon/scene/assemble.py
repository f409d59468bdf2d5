"""A take as a whole scene: characters that move, the camera that filmed them, the footage behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from ...engine.body.model import BodyModel
from ...engine.protocol.take import Take
from .. import timing
from ..bake.bake import BakeOptions, BakeReport, Shape, bake, check
from ..rig import character as characters
from . import camera, footage


@dataclass(frozen=True)
class Assembled:
    """What a take became.

    Attributes:
        characters: in the order of the take's people.
        reports: what each one's bake gave.
        camera: the scene's camera.
        warnings: sentences for the user about what had to be left out.
    """

    characters: list[characters.Character]
    reports: list[BakeReport]
    camera: bpy.types.Object
    warnings: list[str]


def assemble(
    take: Take,
    body: BodyModel,
    options: BakeOptions,
    *,
    video: Path | None = None,
    scene: bpy.types.Scene | None = None,
    progress: Callable[[], object] | None = None,
    shapes: Sequence[Shape] | None = None,
) -> Assembled:
    """Build everything a take holds into a scene, in a new collection named after the take.

    Args:
        take: an open take.
        body: the body it was made with.
        options: how to bake.
        video: the footage; without it, or when Blender cannot read it, the camera shows nothing behind.
        scene: the current one by default. Its frame rate, range, size and camera become the take's.
        progress: called now and then; may raise to cancel.
        shapes: what `bake.prepare` made of each person; made here otherwise.

    Raises:
        ValueError: the take does not fit the body; nothing was made.
    """
    check(take, body)
    scene = scene or bpy.context.scene
    collection = bpy.data.collections.new(take.path.stem)
    scene.collection.children.link(collection)
    warnings = set_time(scene, take, bool(characters.all_in(scene)))

    people, reports = [], []
    for person in range(take.people):
        name = f"person_{int(take.person_id[person])}"
        character = characters.build(body, take.betas[person], name, collection, tint=person)
        reports.append(
            bake(character, take, body, person, options, progress, shapes[person] if shapes else None)
        )
        people.append(character)

    eye = bpy.data.objects.new("footage_camera", bpy.data.cameras.new("footage_camera"))
    collection.objects.link(eye)
    scene.camera = eye
    warnings += look_through(eye, scene, take, video)
    if not any(obj.type == "LIGHT" for obj in scene.objects):
        collection.objects.link(_sun(eye))
    scene.frame_set(scene.frame_start)
    return Assembled(people, reports, eye, warnings)


def set_time(scene: bpy.types.Scene, take: Take, shared: bool = False) -> list[str]:
    """Frame rate, range and units of the scene: metres, one scene frame per video frame.

    Args:
        shared: the scene holds characters of other takes, which shall not be cut off.

    Returns:
        what to warn of.
    """
    before = scene.render.fps / scene.render.fps_base
    scene.render.fps, scene.render.fps_base = timing.rate(take.fps)
    now = scene.render.fps / scene.render.fps_base
    frames = timing.scene_frames(take.frame_time, take.frame_index, take.fps)
    last = int(np.ceil(frames[-1] - 1e-3))
    scene.frame_end = max(last, scene.frame_end) if shared else last
    scene.frame_start = timing.FIRST_FRAME
    scene.unit_settings.system = "METRIC"
    scene.unit_settings.scale_length = 1.0
    if shared and abs(now - before) > 0.01:
        return [
            f"The scene plays at {now:g} frames/s now, no longer at {before:g}: what was there before moves "
            "faster or slower. Open takes of different rates in scenes of their own."
        ]
    return []


def look_through(eye: bpy.types.Object, scene: bpy.types.Scene, take: Take, video: Path | None) -> list[str]:
    """Match a camera to the take and put the footage behind it; returns warnings about the footage."""
    # Without the footage its size is read off the principal point, which the engine puts in the middle.
    size = taken = (round(2 * float(take.camera_matrix[0, 2])), round(2 * float(take.camera_matrix[1, 2])))
    warnings = []
    if video is not None:
        try:
            clip = footage.load(video, int(take.frame_index[0]), timing.FIRST_FRAME)
        except RuntimeError:
            warnings.append(f"Blender cannot read {video}, so the camera shows no footage.")
        else:
            turn = footage.rotation(video)
            size = footage.upright_size(clip, turn, taken)
            footage.put_behind(eye, clip, turn, taken)
    camera.match(eye, scene, take.camera_matrix, take.world_from_camera, size)
    return warnings


def show_camera_views() -> None:
    """Turn every 3D view of every workspace to the scene's camera."""
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                for space in area.spaces:
                    if space.type == "VIEW_3D" and space.region_3d is not None:
                        space.region_3d.view_perspective = "CAMERA"


def _sun(eye: bpy.types.Object) -> bpy.types.Object:
    """A soft light from over the camera's shoulder: the side that was filmed is the side that is lit."""
    light = bpy.data.lights.new("key_light", "SUN")
    light.energy = 3.0
    light.angle = 0.3
    sun = bpy.data.objects.new("key_light", light)
    along = eye.matrix_world.to_3x3() @ Vector((0.5, 0.0, -1.0))
    sun.rotation_euler = Vector((along.x, along.y, -0.8)).to_track_quat("-Z", "Y").to_euler()
    sun.location = eye.matrix_world.translation + Vector((0.0, 0.0, 2.0))
    return sun
