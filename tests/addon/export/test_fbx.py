"""The files an FBX export writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import pytest
from pose2mesh_mocap.addon.bake.bake import BONES, BakeOptions
from pose2mesh_mocap.addon.export import fbx
from pose2mesh_mocap.addon.scene.assemble import assemble


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (("a/b_rig", "Anna: 2"), ["x_a_b.fbx", "x_Anna__2.fbx"]),
        (("anna", "anna_rig"), ["x_anna.fbx", "x_anna_2.fbx"]),  # never one over the other
    ],
)
def test_every_person_gets_a_file(
    boxes: Any, box_take: Callable[..., Any], empty_file: None, tmp_path: Path, names: Any, files: Any
) -> None:
    """Whatever the rig is called: names hold characters that file systems do not take."""
    people = assemble(box_take(people=2, frames=3, ripple=0.0), boxes, BakeOptions(BONES)).characters
    for person, name in zip(people, names, strict=True):
        person.armature.name = name
    written = fbx.export(tmp_path / "x.fbx", people, bpy.context.scene, "UNREAL")
    assert [path.name for path in written] == files
    assert sorted(path.name for path in tmp_path.glob("*.fbx")) == sorted(files)
