"""The zip in this Blender: installed, enabled, disabled, uninstalled. `build.py test` builds the zip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ZIP = os.environ.get("POSE2MESH_ZIP", "")

pytestmark = pytest.mark.skipif(
    not ZIP, reason="POSE2MESH_ZIP names no zip; `python build.py test` builds one"
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `install.py` saw in a Blender with empty user folders."""
    user = tmp_path_factory.mktemp("blender user")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("install.py")), ZIP],
        env=os.environ | {"BLENDER_USER_RESOURCES": str(user)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = done.stdout.strip().splitlines()
    # An exit code of its own: classes or timers left at exit crash 4.2 and hang 4.5.
    assert done.returncode == 0 and lines, done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(lines[-1])
    assert found["enabled"], done.stdout[-2000:] + done.stderr[-2000:]
    return found


def test_it_installs_and_registers(report: dict[str, Any]) -> None:
    adds = report["adds"]
    assert "Scene.pose2mesh_capture" in adds["properties"]
    assert {"P2M_PT_capture", "POSE2MESH_OT_capture"} <= set(adds["types"])
    assert report["device"] == "auto", "the preferences are found under the installed name"
    assert report["user_folder"]


def test_disabling_leaves_nothing_behind(report: dict[str, Any]) -> None:
    assert report["after_disabling"] == {}
    assert not report["timer_left"]


def test_it_can_be_enabled_again(report: dict[str, Any]) -> None:
    assert report["enabled_again"]


def test_uninstalling_leaves_nothing_behind(report: dict[str, Any]) -> None:
    assert report["after_uninstalling"] == {}
    assert not report["files_left"]


def test_the_zip_has_the_repositorys_layout_and_nothing_private() -> None:
    with zipfile.ZipFile(ZIP) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    files = {name for name in names if not name.endswith("/")}
    assert {
        "__init__.py",
        "blender_manifest.toml",
        "LICENSE",
        "addon/__init__.py",
        "engine/__init__.py",
    } <= files
    assert "engine/assets/open_body.npz" in files
    private = [
        name
        for name in files
        if name.split("/")[0] in {"tests", "tools", "docs"}
        or "__pycache__" in name
        or name.endswith((".pyc", ".blend", ".fbx", ".mp4", ".pkl"))
        or any(part.startswith(".") for part in name.split("/"))
    ]
    assert private == []


def test_what_ships_is_what_was_installed(report: dict[str, Any]) -> None:
    with zipfile.ZipFile(ZIP) as archive:
        shipped = {name for name in archive.namelist() if not name.endswith("/")}
    installed = {name for name in report["ships"] if "__pycache__" not in name}
    assert installed == shipped
