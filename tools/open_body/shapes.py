"""Adult shapes drawn from anny, and the ten shape components learned from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Standard deviations of anny's symmetric local changes: limb, trunk and head proportions that the
# phenotypes do not vary. Chosen so that, at equal stature, legs and arms vary by about 25 mm and shoulders
# and hips by 15 mm.
LOCAL_DEVIATIONS = {
    "measure-upperarm-length-incr": 0.25,
    "measure-lowerarm-length-incr": 0.25,
    "upperlegs-height-incr": 0.2,
    "lowerlegs-height-incr": 0.25,
    "torso-scale-vert-incr": 0.25,
    "torso-scale-horiz-incr": 0.15,
    "measure-shoulder-dist-incr": 0.4,
    "hip-scale-horiz-incr": 0.3,
    "measure-hips-circ-incr": 0.5,
    "measure-waist-circ-incr": 0.5,
    "measure-bust-circ-incr": 0.4,
    "measure-thigh-circ-incr": 0.4,
    "measure-calf-circ-incr": 0.4,
    "measure-upperarm-circ-incr": 0.4,
    "measure-neck-circ-incr": 0.4,
    "measure-neck-height-incr": 0.3,
    "buttocks-volume-incr": 0.4,
    "head-scale-vert-incr": 0.25,
    "head-scale-horiz-incr": 0.25,
    "head-scale-depth-incr": 0.25,
    "head-fat-incr": 0.3,
    "{side}-hand-scale-incr": 0.12,
    "{side}-foot-scale-incr": 0.1,
}


def draw(count: int, seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Phenotypes and local changes of ``count`` left-right symmetric adults."""
    random = np.random.default_rng(seed)
    races = random.dirichlet(np.ones(3), count)
    phenotypes = {
        "gender": random.beta(0.8, 0.8, count),
        "age": random.uniform(0.6, 0.95, count),
        "muscle": np.clip(random.normal(0.5, 0.2, count), 0.05, 0.95),
        "weight": np.clip(random.normal(0.5, 0.22, count), 0.05, 1.0),
        "height": np.clip(random.normal(0.42, 0.08, count), 0.15, 0.75),
        "proportions": random.uniform(0.25, 0.75, count),
        "cupsize": random.uniform(0.1, 0.9, count),
        "firmness": random.uniform(0.2, 0.9, count),
        **dict(zip(("african", "asian", "caucasian"), races.T, strict=True)),
    }
    changes = {}
    for name, deviation in LOCAL_DEVIATIONS.items():
        values = random.normal(0.0, deviation, count)
        for side in ("l", "r"):
            changes[name.format(side=side)] = values
    changes["stomach-pregnant-incr"] = np.abs(random.normal(0.0, 0.2, count))
    return phenotypes, changes


def vertex_areas(vertices: Array, triangles: Array) -> Array:
    """(V,) area of the surface around each vertex, a third of its triangles'."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6.0
    return np.bincount(triangles.reshape(-1), np.repeat(area, 3), len(vertices))


def components(shapes: Array, areas: Array, count: int) -> tuple[Array, Array]:
    """Mean (V, 3) and ``count`` components (V, 3, count) of shapes (N, V, 3), one standard deviation each.

    The first is stature: the regression of the shape on its height. The others are the principal components
        of what is left, so no slider but the first changes the height. Vertices count by their surface
        area: three quarters of them are face, fingers and toes, which would otherwise decide what a body
        shape is.
    """
    mean = shapes.mean(axis=0)
    centred = (shapes - mean).reshape(len(shapes), -1)
    height = np.ptp(shapes[:, :, 1], axis=1)
    score = (height - height.mean()) / height.std()
    stature = score @ centred / len(shapes)
    rest = centred - np.outer(score, stature)
    weight = np.repeat(np.sqrt(areas / areas.sum()), 3)
    # Gram matrix: many more coordinates than shapes.
    weighted = rest * weight
    _values, vectors = np.linalg.eigh(weighted @ weighted.T)
    scores = vectors[:, ::-1][:, : count - 1] * np.sqrt(len(shapes))
    others = rest.T @ scores / len(shapes)
    directions = np.concatenate([stature[:, None], others], axis=1).reshape(*mean.shape, count)
    # A positive coefficient makes the body larger.
    outward = mean - mean.mean(axis=0)
    growth = np.einsum("vdc,vd,v->c", directions, outward * [1.0, 0.0, 1.0], areas)
    directions = directions * np.where((growth < 0) & (np.arange(count) > 0), -1.0, 1.0)
    return mean, directions
