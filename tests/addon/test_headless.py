"""The command `build.py demo` runs: a take in, three files out, in an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
from evaluate import largest_error, world_vertices
from fbx_reader import Fbx
from gltf_reader import Gltf

SCRIPT = Path(__file__).resolve().parents[2] / "addon" / "headless.py"


def run(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)


def test_a_take_becomes_three_files(box_take: Any, tmp_path: Path) -> None:
    from synthetic import body_file

    take = box_take(people=2, frames=8)
    out = tmp_path / "out ü"
    body = body_file(tmp_path / "boxes.npz")
    done = run(take.path, "--out", out, "--body", body, "--mode", "FULL", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["files"] == [str(out / f"scene.{suffix}") for suffix in ("blend", "fbx", "glb")]
    assert [(c["name"], c["frames"], c["keys"]) for c in result["characters"]] == [
        ("person_1_rig", 8, 8),
        ("person_2_rig", 8, 8),
    ]
    bpy.ops.wm.open_mainfile(filepath=str(out / "scene.blend"))
    assert bpy.context.scene.frame_end == 8
    assert "Cube" not in bpy.data.objects
    for person in range(2):
        mesh = bpy.data.objects[f"person_{person + 1}_body"]
        assert largest_error(mesh, world_vertices(take, person)) < 1e-4
    assert len(Fbx(out / "scene.fbx").frame_ticks()) == len(Gltf(out / "scene.glb").times()) == 8


def test_errors_are_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path / "gone.npz", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: There is no take at")
    assert "Traceback" not in done.stderr
