"""F-curves written in bulk, the same way on every Blender version.

`Action.fcurves` is gone in 5.0, and since 4.4 a curve only evaluates when its slot is assigned to what it
animates: both differences live here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import bpy
import numpy as np
from numpy.typing import ArrayLike

_INTERPOLATION = {"CONSTANT": 0, "LINEAR": 1, "BEZIER": 2}
_HAS_SLOTS = bpy.app.version >= (4, 4, 0)


class Curves:
    """The F-curves of one new action, assigned to one data-block (an object, or a mesh's shape keys).

    Args:
        owner: what is animated; whatever action it had is unlinked, and removed when nothing else uses it.
        name: the action's name.
    """

    def __init__(self, owner: bpy.types.ID, name: str) -> None:
        clear(owner)
        animation = owner.animation_data or owner.animation_data_create()
        self.action = bpy.data.actions.new(name)
        animation.action = self.action
        self._container: Any = self.action
        if _HAS_SLOTS:
            slot = self.action.slots.new(id_type=owner.id_type, name=owner.name)
            animation.action_slot = slot
            strip = self.action.layers.new(name).strips.new(type="KEYFRAME")
            self._container = strip.channelbag(slot, ensure=True)
        self._groups: dict[str, Any] = {}

    def add(
        self,
        path: str,
        index: int,
        frames: ArrayLike,
        values: ArrayLike,
        *,
        interpolation: str = "LINEAR",
        group: str | None = None,
    ) -> None:
        """One curve with all its keys.

        Args:
            path: the data path from the owner, for example `key_blocks["a"].value`.
            index: which component of an array property; 0 for a single number.
            frames: (N,) increasing scene frames.
            values: (N,) in the property's unit.
            interpolation: CONSTANT, LINEAR or BEZIER, for all keys.
            group: the channel's group in the editors, usually the bone.
        """
        keys = np.column_stack([np.asarray(frames), np.asarray(values)]).astype(np.float32)
        curve = self._container.fcurves.new(path, index=index)
        curve.keyframe_points.add(len(keys))
        curve.keyframe_points.foreach_set("co", keys.ravel())
        kind = np.full(len(keys), _INTERPOLATION[interpolation], dtype=np.int32)
        curve.keyframe_points.foreach_set("interpolation", kind)
        if group is not None:
            if group not in self._groups:
                self._groups[group] = self._container.groups.new(group)
            curve.group = self._groups[group]
        curve.update()

    def add_vector(
        self, path: str, frames: ArrayLike, values: ArrayLike, *, group: str | None = None
    ) -> None:
        """One curve per component of an array property: values (N,C)."""
        for index, column in enumerate(np.asarray(values).T):
            self.add(path, index, frames, column, group=group)


def fcurves(owner: bpy.types.ID) -> Iterator[Any]:
    """Every F-curve that animates this data-block, on any version."""
    if owner.animation_data is not None:
        yield from _curves(owner.animation_data)


def clear(owner: bpy.types.ID) -> None:
    """Take the action off this data-block; the action goes too when nothing else uses it."""
    animation = owner.animation_data
    if animation is None or animation.action is None:
        return
    action, animation.action = animation.action, None
    if action.users == 0:
        bpy.data.actions.remove(action)


def animated_paths(owner: bpy.types.ID) -> set[str]:
    """The data paths that this data-block's action, NLA strips or drivers move."""
    animation = owner.animation_data
    if animation is None:
        return set()
    users = [animation, *(strip for track in animation.nla_tracks for strip in _flat(track.strips))]
    curves = [curve for user in users for curve in _curves(user)]
    return {curve.data_path for curve in (*curves, *animation.drivers)}


def _flat(strips: Iterable[Any]) -> Iterator[Any]:
    """NLA strips, and the strips inside meta strips."""
    for strip in strips:
        yield strip
        yield from _flat(strip.strips)


def _curves(user: Any) -> Iterator[Any]:
    """The curves of the action that a data-block's animation or an NLA strip uses."""
    if user.action is None:
        return
    if not _HAS_SLOTS:
        yield from user.action.fcurves
        return
    for layer in user.action.layers:
        for strip in layer.strips:
            bag = strip.channelbag(user.action_slot) if user.action_slot is not None else None
            if bag is not None:
                yield from bag.fcurves
