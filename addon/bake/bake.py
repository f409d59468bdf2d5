"""One person of a take onto one character, in one of three modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...engine.body.model import BodyModel
from ...engine.protocol.take import Take
from ..rig.character import PERSON_TAG, TAKE_TAG, Character
from ..rig.skeleton import RestFrame
from ..timing import scene_frames
from . import basis, keys, motion
from .residual import Residual

FULL, COMPACT, BONES = "FULL", "COMPACT", "BONES"


@dataclass(frozen=True)
class BakeOptions:
    """How to bake.

    Attributes:
        mode: FULL, one shape key per frame, exact; COMPACT, few keys within the tolerance; BONES, no keys.
        tolerance: metres, for COMPACT.
        in_place: keep the character over the origin instead of travelling on the root bone.
    """

    mode: str = COMPACT
    tolerance: float = 0.001
    in_place: bool = False


@dataclass(frozen=True)
class BakeReport:
    """Frames, shape keys besides the Basis, and the largest distance to the engine's surface in metres."""

    frames: int
    keys: int
    error: float


@dataclass(frozen=True)
class Shape:
    """What the shape keys will hold, as numbers: the part of a bake that takes long.

    Attributes:
        residual: what the bones leave over, already walked through once.
        basis: for COMPACT, else None.
        error: metres between the baked and the captured surface.
    """

    residual: Residual
    basis: basis.Basis | None
    error: float


def prepare(
    take: Take,
    body: BodyModel,
    person: int,
    options: BakeOptions,
    progress: Callable[[], object] | None = None,
) -> Shape:
    """Work out the shape keys of one person. Touches no Blender data, so it may run in a thread.

    Args and errors as `bake`.
    """
    check(take, body)
    betas = take.betas[person]
    residual = Residual(take, body, person, RestFrame.standing(body.rest(betas), body.rest_joints(betas)))
    if options.mode == COMPACT:
        found = basis.fit(residual, options.tolerance, progress=progress)
        return Shape(residual, found, found.error)
    worst = 0.0
    for _, chunk in residual:
        worst = max(worst, float(np.linalg.norm(chunk, axis=2).max()))
        if progress is not None:
            progress()
    return Shape(residual, None, worst if options.mode == BONES else 0.0)


def bake(
    character: Character,
    take: Take,
    body: BodyModel,
    person: int,
    options: BakeOptions,
    progress: Callable[[], object] | None = None,
    shape: Shape | None = None,
) -> BakeReport:
    """Write one person's motion onto a character built at that person's shape.

    Args:
        character: from `rig.character.build` with the same body and the person's betas.
        take: an open `Take`.
        body: the `BodyModel` the take was made with.
        person: index of the person in the take.
        options: mode, tolerance, root motion.
        progress: called now and then; may raise to cancel.
        shape: what `prepare` made with the same arguments; made here otherwise.

    Raises:
        ValueError: the body has another number of vertices than the take.
    """
    shape = shape or prepare(take, body, person, options, progress)
    frames = scene_frames(take.frame_time, take.frame_index, take.fps)
    moves = motion.motion(
        take.poses[person],
        take.trans[person],
        take.world_from_camera,
        body.rest_joints(take.betas[person])[0],
        keys.rest_matrices(character),
    )
    flags = {"visible": take.visible[person]}
    if take.contact is not None:
        flags.update(zip(keys.CONTACTS, take.contact[person].T, strict=True))
    keys.write_motion(character, moves, frames, flags, options.in_place)
    character.armature[TAKE_TAG] = str(take.path)
    character.armature[PERSON_TAG] = int(take.person_id[person])

    count = 0
    if options.mode == FULL:
        keys.write_frame_keys(character, shape.residual, frames, progress)
        count = take.frames
    elif shape.basis is not None:
        keys.write_basis_keys(character, shape.basis, frames)
        count = 1 + len(shape.basis.shapes)
    else:
        keys.remove_keys(character)
    return BakeReport(take.frames, count, shape.error)


def check(take: Take, body: BodyModel) -> None:
    """Raises:
    ValueError: the take was made with another body.
    """
    if len(body.v_template) != take.vertex_count:
        raise ValueError(
            f"The take was made with a body of {take.vertex_count} vertices, but {body.name} has "
            f"{len(body.v_template)}; capture again with this body."
        )
