"""A finished take becomes characters: the numbers in a thread, then Blender data in one short step."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ...engine.body.model import BodyModel
from ...engine.errors import EngineError
from ...engine.protocol.take import Take
from ..bake.bake import BakeOptions, Shape, prepare
from ..scene.assemble import assemble, show_camera_views


class _Stopped(Exception):
    """The user gave up."""


@dataclass
class Built:
    """What came of it: the names of the characters' armatures, and sentences for the user."""

    names: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)


class Builder:
    """Builds a take's characters without holding Blender up: poll `is_ready`, then `finish` from a timer.

    Args:
        take_file: the take.
        options: how to bake.
    """

    def __init__(self, take_file: Path, options: BakeOptions) -> None:
        self._file, self._options = take_file, options
        self._take: Take | None = None
        self._body: BodyModel | None = None
        self._shapes: list[Shape] = []
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="pose2mesh builder", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Give up; returns once the thread has ended."""
        self._stop.set()
        self._thread.join(5.0)

    def finish(self, scene: bpy.types.Scene, footage: Path) -> Built:
        """Make the characters, the camera and the footage in this scene, and show them.

        They are selected, unless the user works in a mode of its own, edit mode for instance: that goes on.

        Raises:
            EngineError: the take or its body cannot be read, or they do not fit.
        """
        if isinstance(self._error, EngineError):
            raise self._error
        if self._error is not None:
            raise EngineError(
                f"The take {self._file} cannot be brought into Blender: {self._error}", "internal"
            ) from self._error
        assert self._take is not None and self._body is not None
        with _working_in(scene):
            made = assemble(
                self._take, self._body, self._options, video=footage, scene=scene, shapes=self._shapes
            )
            armatures = [character.armature for character in made.characters]
            _select(bpy.context.view_layer, armatures, armatures[0])
        show_camera_views()
        return Built(tuple(armature.name for armature in armatures), list(made.warnings))

    def _work(self) -> None:
        try:
            self._take = Take.open(self._file)
            self._body = BodyModel.load(self._take.body)
            for person in range(self._take.people):
                self._shapes.append(prepare(self._take, self._body, person, self._options, self._check))
        except Exception as error:
            self._error = error

    def _check(self) -> None:
        if self._stop.is_set():
            raise _Stopped


@contextmanager
def _working_in(scene: bpy.types.Scene) -> Iterator[None]:
    """Operators act in this scene, in object mode, and the whole is one undo step.

    A timer has no window of its own, and operators crash 4.2 in a scene that no window shows: so one shows it
    for the moment.
    """
    windows = [window for manager in bpy.data.window_managers for window in manager.windows]
    window = next((window for window in windows if window.scene == scene), windows[0])
    shown, window.scene = window.scene, scene
    try:
        layer = window.view_layer
        with bpy.context.temp_override(window=window, scene=scene, view_layer=layer), _object_mode(layer):
            yield
            if not bpy.app.background:
                bpy.ops.ed.undo_push(message="Pose2Mesh Capture")
    finally:
        if window.scene != shown:
            window.scene = shown


@contextmanager
def _object_mode(layer: bpy.types.ViewLayer) -> Iterator[None]:
    """Leave the mode the user is in, and come back to it, with what was active and selected in it."""
    active = layer.objects.active
    mode = active.mode if active is not None else "OBJECT"
    if mode == "OBJECT":
        yield
        return
    selected = [obj for obj in layer.objects if obj.select_get(view_layer=layer)]
    inside = [obj for obj in layer.objects if obj.mode == mode]
    bpy.ops.object.mode_set(mode="OBJECT")
    try:
        yield
    finally:
        _select(layer, inside, active)  # a mode is entered by the active object and the selected ones
        with suppress(RuntimeError):  # then they stay in object mode
            bpy.ops.object.mode_set(mode=mode)
        _select(layer, selected, active)


def _select(layer: bpy.types.ViewLayer, chosen: Sequence[bpy.types.Object], active: bpy.types.Object) -> None:
    for obj in layer.objects:
        obj.select_set(obj in chosen, view_layer=layer)
    layer.objects.active = active
