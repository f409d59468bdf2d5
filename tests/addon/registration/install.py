"""Run by `test_extension.py` in a Blender of its own: installs ZIP as a user would, uses it, takes it away.

    python install.py ZIP        (BLENDER_USER_RESOURCES names an empty folder)

Prints one JSON object on its last line.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import bpy

ID = "pose2mesh_mocap"
MODULE = f"bl_ext.user_default.{ID}"


def footprint() -> dict[str, list[str]]:
    """Everything an add-on can leave behind in Blender's registries."""
    types = sorted(dir(bpy.types))
    properties = [
        f"{name}.{key}"
        for name in ("Scene", "Object", "Armature", "Mesh", "Camera", "Collection", "WindowManager", "World")
        for key in getattr(bpy.types, name).bl_rna.properties.keys()  # noqa: SIM118 - not a dict
    ]
    handlers = [
        f"{name}: {function.__module__}.{function.__qualname__}"
        for name in dir(bpy.app.handlers)
        if isinstance(functions := getattr(bpy.app.handlers, name), list)
        for function in functions
        if "pose2mesh" in function.__module__
    ]
    threads = [thread.name for thread in threading.enumerate() if "pose2mesh" in thread.name]
    data = [obj.name for obj in bpy.data.objects] + [mesh.name for mesh in bpy.data.meshes]
    return {"types": types, "properties": properties, "handlers": handlers, "threads": threads, "data": data}


def changes(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    found = {kind: sorted(set(after[kind]) ^ set(before[kind])) for kind in before}
    return {kind: names for kind, names in found.items() if names}


def main(archive: str) -> dict[str, Any]:
    before = footprint()
    bpy.ops.extensions.package_install_files(
        filepath=archive, repo="user_default", enable_on_install=True, overwrite=True
    )
    report: dict[str, Any] = {"enabled": MODULE in bpy.context.preferences.addons}
    if not report["enabled"]:  # Blender prints the reason and still says FINISHED
        return report
    report["adds"] = changes(before, footprint())
    addon = sys.modules[f"{MODULE}.addon"]
    session = sys.modules[f"{MODULE}.addon.capture.session"]
    folder = Path(addon.__file__).parents[1]
    report["ships"] = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    report["device"] = bpy.context.preferences.addons[MODULE].preferences.device
    report["user_folder"] = sys.modules[f"{MODULE}.addon.paths"].user_folder("takes").is_dir()
    bpy.app.timers.register(session.tick, first_interval=60.0, persistent=True)  # as if a capture ran

    bpy.ops.preferences.addon_disable(module=MODULE)
    report["after_disabling"] = changes(before, footprint())
    report["timer_left"] = bpy.app.timers.is_registered(session.tick)
    bpy.ops.preferences.addon_enable(module=MODULE)
    report["enabled_again"] = hasattr(bpy.types.Scene, "pose2mesh_capture")

    repositories = bpy.context.preferences.extensions.repos
    index = [repository.module for repository in repositories].index("user_default")
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id=ID)
    report["after_uninstalling"] = changes(before, footprint())
    report["files_left"] = folder.exists()
    return report


if __name__ == "__main__":
    outcome = main(sys.argv[1])
    print(json.dumps(outcome))
