"""Motion and residual into Blender: curves on the bones, shape keys on the mesh."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import actions
from ..rig.character import Character
from ..rig.skeleton import ROOT
from .basis import Basis
from .motion import Motion
from .residual import Residual

CONSTANT_KEY = "residual"
_OURS = re.compile(rf"{CONSTANT_KEY}(_\d+)?|frame_\d+")
CONTACTS = ("contact_left_heel", "contact_left_toe", "contact_right_heel", "contact_right_toe")


def rest_matrices(character: Character) -> dict[str, NDArray[np.float64]]:
    """Bone name → (4,4) rest matrix in armature space, as Blender stores it."""
    return {
        bone.name: np.array(bone.matrix_local, dtype=np.float64) for bone in character.armature.data.bones
    }


def write_motion(
    character: Character,
    motion: Motion,
    frames: NDArray[np.floating],
    flags: Mapping[str, NDArray[np.bool_]],
    in_place: bool = False,
) -> None:
    """Replace the armature's action.

    Args:
        character: whose bones.
        motion: what `motion.motion` made of the poses.
        frames: (F,) scene frames.
        flags: custom properties of the armature, keyed as 0 and 1: name → (F,).
        in_place: leave the root's travel over the ground out; its heading stays.
    """
    armature = character.armature
    curves = actions.Curves(armature, f"{armature.name}_motion")
    location = np.zeros_like(motion.root_location) if in_place else motion.root_location
    for name, path, values in (
        (ROOT, "location", location),
        (ROOT, "rotation_quaternion", motion.root_rotation),
        ("pelvis", "location", motion.pelvis_location),
        *((name, "rotation_quaternion", values) for name, values in motion.rotations.items()),
    ):
        curves.add_vector(f'pose.bones["{name}"].{path}', frames, values, group=name)
    for name, flag in flags.items():
        armature[name] = 0
        curves.add(f'["{name}"]', 0, frames, flag, interpolation="CONSTANT", group="capture")


def remove_keys(character: Character) -> None:
    """Take the capture's shape keys and their action off the mesh; an artist's own keys stay."""
    keys = character.mesh.data.shape_keys
    if keys is None:
        return
    actions.clear(keys)
    ours = [block for block in keys.key_blocks[1:] if _OURS.fullmatch(block.name)]
    if len(ours) == len(keys.key_blocks) - 1:
        character.mesh.shape_key_clear()  # one by one takes time with the square of their number
        return
    for block in ours:
        character.mesh.shape_key_remove(block)


def write_frame_keys(
    character: Character,
    residual: Residual,
    frames: NDArray[np.floating],
    progress: Callable[[], object] | None = None,
) -> None:
    """One shape key per frame, each fully on at its own frame and fading linearly into its neighbours."""
    rest = _begin(character)
    digits = max(4, len(str(residual.frames)))
    blocks = []
    for start, offsets in residual:
        if progress is not None:
            progress()
        for index, offset in enumerate(offsets, start):
            blocks.append(_add(character, f"frame_{index + 1:0{digits}d}", rest + offset))
    curves = actions.Curves(character.mesh.data.shape_keys, f"{character.mesh.name}_keys")
    last = residual.frames - 1
    for index, block in enumerate(blocks):
        near = np.arange(max(index - 1, 0), min(index + 1, last) + 1)
        curves.add(f'key_blocks["{block.name}"].value', 0, frames[near], (near == index).astype(np.float32))


def write_basis_keys(character: Character, basis: Basis, frames: NDArray[np.floating]) -> None:
    """One constant key for what never changes and the few weighted ones; the Basis stays the rest shape."""
    rest = _begin(character)
    _add(character, CONSTANT_KEY, rest + basis.constant)
    blocks = [
        _add(character, f"{CONSTANT_KEY}_{index:03d}", rest + shape)
        for index, shape in enumerate(basis.shapes, 1)
    ]
    curves = actions.Curves(character.mesh.data.shape_keys, f"{character.mesh.name}_keys")
    # Keyed too, though it never changes: exporters then leave it out of the rest pose like the others.
    curves.add(f'key_blocks["{CONSTANT_KEY}"].value', 0, frames[:1], [1.0])
    for block, weights in zip(blocks, basis.weights.T, strict=True):
        curves.add(f'key_blocks["{block.name}"].value', 0, frames, weights)


def _begin(character: Character) -> NDArray[np.float32]:
    remove_keys(character)
    mesh = character.mesh.data
    rest = np.empty(3 * len(mesh.vertices), dtype=np.float32)
    mesh.vertices.foreach_get("co", rest)
    if mesh.shape_keys is None:
        character.mesh.shape_key_add(name="Basis", from_mix=False)
    else:  # an artist's keys stay, and with them the Basis
        mesh.shape_keys.reference_key.data.foreach_get("co", rest)
    mesh.shape_keys.use_relative = True
    return rest.reshape(-1, 3)


def _add(character: Character, name: str, points: NDArray[np.floating]) -> bpy.types.ShapeKey:
    block = character.mesh.shape_key_add(name=name, from_mix=False)
    block.slider_min, block.slider_max = 0.0, 1.0
    block.data.foreach_set("co", np.ascontiguousarray(points, dtype=np.float32).ravel())
    block.value = 0.0
    return block
