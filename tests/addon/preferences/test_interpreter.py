"""Where the engine's Python is looked for, and in which order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pose2mesh_mocap.addon.preferences import interpreter
from pose2mesh_mocap.addon.preferences.interpreter import Interpreter

Make = Callable[[str], Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a file that stands for an interpreter; the user's own settings are out of the way."""
    monkeypatch.delenv(interpreter.VARIABLE, raising=False)
    for variable in ("XDG_CONFIG_HOME", "APPDATA", "HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "user"))

    def make(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    return make


def test_the_preference_comes_first_and_is_never_overruled(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, other = make("chosen/python"), make("other/python")
    monkeypatch.setenv(interpreter.VARIABLE, str(other))
    assert interpreter.find(f" {chosen} ", tmp_path) == Interpreter(chosen, "the preferences")
    chosen.unlink()
    assert interpreter.find(str(chosen), tmp_path) is None


def test_then_the_variable_then_the_checkout_then_the_hint(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "checkout"
    assert interpreter.find("", root) is None
    hinted = make("hinted/python")
    interpreter.write_hint(hinted)
    assert interpreter.find("", root) == Interpreter(hinted, "build.py")
    own = interpreter.venv_python(root / ".venv")
    make(str(own.relative_to(tmp_path)))
    assert interpreter.find("", root) == Interpreter(own, "the checkout's .venv")
    named = make("named/python")
    monkeypatch.setenv(interpreter.VARIABLE, str(named))
    assert interpreter.find("", root) == Interpreter(named, interpreter.VARIABLE)


def test_what_no_longer_exists_is_passed_over(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hinted = make("hinted/python")
    interpreter.write_hint(hinted)
    monkeypatch.setenv(interpreter.VARIABLE, str(tmp_path / "gone"))
    assert interpreter.find("", tmp_path / "nowhere") == Interpreter(hinted, "build.py")
    hinted.unlink()
    assert interpreter.find("", tmp_path / "nowhere") is None


def test_the_hint_keeps_a_virtual_environments_own_path(make: Make, tmp_path: Path) -> None:
    link = tmp_path / "venv" / "python"
    link.parent.mkdir()
    link.symlink_to(make("base/python"))
    interpreter.write_hint(link)
    assert interpreter.read_hint() == str(link), "resolved, it would be the base Python without the packages"


def test_it_loads_without_blender_for_the_build(tmp_path: Path) -> None:
    """`build.py` runs this one file by itself to leave the hint."""
    script = (
        "import importlib.util, sys; from pathlib import Path\n"
        "spec = importlib.util.spec_from_file_location('interpreter', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec); sys.modules['interpreter'] = module\n"
        "spec.loader.exec_module(module)\n"
        "assert not any(name.split('.')[0] in ('bpy', 'numpy') for name in sys.modules)\n"
        "print(module.venv_python(Path('x')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, interpreter.__file__], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
