"""Where things are: the package's name, its folder, and the one folder it may write to."""

from __future__ import annotations

from pathlib import Path

import bpy

# `bl_ext.<repository>.pose2mesh_mocap` once installed: the key of the add-on's preferences.
PACKAGE: str = __package__.rpartition(".")[0]
ROOT = Path(__file__).resolve().parent.parent


def user_folder(*parts: str) -> Path:
    """The extension's own folder in Blender's user files (or a part of it), made when missing.

    Raises:
        OSError: it cannot be made.
    """
    try:
        base = Path(bpy.utils.extension_path_user(PACKAGE, create=True))
    except ValueError:  # not installed as an extension: run from a checkout
        base = Path(bpy.utils.user_resource("DATAFILES", path=PACKAGE, create=True))
    folder = base.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def take_folder(chosen: str) -> Path:
    """Where takes are kept: the folder the user chose, made when missing, or the extension's own.

    Raises:
        OSError: it cannot be made.
    """
    if not chosen:
        return user_folder("takes")
    folder = Path(bpy.path.abspath(chosen)).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder
