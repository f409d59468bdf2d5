"""One person of a take onto one character, in one of three modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...engine.body.model import BodyModel
from ...engine.protocol.take import Take
from ..rig.character import PERSON_TAG, TAKE_TAG, Character
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


def bake(
    character: Character,
    take: Take,
    body: BodyModel,
    person: int,
    options: BakeOptions,
    progress: Callable[[], object] | None = None,
) -> BakeReport:
    """Write one person's motion onto a character built at that person's shape.

    Args:
        character: from `rig.character.build` with the same body and the person's betas.
        take: an open `Take`.
        body: the `BodyModel` the take was made with.
        person: index of the person in the take.
        options: mode, tolerance, root motion.
        progress: called now and then; may raise to cancel.

    Raises:
        ValueError: the body has another number of vertices than the take.
    """
    if len(body.v_template) != take.vertex_count:
        raise ValueError(
            f"The take was made with a body of {take.vertex_count} vertices, but {body.name} has "
            f"{len(body.v_template)}; capture again with this body."
        )
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

    residual = Residual(take, body, person, character.frame)
    if options.mode == FULL:
        keys.write_frame_keys(character, residual, frames, progress)
        return BakeReport(take.frames, take.frames, 0.0)
    if options.mode == COMPACT:
        found = basis.fit(residual, options.tolerance, progress=progress)
        keys.write_basis_keys(character, found, frames)
        return BakeReport(take.frames, 1 + len(found.shapes), found.error)
    keys.remove_keys(character)
    worst = max((float(np.linalg.norm(chunk, axis=2).max()) for _, chunk in residual), default=0.0)
    return BakeReport(take.frames, 0, worst)
