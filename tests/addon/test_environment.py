"""The add-on runs where there is only bpy and numpy, and loads only the data formats of the engine."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

HEAVY = ("torch", "mediapipe", "scipy", "av", "cv2", "anny", "smplx", "safetensors", "trimesh")


@pytest.mark.parametrize("name", HEAVY)
def test_this_environment_has_none_of_the_engines_libraries(name: str) -> None:
    assert importlib.util.find_spec(name) is None, "the test below would prove nothing"


def test_every_module_of_the_add_on_loads_here(addon: ModuleType) -> None:
    for package in ("addon", "engine.protocol", "engine.body"):
        found = importlib.import_module(f"{addon.__name__}.{package}")
        for module in pkgutil.walk_packages(found.__path__, f"{found.__name__}."):
            importlib.import_module(module.name)


def test_the_add_on_pulls_in_only_the_engines_data_formats(addon: ModuleType) -> None:
    """In a fresh process: other tests may have loaded more."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import conftest, atexit; package = conftest.mount(); package.register()\n"
        "atexit.register(package.unregister)\n"
        "print(*sorted(name for name in sys.modules if name.startswith('pose2mesh_mocap.engine')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.strip().splitlines()[-1].split()
    rooms = {name.removeprefix("pose2mesh_mocap.engine").strip(".").split(".")[0] for name in loaded}
    assert rooms == {"", "body", "errors", "protocol"}
