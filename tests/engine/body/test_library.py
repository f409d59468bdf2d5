"""Where imported bodies are kept and found."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from engine.body import library
from engine.body.model import BodyModel
from engine.errors import EngineError

OPEN_BODY = Path(library.__file__).parent.parent / "assets" / "open_body.npz"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(library.VARIABLE, str(tmp_path / "dätä"))
    return tmp_path / "dätä"


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", None, ".local/share/pose2mesh_mocap"),
        ("linux", "XDG_DATA_HOME", "elsewhere/pose2mesh_mocap"),
        ("darwin", None, "Library/Application Support/pose2mesh_mocap"),
        ("win32", None, "AppData/Local/pose2mesh_mocap"),
        ("win32", "LOCALAPPDATA", "elsewhere/pose2mesh_mocap"),
    ],
)
def test_every_system_has_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variable: str | None, expected: str
) -> None:
    for name in (library.VARIABLE, "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert library.data_folder() == tmp_path / expected


def test_an_imported_body_is_found_by_name(data: Path) -> None:
    assert library.imported_bodies() == []
    library.body_file("mine").parent.mkdir(parents=True)
    library.body_file("mine").write_bytes(OPEN_BODY.read_bytes())
    assert library.imported_bodies() == ["mine"]
    assert library.known_bodies() == "open_body, mine"
    assert BodyModel.load("mine").name == "mine"  # what a take will call it
    assert BodyModel.load(library.body_file("mine")).name == "open_body"


def test_what_is_not_there_is_said_with_what_is(data: Path) -> None:
    with pytest.raises(
        EngineError, match=r"'smpl' does not exist; choose one of open_body, or bring .*import"
    ):
        BodyModel.load("smpl")
    with pytest.raises(EngineError, match="does not exist; check the path"):
        BodyModel.load(data / "smpl.npz")


def test_a_hand_is_no_body(data: Path) -> None:
    library.write_arrays(library.body_file("mano"), {"format": np.array(library.HAND_FORMAT)})
    assert library.is_hand(library.body_file("mano"))
    with pytest.raises(EngineError, match="mano is a hand, not a body; choose one of open_body"):
        BodyModel.load("mano")
    assert not library.is_hand(OPEN_BODY)
    assert not library.is_hand(data / "none.npz")


@pytest.mark.parametrize("name", ["", "a b", "../up", "a/b", "smpl.npz", "ü"])
def test_names_are_plain_words(name: str) -> None:
    with pytest.raises(EngineError, match="is no name for a body"):
        library.check_name(name)


def test_shipped_names_are_taken() -> None:
    with pytest.raises(EngineError, match="the engine's own"):
        library.check_name("open_body")
    library.check_name("SMPL_male-2")


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    library.write_arrays(tmp_path / "new" / "a.npz", {"x": np.arange(3)})
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.npz"]
    with pytest.raises(EngineError, match="cannot be written"):
        library.write_arrays(tmp_path / "new" / "a.npz" / "b.npz", {"x": np.arange(3)})
