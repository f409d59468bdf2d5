"""Baking anew in the background: nothing changes until the end, and cancelling changes nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import bpy
import pytest
from evaluate import largest_error, world_vertices
from pose2mesh_mocap.addon.bake import again
from pose2mesh_mocap.addon.bake.bake import BONES, COMPACT, FULL, BakeOptions
from pose2mesh_mocap.addon.scene.assemble import assemble
from pose2mesh_mocap.engine.errors import EngineError


@pytest.fixture
def made(boxes: Any, box_take: Any, empty_file: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two people, bones only, and the take they came from."""
    take = box_take(people=2, frames=8)
    monkeypatch.setattr(type(boxes), "load", staticmethod(lambda name: boxes))
    return take, assemble(take, boxes, BakeOptions(BONES)).characters


def wait(work: Any) -> None:
    deadline = time.monotonic() + 60
    while not work.is_ready:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("in_thread", [True, False])
def test_it_bakes_what_was_asked(made: Any, in_thread: bool) -> None:
    take, people = made
    work = again.Baking([again.Task.of(people[1])], BakeOptions(FULL))
    if in_thread:
        work.start()
        wait(work)
        assert people[1].mesh.data.shape_keys is None  # not before the end
    ((name, report),) = work.finish()
    assert name == people[1].armature.name and report.keys == 8
    assert largest_error(people[1].mesh, world_vertices(take, 1)) < 1e-4
    assert people[0].mesh.data.shape_keys is None


def test_stopping_changes_nothing(made: Any) -> None:
    _, people = made
    work = again.Baking([again.Task.of(person) for person in people], BakeOptions(COMPACT))
    work._stop.set()  # as if Esc came before the first chunk
    work.start()
    work.stop()
    assert work.is_ready and all(person.mesh.data.shape_keys is None for person in people)
    with pytest.raises(EngineError):
        work.finish()


def test_a_character_deleted_meanwhile_is_left_out(made: Any) -> None:
    _, people = made
    work = again.Baking([again.Task.of(person) for person in people], BakeOptions(FULL))
    work.start()
    wait(work)
    left = people[1].armature.name
    bpy.data.objects.remove(people[0].armature)
    assert [name for name, _ in work.finish()] == [left]


def test_a_take_without_the_person_is_said(made: Any) -> None:
    take, people = made
    task = again.Task(people[0].armature.name, take.path, 99)
    with pytest.raises(EngineError, match="does not hold the person"):
        again.Baking([task], BakeOptions(FULL)).finish()


def test_a_missing_take_is_said_and_nothing_is_written(made: Any, tmp_path: Path) -> None:
    _, people = made
    tasks = [again.Task.of(people[0]), again.Task(people[1].armature.name, tmp_path / "gone.npz", 1)]
    with pytest.raises(EngineError, match="no take at"):
        again.Baking(tasks, BakeOptions(FULL)).finish()
    assert people[0].mesh.data.shape_keys is None
