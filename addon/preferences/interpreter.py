"""Which Python runs the engine. No bpy: `tools/build/` runs this file by itself to leave the hint.

The first of these that names a file wins:
1. the add-on's preference;
2. the environment variable `P2M_ENGINE_PYTHON`;
3. `.venv` beside the add-on, where it runs from a checkout;
4. the hint that `build.py` leaves in the user's settings folder, one line: the interpreter's path.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "P2M_ENGINE_PYTHON"


@dataclass(frozen=True)
class Interpreter:
    """A Python executable and, for the user, where the add-on learnt of it."""

    path: Path
    found_by: str


def find(preference: str, module_root: Path) -> Interpreter | None:
    """The engine's interpreter, or None when none of the places names an existing file.

    A preference that is set is never overruled: a wrong one gives None, so that the user sees it.
    """
    if preference.strip():
        path = Path(preference.strip()).expanduser()
        return Interpreter(path, "the preferences") if path.is_file() else None
    candidates = (
        (os.environ.get(VARIABLE, ""), VARIABLE),
        (str(venv_python(module_root / ".venv")), "the checkout's .venv"),
        (read_hint(), "build.py"),
    )
    for text, found_by in candidates:
        if text and Path(text).is_file():
            return Interpreter(Path(text), found_by)
    return None


def venv_python(environment: Path) -> Path:
    """The interpreter inside a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def hint_file() -> Path:
    """Where `build.py` names its interpreter: one file per user, which survives a reinstalled extension."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "pose2mesh_mocap" / "engine_python.txt"


def read_hint() -> str:
    """The hint's path, empty when there is none."""
    try:
        return hint_file().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def write_hint(python: Path) -> Path:
    """Name `python` as the engine's interpreter for every Blender of this user; the hint's path.

    Raises:
        OSError: the settings folder cannot be written.
    """
    file = hint_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    # Not resolved: a virtual environment's python is a link, and its own path is what makes it one.
    file.write_text(f"{python.absolute()}\n", "utf-8")
    return file
