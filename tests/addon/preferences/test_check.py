"""The Check Engine button: what `doctor` says is shown, whatever happens to it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import bpy
import pytest
from pose2mesh_mocap.addon import paths, process
from pose2mesh_mocap.addon.preferences import check
from pose2mesh_mocap.addon.preferences.interpreter import VARIABLE

PATIENCE = 20.0

Doctor = Callable[[str], Path]


@pytest.fixture
def doctor(addon: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doctor]:
    """Makes the extension's engine one whose `doctor` runs the given code."""

    def doctor(code: str) -> Path:
        package = tmp_path / "engine"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(f"import sys\nassert sys.argv[1:] == ['doctor']\n{code}\n")
        monkeypatch.setattr(paths, "ROOT", tmp_path)
        monkeypatch.setenv(VARIABLE, sys.executable)
        return Path(sys.executable)

    yield doctor
    check.unregister()


def wait() -> check.Check:
    found = check.latest()
    assert found is not None
    until = time.monotonic() + PATIENCE
    while found.ok is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


def test_the_button_shows_what_the_doctor_says(doctor: Doctor) -> None:
    doctor("print('torch 2.13: fine'); print(); print('device: cpu')")
    assert bpy.ops.pose2mesh.check_engine() == {"FINISHED"}
    assert wait() == check.Check(True, ("torch 2.13: fine", "device: cpu"))


def test_a_failing_doctor_is_not_ready_and_says_why(doctor: Doctor) -> None:
    check.start(doctor("sys.exit('torch is missing: run build.py again')"))
    assert wait() == check.Check(False, ("torch is missing: run build.py again",))


def test_a_doctor_that_dies_in_silence_is_reported(doctor: Doctor) -> None:
    check.start(doctor("sys.exit(3)"))
    assert wait() == check.Check(False, ("The engine's check ended without a word (exit code 3)",))


def test_a_second_check_ends_the_first(doctor: Doctor) -> None:
    first = check.start(doctor("import time; time.sleep(600)"))
    second = check.start(doctor("print('quick')"))
    assert wait() is second
    until = time.monotonic() + PATIENCE
    while first.ok is None and time.monotonic() < until:
        time.sleep(0.01)
    assert first.ok is False


def test_the_button_is_grey_without_an_engine(
    addon: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("XDG_CONFIG_HOME", "APPDATA", "HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert not bpy.ops.pose2mesh.check_engine.poll()
    assert not bpy.ops.pose2mesh.capture.poll()


def test_the_childs_environment_is_clean() -> None:
    dirty = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "PYTHONHOME": "/blender/python",
        "PYTHONPATH": "/somewhere",
        "LD_LIBRARY_PATH": "/blender/lib",
        "VIRTUAL_ENV": "/other",
        "BLENDER_USER_RESOURCES": "/x",
    }
    clean = process.clean_environment(Path("/extension"), dirty)
    assert {name: clean[name] for name in ("PATH", "HOME", "PYTHONPATH")} == {
        "PATH": "/bin",
        "HOME": "/home/me",
        "PYTHONPATH": str(Path("/extension")),
    }
    assert clean["PYTHONSAFEPATH"] == "1", "the current folder is not imported from"
    gone = {"PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "BLENDER_USER_RESOURCES"}
    assert not gone & clean.keys()
