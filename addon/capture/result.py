"""From a finished take to characters in the scene."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from ...engine.body.model import BodyModel
from ...engine.errors import EngineError
from ...engine.protocol.take import Take
from ..bake.properties import bake_options
from ..scene.assemble import assemble


def build(scene: bpy.types.Scene, take_file: Path, footage: Path) -> tuple[str, ...]:
    """Make the take's characters, camera and footage in this scene, baked with its settings.

    Returns:
        the names of the characters' armatures.

    Raises:
        EngineError: the take or its body cannot be read, or they do not fit.
    """
    take = Take.open(take_file)
    body = BodyModel.load(take.body)
    with _working_in(scene):
        try:
            made = assemble(take, body, bake_options(scene.pose2mesh_bake), video=footage, scene=scene)
        except (ValueError, RuntimeError) as error:
            raise EngineError(
                f"The take {take_file} cannot be brought into Blender: {error}", "internal"
            ) from error
    return tuple(character.armature.name for character in made.characters)


@contextmanager
def _working_in(scene: bpy.types.Scene) -> Iterator[None]:
    """Operators act in this scene, in object mode, and the whole is one undo step.

    A timer has no window of its own; without one there is no undo either.
    """
    windows = [w for manager in bpy.data.window_managers for w in manager.windows]
    window = next((w for w in windows if w.scene == scene), windows[0] if windows else None)
    inside = {"scene": scene, "view_layer": scene.view_layers[0]}
    if window is not None:
        inside["window"] = window
        inside["view_layer"] = window.view_layer if window.scene == scene else scene.view_layers[0]
    with bpy.context.temp_override(**inside):
        if bpy.context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        yield
        if window is not None:
            bpy.ops.ed.undo_push(message="Pose2Mesh Capture")
