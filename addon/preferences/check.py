"""“Check engine”: runs the engine's own `doctor` without blocking Blender and keeps what it said."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import bpy

from .. import paths
from ..process import ChildProcess, describe_exit

_TICK = 0.2  # s
_LIMIT = 180.0  # s; the first import of the networks may be slow
_LINES_SHOWN = 24
_GOOD, _BAD = "ok ", "BAD "  # how `doctor` begins its lines


@dataclass
class Check:
    """A running or finished check. `ok` is None while it runs."""

    ok: bool | None = None
    lines: tuple[str, ...] = ()


_latest: Check | None = None
_child: ChildProcess | None = None


def latest() -> Check | None:
    return _latest


def start(python: Path) -> Check:
    """Run `doctor` with this interpreter in the background; poll the returned check.

    Raises:
        OSError: the interpreter cannot be started.
    """
    global _latest, _child
    stop()
    _child = child = ChildProcess([str(python), "-m", "engine", "doctor"], paths.ROOT, subprocess.STDOUT)
    _latest = check = Check()
    threading.Thread(target=_collect, args=(child, check), name="pose2mesh doctor", daemon=True).start()
    if not bpy.app.timers.is_registered(_watch):
        bpy.app.timers.register(_watch, first_interval=_TICK, persistent=True)
    return check


def stop() -> None:
    """End a running check."""
    global _child
    if _child is not None:
        _child.kill_tree()
        _child.wait(1.0)
        _child = None


def draw(layout: bpy.types.UILayout) -> None:
    """The latest check's outcome."""
    if _latest is None:
        return
    if _latest.ok is None:
        layout.label(text="Checking the engine…", icon="SORTTIME")
        return
    text = "The engine is ready" if _latest.ok else "The engine is not ready"
    layout.label(text=text, icon="CHECKMARK" if _latest.ok else "ERROR")
    column = layout.column(align=True)
    column.scale_y = 0.85
    # What is wrong comes first; the rest tells which versions and device are in use.
    for line in sorted(_latest.lines[-_LINES_SHOWN:], key=lambda line: not line.startswith(_BAD)):
        is_bad, is_good = line.startswith(_BAD), line.startswith(_GOOD)
        icon = "ERROR" if is_bad else "CHECKMARK" if is_good else "BLANK1"
        column.label(text=line.removeprefix(_BAD).removeprefix(_GOOD).strip(), icon=icon)


def unregister() -> None:
    global _latest
    stop()
    _latest = None
    if bpy.app.timers.is_registered(_watch):
        bpy.app.timers.unregister(_watch)


def _collect(child: ChildProcess, check: Check) -> None:
    """Read to the end, then judge by the exit code. Touches no Blender data: this is a thread."""
    watchdog = threading.Timer(_LIMIT, child.kill_tree)
    watchdog.daemon = True
    watchdog.start()
    child.stdin.close()
    text = child.stdout.read().decode("utf-8", "replace")
    code = child.wait(5.0)
    watchdog.cancel()
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if code != 0 and not lines:
        lines = [f"The engine's check ended without a word ({describe_exit(code)})"]
    check.lines = tuple(lines)
    check.ok = code == 0


def _watch() -> float | None:
    """Redraw while a check runs, once more at its end."""
    for manager in bpy.data.window_managers:
        for window in manager.windows:
            for area in window.screen.areas:
                if area.type in {"PREFERENCES", "VIEW_3D"}:
                    area.tag_redraw()
    return _TICK if _latest is not None and _latest.ok is None else None
