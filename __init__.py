"""Pose2Mesh Mocap as Blender sees it: zip and repository share this root, the add-on itself is `addon/`.

Imports on `register()`, not before: pytest imports this file in the engine's environment too, without bpy.
"""

from __future__ import annotations


def register() -> None:
    from . import addon

    addon.register()


def unregister() -> None:
    from . import addon

    addon.unregister()
