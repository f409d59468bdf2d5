"""Mounts the repository as the package `pose2mesh_mocap`, the way the extension system mounts the zip."""

from __future__ import annotations

import atexit
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = "pose2mesh_mocap"

# Before the first `import bpy`: settings, extensions and takes of these tests stay out of the user's own.
os.environ.setdefault("BLENDER_USER_RESOURCES", tempfile.mkdtemp(prefix="p2m-blender-"))

HAS_BPY = importlib.util.find_spec("bpy") is not None
if not HAS_BPY:  # the engine's environment: these tests belong to the other one
    collect_ignore_glob = ["*"]


def mount() -> ModuleType:
    """The repository's root as an importable package; the same module on every call."""
    if PACKAGE in sys.modules:
        return sys.modules[PACKAGE]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, REPOSITORY / "__init__.py", submodule_search_locations=[str(REPOSITORY)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    return package


if HAS_BPY:
    mount()


_status = 0
_figures: list[str] = []


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Notes a measured figure, shown at the end of the run whatever became of the test."""
    return _figures.append


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _figures:
        terminalreporter.section(f"figures, {sys.modules['bpy'].app.version_string}")
        for line in _figures:
            terminalreporter.write_line(line)


def pytest_sessionfinish(exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Blender 4.2 crashes in its own clean-up once its glTF exporter has run: end before that."""
    bpy = sys.modules.get("bpy")
    if bpy is not None and bpy.app.version < (4, 3, 0) and "io_scene_gltf2.blender.exp" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status)


@pytest.fixture(scope="session")
def addon() -> Iterator[ModuleType]:
    """The add-on, registered for the whole session and unregistered at its end.

    Classes left registered at interpreter exit crash 4.2 and hang 4.5, so `atexit` is the second net.
    """
    package = mount()
    package.register()
    atexit.register(package.unregister)
    yield package
    atexit.unregister(package.unregister)
    package.unregister()


@pytest.fixture
def empty_file() -> None:
    """A Blender file with nothing in it."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A body of 24 boxes, loaded by the engine's own loader."""
    from pose2mesh_mocap.engine.body.model import BodyModel
    from synthetic import body_file

    return BodyModel.load(body_file(tmp_path_factory.mktemp("body") / "boxes.npz"))


@pytest.fixture
def box_take(boxes: Any, tmp_path: Path) -> Callable[..., Any]:
    """Writes and opens a take of the box body; arguments as `synthetic.take_file`."""
    from pose2mesh_mocap.engine.protocol import take
    from synthetic import take_file

    def make(**options: Any) -> Any:
        return take.Take.open(take_file(tmp_path / "take.npz", take, boxes, "boxes", **options))

    return make
