"""Baking characters anew from their takes: numbers in a thread, then Blender's data in one short step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...engine.body.model import BodyModel
from ...engine.errors import EngineError
from ...engine.protocol.take import Take
from .. import paths
from ..rig import character as characters
from .bake import BakeOptions, BakeReport, Shape, bake, prepare


@dataclass(frozen=True)
class Task:
    """Whom to bake: plain values, so that a character deleted meanwhile does no harm."""

    armature: str
    take: Path
    person_id: int

    @classmethod
    def of(cls, character: characters.Character) -> Task:
        """The character must know its take."""
        armature = character.armature
        take = where_it_is(Path(armature[characters.TAKE_TAG]))
        return cls(armature.name, take, int(armature[characters.PERSON_TAG]))


def where_it_is(take: Path) -> Path:
    """The take itself, or one of its name where takes move along with a project: beside the .blend file or in
    the folder for takes.
    """
    if take.exists():
        return take
    folders = [Path(bpy.data.filepath).parent] if bpy.data.filepath else []
    with suppress(OSError):
        folders.append(paths.take_folder(bpy.context.scene.pose2mesh_capture.take_folder))
    return next((moved for folder in folders if (moved := folder / take.name).exists()), take)


@dataclass(frozen=True)
class _Prepared:
    task: Task
    take: Take
    body: BodyModel
    person: int
    shape: Shape


class _Stopped(Exception):
    """The user gave up."""


class Baking:
    """Bakes some characters: `start` and poll `is_ready`, then `finish`; or `finish` alone to wait for it.

    Args:
        tasks: the characters.
        options: how to bake them.
    """

    def __init__(self, tasks: Sequence[Task], options: BakeOptions) -> None:
        self._tasks, self._options = tuple(tasks), options
        self._prepared: list[_Prepared] = []
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_ready(self) -> bool:
        return self._thread is not None and not self._thread.is_alive()

    def start(self) -> None:
        """Work on in a thread; it touches no Blender data."""
        self._thread = threading.Thread(target=self._prepare, name="pose2mesh bake", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give up; nothing changes in Blender."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def finish(self) -> list[tuple[str, BakeReport]]:
        """Write what was prepared.

        Returns:
            armature and report of every character that is still there.

        Raises:
            EngineError: a take or its body cannot be read, or they do not fit; nothing was written.
        """
        if self._thread is None:
            self._prepare()
        else:
            self._thread.join()
        if self._error is not None:
            raise self._error
        there = [(characters.find(bpy.data.objects.get(done.task.armature)), done) for done in self._prepared]
        found = [(character, done) for character, done in there if character is not None]
        for character, done in found:
            has, wanted = len(character.mesh.data.vertices), done.take.vertex_count
            if has != wanted:
                raise EngineError(
                    f"{character.mesh.name} has {has} vertices now and its take {wanted}: undo what changed "
                    "them, or open the take anew."
                )
        return [
            (
                done.task.armature,
                bake(character, done.take, done.body, done.person, self._options, shape=done.shape),
            )
            for character, done in found
        ]

    def _prepare(self) -> None:
        try:
            for task in self._tasks:
                self._prepared.append(self._prepare_one(task, self._check))
        except EngineError as error:
            self._error = error
        except Exception as error:
            self._error = EngineError(f"The bake failed: {error}", "internal")

    def _prepare_one(self, task: Task, check: Callable[[], None]) -> _Prepared:
        take = Take.open(task.take)
        people = take.person_id.tolist()
        if task.person_id not in people:
            raise EngineError(f"{task.take} does not hold the person of {task.armature}; open the take anew.")
        body = BodyModel.load(take.body)
        person = people.index(task.person_id)
        return _Prepared(task, take, body, person, prepare(take, body, person, self._options, check))

    def _check(self) -> None:
        if self._stop.is_set():
            raise _Stopped
