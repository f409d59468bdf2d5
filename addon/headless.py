"""Take to scene.blend, scene.fbx and scene.glb without a window: what `build.py demo` runs inside a bpy
environment.

    python addon/headless.py TAKE [--video VIDEO] [--out DIR] [--mode FULL|COMPACT|BONES] [--tolerance-mm 1.0]
                                  [--in-place] [--preset GENERIC|UNREAL|UNITY] [--body FILE] [--quiet]

The last line of stdout is one JSON object: {"files": [...], "characters": [{"name", "frames", "keys",
"error_mm"}], "seconds"}. Exit code 0 only on success; errors are one sentence on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PACKAGE = "pose2mesh_mocap"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="headless", description="Take to .blend, .fbx and .glb, without a window"
    )
    parser.add_argument("take", type=Path)
    parser.add_argument("--video", type=Path, help="the footage, shown behind the scene")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the files")
    parser.add_argument("--name", default="scene", help="their name")
    parser.add_argument("--mode", default="COMPACT", choices=("FULL", "COMPACT", "BONES"))
    parser.add_argument("--tolerance-mm", type=float, default=1.0, help="for COMPACT")
    parser.add_argument("--in-place", action="store_true")
    parser.add_argument("--preset", default="GENERIC", choices=("GENERIC", "UNREAL", "UNITY"))
    parser.add_argument("--body", help="body file, when it is not the one the take names")
    parser.add_argument("--quiet", action="store_true", help="no progress lines")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="p2m-headless-") as settings:
        # Before the first `import bpy`: nothing here reads or changes the user's own Blender settings.
        os.environ.setdefault("BLENDER_USER_RESOURCES", settings)
        try:
            print(json.dumps(run(options)))
        except (RuntimeError, OSError, ValueError) as error:
            print(f"error: {str(error).strip()}", file=sys.stderr)
            return 1
        except Exception as error:
            if type(error).__name__ != "EngineError":  # its module is only importable once mounted
                raise
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Do it all; the returned dictionary is what is printed."""
    started = time.perf_counter()
    import bpy

    _mount()
    from pose2mesh_mocap.addon.bake.bake import BakeOptions
    from pose2mesh_mocap.addon.export import fbx, gltf
    from pose2mesh_mocap.addon.scene.assemble import assemble, show_camera_views
    from pose2mesh_mocap.engine.body.model import BodyModel
    from pose2mesh_mocap.engine.protocol.take import Take

    def say(text: str) -> None:
        if not options.quiet:
            print(text, flush=True)

    take = Take.open(options.take.resolve())
    body = BodyModel.load(options.body or take.body)
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)

    bpy.ops.wm.read_homefile(use_factory_startup=True)
    for start in (*bpy.data.objects, *bpy.data.collections):  # the cube, its camera, its light
        bpy.data.batch_remove([start])
    sky = bpy.context.scene.world.node_tree.nodes.get("Background")
    if sky is not None:
        sky.inputs["Color"].default_value = (0.4, 0.45, 0.5, 1.0)
    say(f"baking {take.people} x {take.frames} frames")
    made = assemble(
        take,
        body,
        BakeOptions(options.mode, options.tolerance_mm / 1000, options.in_place),
        video=options.video.resolve() if options.video else None,
    )
    for warning in made.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    show_camera_views()
    scene = bpy.context.scene
    blend = out / f"{options.name}.blend"
    say(f"writing {blend.name}")
    with _muted():
        bpy.ops.wm.save_as_mainfile(filepath=str(blend), compress=True)
    say(f"writing {options.name}.fbx")
    with _muted():
        files = fbx.export(out / f"{options.name}.fbx", made.characters, scene, options.preset)
    say(f"writing {options.name}.glb")
    with _muted():
        files += gltf.export(out / f"{options.name}.glb", made.characters, scene)
    return {
        "files": [str(path) for path in (blend, *files)],
        "characters": [
            {
                "name": character.armature.name,
                "frames": report.frames,
                "keys": report.keys,
                "error_mm": round(1000 * report.error, 4),
            }
            for character, report in zip(made.characters, made.reports, strict=True)
        ],
        "seconds": round(time.perf_counter() - started, 2),
    }


def _mount() -> None:
    """The repository as a package, as in the installed extension, without registering anything."""
    if _PACKAGE in sys.modules:
        return
    here = Path(__file__).resolve().parent
    # A script's own folder comes first on the path, where `text` or `process` would be ours.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    root = here.parent
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, root / "__init__.py", submodule_search_locations=[str(root)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = module
    spec.loader.exec_module(module)


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Without the exporters' own reports: the last line belongs to the result."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender 4.2 crashes in its own clean-up once the glTF exporter has run
