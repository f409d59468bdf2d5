"""Where a user's own bodies and the networks for them are kept: one folder per user, no administrator needed.

    DATA/bodies/NAME.npz             written by `import-smpl`: a body, or a hand under MANO's own names
    DATA/weights/NAME.safetensors    written by `import-checkpoint`, for the body of that name

Linux: `~/.local/share/pose2mesh_mocap`; macOS: `~/Library/Application Support/pose2mesh_mocap`; Windows:
`%LOCALAPPDATA%\\pose2mesh_mocap`. Blender and the engine run as the same user, so both find a body by name.
"""

from __future__ import annotations

import os
import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import EngineError

VARIABLE = "P2M_DATA"
"""Environment variable that names another folder."""
SHIPPED = ("open_body",)
HAND_FORMAT = "pose2mesh-hand 1"
"""What a hand's file says of itself under "format"; a body's is `model.FORMAT`."""


def data_folder() -> Path:
    """The folder; it need not exist."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return base / "pose2mesh_mocap"


def body_file(name: str) -> Path:
    """Where the imported body of that name is, or would be."""
    return data_folder() / "bodies" / f"{name}.npz"


def weights_file(body: str) -> Path:
    """Where the network for an imported body is, or would be."""
    return data_folder() / "weights" / f"{body}.safetensors"


def imported_bodies() -> list[str]:
    """Names of the imported bodies and hands, sorted."""
    return sorted(path.stem for path in (data_folder() / "bodies").glob("*.npz"))


def known_bodies() -> str:
    """All names that a body can be asked for by, for an error's text."""
    return ", ".join((*SHIPPED, *(name for name in imported_bodies() if not is_hand(body_file(name)))))


def check_name(name: str) -> None:
    """Whether a body may be imported under that name.

    Raises:
        EngineError: it is no plain word, or belongs to a body that ships.
    """
    if name in SHIPPED:
        raise EngineError(f"The body {name!r} is the engine's own: choose another name, such as smpl.")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise EngineError(
            f"{name!r} is no name for a body: use letters, digits, underscores and hyphens only."
        )


def is_hand(path: Path) -> bool:
    """Whether a file of `import-smpl` holds a hand; false also where it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return "format" in archive.files and str(archive["format"]) == HAND_FORMAT
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        return False


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """One compressed ``.npz``, whole or not at all, in a folder that is made where it is missing.

    Raises:
        EngineError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".part")
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        partial.replace(path)
    except OSError as error:
        raise EngineError(
            f"The body file {path} cannot be written ({error}); choose another folder."
        ) from error
