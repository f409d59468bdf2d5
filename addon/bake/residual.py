"""What the bones cannot carry: the take's surface, taken back into the T-pose, minus the rest shape."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...engine.body.model import BodyModel
from ...engine.protocol.take import Take
from ..rig.skeleton import RestFrame

FloatArray = NDArray[np.float32]

_CHUNK_BYTES = 1 << 23
_HELD_BYTES = 1 << 29


class Residual:
    """The residual of one person, read in chunks so that a long take never sits in memory.

    Iterating gives (first frame, (n,V,3) offsets in armature space, metres): in frame f the rest shape plus
    the offsets, skinned by the bones of frame f, is the engine's surface. It can be iterated again and
    again; the first half gigabyte (about 3,700 frames) is remembered, the rest is computed anew.

    Args:
        take: an open `Take`.
        body: the `BodyModel` of the take.
        person: index of the person.
        frame: the character's rest frame.
    """

    def __init__(self, take: Take, body: BodyModel, person: int, frame: RestFrame) -> None:
        self._take, self._body, self._person, self._frame = take, body, person, frame
        self._rest = np.asarray(body.rest(take.betas[person]), dtype=np.float32)
        self._joints = body.rest_joints(take.betas[person])
        self.frames: int = take.frames
        self.vertices: int = len(self._rest)
        size = self.vertices * 12
        self._chunk = max(1, _CHUNK_BYTES // size)
        self._room = _HELD_BYTES // (size * self._chunk)
        self._held: list[FloatArray] = []

    def __iter__(self) -> Iterator[tuple[int, FloatArray]]:
        for number, start in enumerate(range(0, self.frames, self._chunk)):
            if number < len(self._held):
                yield start, self._held[number]
                continue
            offsets = self.read(start, min(start + self._chunk, self.frames))
            if number == len(self._held) < self._room:
                self._held.append(offsets)
            yield start, offsets

    def read(self, start: int, stop: int) -> FloatArray:
        """Offsets (stop-start,V,3) of these frames."""
        take, person = self._take, self._person
        posed = take.vertices(person, start, stop) - take.trans[person, start:stop, None]
        transforms = self._body.transforms(take.poses[person, start:stop], self._joints)
        offsets = self._body.unskin(posed, transforms) - self._rest
        return np.asarray(self._frame.directions(offsets), dtype=np.float32)
