"""Neither side loads the other: what each folder may import, read from the sources, in every environment."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

BLENDER = {"bpy", "mathutils", "bpy_extras", "gpu", "blf", "addon_utils", "idprop", "bl_math"}
NUMERIC = {"numpy"}

# Folder → third-party packages it may use, and the rooms of this repository it may use.
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "addon": (BLENDER | NUMERIC, {"addon", "engine.protocol", "engine.body", "engine.errors"}),
    "engine/protocol": (NUMERIC, {"engine.protocol", "engine.errors"}),
    "engine/body": (NUMERIC, {"engine.body", "engine.errors"}),
    "engine/datasets": (
        NUMERIC,
        {"engine.datasets", "engine.body", "engine.pose2mesh.preprocess", "engine.errors"},
    ),
}


def modules(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def imports(file: Path, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of every import, also the ones inside functions."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            dotted = ".".join((*base, *(node.module.split(".") if node.module else ())))
            for alias in node.names:
                name = f"{dotted}.{alias.name}".lstrip(".")
                yield node.lineno, name.removeprefix("pose2mesh_mocap.")  # how the repository is mounted


def dynamic_imports(tree: ast.AST) -> Iterator[int]:
    """Lines that import by a name computed at run time, past this test's eyes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"__import__", "import_module"}:
                yield node.lineno


def is_in(name: str, rooms: set[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def foreign(folder: str) -> list[str]:
    """`file:line name` of every import the folder may not make."""
    packages, rooms = ROOMS[folder]
    found = []
    for file in modules(folder):
        for line, name in imports(file, ast.parse(file.read_text("utf-8"))):
            top = name.split(".")[0]
            own = top in {"addon", "engine", "tools", "tests"}
            allowed = is_in(name, rooms) if own else top in sys.stdlib_module_names | packages
            if not allowed:
                found.append(f"{file.relative_to(ROOT)}:{line} {name}")
    return found


@pytest.mark.parametrize("folder", ROOMS)
def test_a_room_imports_only_what_it_may(folder: str) -> None:
    assert modules(folder), "the folder is where this test looks for it"
    assert foreign(folder) == []


def test_the_engine_never_imports_blender_or_the_add_on() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line} {name}"
        for file in modules("engine")
        for line, name in imports(file, ast.parse(file.read_text("utf-8")))
        if name.split(".")[0] in BLENDER | {"addon"}
    ]
    assert found == []


@pytest.mark.parametrize("folder", ROOMS)
def test_nothing_is_imported_by_a_computed_name(folder: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in modules(folder)
        for line in dynamic_imports(ast.parse(file.read_text("utf-8")))
    ]
    assert found == []


def test_the_engines_package_itself_is_empty_of_imports() -> None:
    """Importing `engine.protocol` runs `engine/__init__.py` inside Blender."""
    tree = ast.parse((ROOT / "engine" / "__init__.py").read_text("utf-8"))
    assert list(imports(ROOT / "engine" / "__init__.py", tree)) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import torch", "torch"),
        ("def f():\n    from scipy import ndimage", "scipy.ndimage"),
        ("from ...engine.pipeline import capture", "engine.pipeline.capture"),
        ("from ... import engine", "engine"),
        ("from .client import Gone", "addon.capture.client.Gone"),
    ],
)
def test_this_test_sees_what_it_must(source: str, name: str) -> None:
    file = ROOT / "addon" / "capture" / "somewhere.py"
    assert [found for _, found in imports(file, ast.parse(source))] == [name]
