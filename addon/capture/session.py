"""The one running capture of this Blender: it owns the job, so file loading and closed panels do no harm.

A persistent timer drives it; tests call `tick` by hand. Operators and panels only read what is here.
"""

from __future__ import annotations

import atexit
import traceback
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ...engine.body.model import BodyModel
from ...engine.errors import EngineError
from .. import paths
from ..preferences.interpreter import Interpreter
from . import preview, result
from .footage import Footage
from .job import CaptureJob, State
from .request import make_request

_TICK = 0.05  # s
_LOGS_KEPT = 10


@dataclass
class Session:
    """One capture from click to character.

    Attributes:
        job: what the engine does.
        footage: what is captured: the video, or a sequence's first image.
        scene_uid: `session_uid` of the scene it was started in.
        building: the engine is done, the characters are next.
        error: one sentence when Blender's own part failed; the job has the engine's.
        built: names of the characters made from the result.
        waiting: the take is there, but its scene is not any more.
        quality: figures of the result.
    """

    job: CaptureJob
    footage: Path
    scene_uid: int
    preview: preview.Preview | None
    building: bool = False
    error: str | None = None
    built: tuple[str, ...] = ()
    waiting: bool = False
    quality: dict[str, Any] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        return self.building or not self.job.is_over

    @property
    def failure(self) -> str | None:
        """The one sentence to show, None when nothing went wrong."""
        return self.error or self.job.error

    @property
    def take(self) -> Path | None:
        """The finished take on disk."""
        return Path(self.job.result.take) if self.job.result is not None else None


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
    _current = Session(job, footage.path, scene.session_uid, live)
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=_TICK, persistent=True)
    return _current


def tick() -> float | None:
    """Advance the session; seconds until the next tick, None when there is nothing left to do."""
    session = _current
    if session is None:
        return None
    try:
        running = _advance(session)
    except Exception as error:  # a timer that raises is dropped in silence, and the engine would run on
        traceback.print_exc()
        session.job.close()
        session.building = False
        session.error = (
            f"The add-on failed ({type(error).__name__}: {error}); please report it with the console's text."
        )
        running = False
    _redraw()
    return _TICK if running else None


def cancel() -> None:
    """Stop the running capture; it is over within a second."""
    if _current is not None:
        _current.job.cancel()


def _advance(session: Session) -> bool:
    """One step; False when all is done."""
    if session.building:
        session.building = False
        _build(session)
        return False
    if session.job.step():
        _show(session)
        return True
    preview.remove_all()
    # In a tick of its own: building takes a moment, and the panel should say so first.
    session.building = session.job.result is not None
    return session.building


def shutdown() -> None:
    """End the engine at once: Blender quits or the add-on goes."""
    global _current
    if _current is not None:
        _current.job.close()
        _current = None
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def register() -> None:
    bpy.app.handlers.load_post.append(_sweep)
    bpy.app.handlers.undo_post.append(_sweep)
    atexit.register(shutdown)


def unregister() -> None:
    atexit.unregister(shutdown)
    shutdown()
    bpy.app.handlers.undo_post.remove(_sweep)
    bpy.app.handlers.load_post.remove(_sweep)
    preview.remove_all()


@persistent
def _sweep(*_: object) -> None:
    """A saved file or an undo step may bring back a preview whose capture is over."""
    if not is_running():
        preview.remove_all()


def _show(session: Session) -> None:
    latest = session.job.take_vertices()
    if session.preview is not None and latest and session.job.state is State.RUNNING:
        session.preview.show({person: message.vertices for person, message in latest.items()})


def _build(session: Session) -> None:
    done = session.job.result
    assert done is not None
    session.quality = dict(done.quality)
    scene = next((s for s in bpy.data.scenes if s.session_uid == session.scene_uid), None)
    if scene is None:
        session.waiting = True
        return
    try:
        session.built = result.build(scene, Path(done.take), session.footage)
    except EngineError as error:
        session.error = error.text


def _new_log() -> Path:
    """A fresh log file; only the latest few are kept."""
    folder = paths.user_folder("logs")
    for old in sorted(folder.glob("capture-*.log"))[: -_LOGS_KEPT + 1]:
        old.unlink(missing_ok=True)
    return folder / f"capture-{datetime.now():%Y%m%d-%H%M%S-%f}.log"


def _redraw() -> None:
    for manager in bpy.data.window_managers:
        for window in manager.windows:
            for area in window.screen.areas:
                if area.type == "VIEW_3D":
                    for region in area.regions:
                        if region.type == "UI":
                            region.tag_redraw()
