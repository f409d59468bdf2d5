"""The one running capture of this Blender: it owns the job, so file loading and closed panels do no harm.

A persistent timer drives it; tests call `tick` by hand. Operators and panels only read what is here.
"""

from __future__ import annotations

import atexit
import traceback
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ...engine.body.model import BodyModel
from ...engine.errors import EngineError
from .. import paths
from ..bake.properties import bake_options
from ..preferences.interpreter import Interpreter
from . import busy, preview
from .footage import Footage
from .job import CaptureJob, State
from .request import make_request
from .result import Builder, Built

_TICK = 0.05  # s
_LOGS_KEPT = 10


class Session:
    """One capture from click to character.

    Attributes:
        job: what the engine does.
        footage: what is captured: the video, or a sequence's first image.
        builder: makes the characters, once the engine is done.
        built: the characters, at the end.
        unused: why a finished take is not in the scene, None when it is.
        error: one sentence when Blender's own part failed; the job has the engine's.
        has_preview: the live preview may still be in the scene; it leaves once nothing is spoilt by that.
    """

    def __init__(self, job: CaptureJob, footage: Path, scene: bpy.types.Scene, live: preview.Preview | None):
        self.job = job
        self.footage = footage
        self.builder: Builder | None = None
        self.built: Built | None = None
        self.unused: str | None = None
        self.error: str | None = None
        self.has_preview = True
        self._scene_uid = scene.session_uid
        self._preview = live

    @property
    def is_running(self) -> bool:
        return not self.job.is_over or self.builder is not None

    @property
    def waits(self) -> bool:
        """The character could be built now, were the user not in the middle of something."""
        return self.builder is not None and self.builder.is_ready and busy.is_busy()

    @property
    def failure(self) -> str | None:
        """The one sentence to show, None when nothing went wrong."""
        return self.error or self.job.error

    @property
    def warnings(self) -> list[str]:
        """What the user should know, oldest first."""
        return self.job.warnings + (self.built.warnings if self.built is not None else [])

    @property
    def quality(self) -> dict[str, Any]:
        """Figures of the result."""
        return dict(self.job.result.quality) if self.job.result is not None else {}

    @property
    def take(self) -> Path | None:
        """The finished take on disk."""
        return Path(self.job.result.take) if self.job.result is not None else None

    def advance(self) -> None:
        """Do what can be done now without waiting."""
        try:
            if not self.job.is_over:
                self._capture()
            if self.job.is_over and not busy.is_busy():
                self._change_scene()
        except EngineError as error:
            self.error = error.text
        except Exception as error:  # a timer that raises is dropped in silence, and the engine would run on
            traceback.print_exc()
            self.close()
            what = f"{type(error).__name__}: {error}"
            self.error = f"The add-on failed ({what}); please report it with the console's text."

    def cancel(self) -> None:
        """Stop; over within a second. A take that is finished already stays on disk."""
        self.job.cancel()
        if self.builder is not None:
            self.builder.stop()
            self.builder, self.unused = None, "The take is finished, but it was not built."

    def close(self) -> None:
        """End the engine and the builder now."""
        self.job.close()
        if self.builder is not None:
            self.builder.stop()
            self.builder = None

    def _capture(self) -> None:
        if self.job.step():
            latest = self.job.take_vertices()
            shown = self.job.state is State.RUNNING and not busy.is_rendering()
            if self._preview is not None and latest and shown:
                self._preview.show({person: message.vertices for person, message in latest.items()})
        elif self.take is not None and (scene := self._scene()) is not None:
            self.builder = Builder(self.take, bake_options(scene.pose2mesh_bake))

    def _change_scene(self) -> None:
        if self.has_preview:
            self.has_preview = False
            preview.remove_all()
        if self.builder is not None and self.builder.is_ready:
            self._build(self.builder)

    def _build(self, builder: Builder) -> None:
        self.builder = None
        if (scene := self._scene()) is not None:
            self.built = builder.finish(scene, self.footage)

    def _scene(self) -> bpy.types.Scene | None:
        """The scene the capture was started in; None, and noted, when it is gone."""
        found = next((scene for scene in bpy.data.scenes if scene.session_uid == self._scene_uid), None)
        if found is None:
            self.unused = "The take is finished, but its scene was closed."
        return found


_current: Session | None = None


def current() -> Session | None:
    """The running or latest session of this Blender."""
    return _current


def is_running() -> bool:
    return _current is not None and _current.is_running


def engine_command(interpreter: Interpreter) -> list[str]:
    """How the engine's child process is started."""
    return [str(interpreter.path), "-m", "engine", "serve"]


@cache
def load_body(name: str) -> BodyModel:
    """The body whose polygons the preview shows."""
    return BodyModel.load(name)


def start(scene: bpy.types.Scene, footage: Footage, interpreter: Interpreter, device: str) -> Session:
    """Start capturing this footage with the scene's settings.

    Raises:
        EngineError: one is running already, or this one cannot be started.
    """
    global _current
    if is_running():
        raise EngineError("A capture is running; cancel it or wait for it.")
    settings = scene.pose2mesh_capture
    request = make_request(footage, settings, device)
    live = preview.Preview(load_body(request.body), scene.session_uid) if settings.use_preview else None
    job = CaptureJob(engine_command(interpreter), paths.ROOT, _new_log(), request, footage.frames())
    _current = Session(job, footage.path, scene, live)
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=_TICK, persistent=True)
    return _current


def tick() -> float | None:
    """Advance the session; seconds until the next tick, None when there is nothing left to do."""
    if _current is None:
        return None
    _current.advance()
    _redraw()
    return _TICK if _current.is_running or _current.has_preview else None


def cancel() -> None:
    """Stop the running capture."""
    if _current is not None:
        _current.cancel()


def shutdown() -> None:
    """End everything at once: Blender quits or the add-on goes."""
    global _current
    if _current is not None:
        _current.close()
        _current = None
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def register() -> None:
    bpy.app.handlers.load_post.append(_sweep)
    bpy.app.handlers.undo_post.append(_sweep)
    bpy.app.handlers.redo_post.append(_sweep)
    atexit.register(shutdown)


def unregister() -> None:
    atexit.unregister(shutdown)
    shutdown()
    bpy.app.handlers.redo_post.remove(_sweep)
    bpy.app.handlers.undo_post.remove(_sweep)
    bpy.app.handlers.load_post.remove(_sweep)
    preview.remove_all()


@persistent
def _sweep(*_: object) -> None:
    """A saved file, an undo or a redo may bring back a preview whose capture is over."""
    if _current is None or _current.job.is_over:
        preview.remove_all()


def _new_log() -> Path:
    """A fresh log file; only the latest few are kept."""
    try:
        folder = paths.user_folder("logs")
    except OSError as error:
        raise EngineError(
            f"The add-on's folder {error.filename} cannot be made ({error.strerror}); allow writing there.",
            "disk",
        ) from error
    for old in sorted(folder.glob("capture-*.log"))[: -_LOGS_KEPT + 1]:
        with suppress(OSError):  # another Blender may still write to it
            old.unlink()
    now = datetime.now()
    return folder / f"capture-{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}.log"


def _redraw() -> None:
    for manager in bpy.data.window_managers:
        for window in manager.windows:
            for area in window.screen.areas:
                if area.type == "VIEW_3D":
                    for region in area.regions:
                        if region.type == "UI":
                            region.tag_redraw()
