"""What a character shows, frame by frame, and the same again as plain keys.

Keys alone do not say how a character moves: NLA strips, constraints, drivers and parents do so too, curves
may be sparse, and objects may stand anywhere. Exporters sample whole frames anyway, so that one recording
of those serves every case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from .. import actions
from ..rig.character import Character

# Location and scale of a bone or an object, rotation as a quaternion: what no motion looks like.
_REST = {"location": (0.0, 0.0, 0.0), "rotation_quaternion": (1.0, 0.0, 0.0, 0.0), "scale": (1.0, 1.0, 1.0)}
_NOISE = 1e-6  # metres, or parts of one: rounding in 32-bit matrices
_STILL = 1e-3  # what moves less does not move: far from the origin rounding is larger


class Recording:
    """The frames of one character, from as many calls of `add`."""

    def __init__(self, character: Character) -> None:
        self.character = character
        keys = character.mesh.data.shape_keys
        moved = set() if keys is None else actions.animated_paths(keys)
        blocks = () if keys is None else keys.key_blocks
        # Place and name. The others keep their value, and belong to the rest pose.
        self._shapes = [(i, b.name) for i, b in enumerate(blocks) if f"{b.path_from_id()}.value" in moved]
        self._armature: list[Matrix] = []
        self._mesh: list[Matrix] = []  # relative to the armature
        self._bones: dict[str, list[Matrix]] = {bone.name: [] for bone in character.armature.pose.bones}
        self._values: list[NDArray[np.float32]] = []  # of all shape keys, the Basis first

    def add(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Note the frame this depsgraph is at."""
        armature = self.character.armature.evaluated_get(depsgraph)
        mesh = self.character.mesh.evaluated_get(depsgraph)
        self._armature.append(armature.matrix_world.copy())
        self._mesh.append(armature.matrix_world.inverted_safe() @ mesh.matrix_world)
        for name, matrices in self._bones.items():
            bone = armature.pose.bones[name]
            matrices.append(
                armature.convert_space(
                    pose_bone=bone, matrix=bone.matrix, from_space="POSE", to_space="LOCAL"
                )
            )
        if self._shapes:
            blocks = self.character.mesh.data.shape_keys.evaluated_get(depsgraph).key_blocks
            values = np.empty(len(blocks), np.float32)
            blocks.foreach_get("value", values)  # all at once: there may be one for every frame
            self._values.append(values)

    def write(self, rest_frame: int, scale: float) -> Iterator[bpy.types.Action]:
        """Key the character, which nothing else may move any more, from frame 0 on; yields its new actions.

        Args:
            rest_frame: a frame before 0 that gets the rest pose: no bone turned, no animated shape on.
            scale: of every length.

        Raises:
            RuntimeError: the mesh moves beside its armature.
        """
        armature, mesh = self.character.armature, self.character.mesh
        curves = actions.Curves(armature, f"{armature.name}_motion")
        yield curves.action
        self._key_object(curves, scale)
        self._key_bones(curves, rest_frame, scale)
        mesh.matrix_parent_inverse = Matrix.Identity(4)
        _place(mesh, self._mesh_place(), scale)
        if self._shapes:
            shapes = actions.Curves(mesh.data.shape_keys, f"{mesh.name}_keys")
            yield shapes.action
            self._key_shapes(shapes, rest_frame)

    def _key_object(self, curves: actions.Curves, scale: float) -> None:
        _place(self.character.armature, self._armature[0], scale)
        for path, values in _channels(self._armature, scale).items():
            if np.ptp(values, axis=0).max() > _NOISE:
                curves.add_vector(path, range(len(values)), values)

    def _key_bones(self, curves: actions.Curves, rest_frame: int, scale: float) -> None:
        for name, matrices in self._bones.items():
            bone = self.character.armature.pose.bones[name]
            bone.rotation_mode = "QUATERNION"
            bone.matrix_basis = Matrix.Identity(4)
            frames = [rest_frame, *range(len(matrices))]
            for path, values in _channels(matrices, scale).items():
                if np.abs(values - _REST[path]).max() > _NOISE:
                    keyed = np.vstack([_REST[path], values])
                    curves.add_vector(f"{bone.path_from_id()}.{path}", frames, keyed, group=name)

    def _key_shapes(self, curves: actions.Curves, rest_frame: int) -> None:
        frames = [rest_frame, *range(len(self._values))]
        for index, name in self._shapes:
            block = self.character.mesh.data.shape_keys.key_blocks[name]
            weights = [0.0, *(values[index] for values in self._values)]
            curves.add(f"{block.path_from_id()}.value", 0, frames, weights)

    def _mesh_place(self) -> Matrix:
        """Relative to the armature: the same in all frames, as skinned meshes stand still in files."""
        places = np.array([np.array(matrix) for matrix in self._mesh])
        if np.ptp(places, axis=0).max() > _STILL:
            name = self.character.mesh.name
            raise RuntimeError(
                f"{name} moves beside its armature, which files cannot hold: move the armature"
            )
        return self._mesh[0]


def remove_movers(character: Character) -> None:
    """Take off all that moves these objects, and the armature's parent; the mesh hangs on the armature."""
    armature, mesh = character.armature, character.mesh
    armature.parent, mesh.parent_type = None, "OBJECT"
    for owner in (armature, mesh, *armature.pose.bones):
        for constraint in tuple(owner.constraints):
            owner.constraints.remove(constraint)
    for owner in (armature, mesh, mesh.data.shape_keys):
        if owner is not None:
            owner.animation_data_clear()


def _place(obj: bpy.types.Object, matrix: Matrix, scale: float) -> None:
    """Stand an object, which turns by its quaternion from now on, beside its parent."""
    obj.rotation_mode = "QUATERNION"
    obj.delta_location, obj.delta_rotation_quaternion, obj.delta_scale = _REST.values()
    for path, values in _channels([matrix], scale).items():
        setattr(obj, path, values[0])


def _channels(matrices: Sequence[Matrix], scale: float) -> dict[str, NDArray[np.float64]]:
    """(F,3) locations, (F,4) quaternions, (F,3) scales."""
    locations, rotations, scales = zip(*(matrix.decompose() for matrix in matrices), strict=True)
    return {
        "location": scale * np.array(locations),
        "rotation_quaternion": _same_side(np.array(rotations)),
        "scale": np.array(scales),
    }


def _same_side(rotations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the two quaternions of each rotation the one near the one before."""
    turns = np.sum(rotations[1:] * rotations[:-1], axis=1) < 0
    flips = np.cumsum(np.concatenate([[0], turns])) % 2
    return rotations * np.where(flips, -1.0, 1.0)[:, None]
