"""A video to everything a newcomer wants to see: the take, the Blender scene, FBX, glTF and a preview."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.build import ROOT, BuildError
from tools.build.environments import blender, child_environment, engine

SAMPLE = ROOT / "engine" / "assets" / "sample" / "balance_cam01.mp4"


def run(video: Path | None, out: Path) -> int:
    """Makes `out`/take.npz, scene.blend, scene.fbx, scene.glb and preview.mp4; says what was written."""
    video = (video or SAMPLE).absolute()
    if not video.is_file():
        raise BuildError(f"There is no video at {video}: check the path.")
    engine_python, blender_python = engine(), blender()
    leave_hint(engine_python)
    out = out.absolute()
    take, preview = out / "take.npz", out / "preview.mp4"

    began = time.monotonic()
    captured = last_json([engine_python, "-m", "engine", "capture", video, "--out", take, "--json"])
    scene_command = [blender_python, ROOT / "addon" / "headless.py", take, "--video", video, "--out", out]
    with start([*scene_command, "--quiet"]) as scene_process:
        shown = subprocess.run(
            [engine_python, "-m", "engine", "preview", take, video, "--out", preview],
            cwd=ROOT,
            env=child_environment(),
            stdout=subprocess.DEVNULL,
        )
        if scene_process.poll() is None:
            print("Waiting for Blender to write the scene", file=sys.stderr)
        scene = result(scene_process, scene_command)
    if shown.returncode:
        raise BuildError(
            "The preview could not be drawn, for the reason above; the other files are complete."
        )
    print(f"\n{closing_line(captured, scene, preview, time.monotonic() - began)}")
    return 0


def start(command: list[Any]) -> subprocess.Popen[str]:
    """A child in the repository's root whose stdout is kept; progress and errors go to the screen."""
    return subprocess.Popen(command, cwd=ROOT, env=child_environment(), stdout=subprocess.PIPE, text=True)


def last_json(command: list[Any]) -> dict[str, Any]:
    with start(command) as process:
        return result(process, command)


def result(process: subprocess.Popen[str], command: list[Any]) -> dict[str, Any]:
    """The JSON object on the last line of the child's stdout, once it has ended well."""
    output, _ = process.communicate()
    lines = output.splitlines()
    if process.returncode or not lines:
        words = " ".join(Path(word).name for word in command[1:4])
        raise BuildError(f"`{words}` ended with exit code {process.returncode}, for the reason above.")
    return dict(json.loads(lines[-1]))


def closing_line(captured: Mapping[str, Any], scene: Mapping[str, Any], preview: Path, seconds: float) -> str:
    """What was written, how fast, how good."""
    names = ["take.npz", *(Path(path).name for path in scene["files"]), preview.name]
    quality = dict(captured["quality"])
    rate = quality.pop("fps", captured["frames"] / max(captured["seconds"], 1e-9))
    figures = ", ".join(f"{name} {value:.3g}" for name, value in quality.items())
    keys = " + ".join(str(character["keys"]) for character in scene["characters"])
    error = max(character["error_mm"] for character in scene["characters"])
    people = "1 person" if captured["people"] == 1 else f"{captured['people']} people"
    return (
        f"Wrote {', '.join(names)} to {preview.parent} in {seconds:.0f} s: {captured['frames']} frames of {people}, "
        f"captured at {rate:.1f} frames/s ({figures}), baked to {keys} shape keys within {error:.2f} mm."
    )


def leave_hint(engine_python: Path) -> None:
    """Tells the add-on, wherever it gets installed, which interpreter runs the engine."""
    spec = importlib.util.spec_from_file_location(
        "interpreter", ROOT / "addon" / "preferences" / "interpreter.py"
    )
    assert spec is not None and spec.loader is not None
    interpreter = importlib.util.module_from_spec(spec)
    sys.modules["interpreter"] = interpreter  # dataclasses look their module up there
    spec.loader.exec_module(interpreter)
    try:
        interpreter.write_hint(engine_python)
    except OSError as error:
        print(
            f"The add-on cannot be told of the engine ({error}); set it in its preferences.", file=sys.stderr
        )
