"""Tiny bodies, and SMPL and MANO written out plainly, against which the loaders' numbers are held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from engine.body.model import FORMAT, SMPL_PARENTS, BodyModel
from engine.datasets.bodies import Bodies
from engine.datasets.hand import HandModel
from engine.datasets.sample import Dataset, Sample

VERTICES = 40
HAND_VERTICES = 30
HAND_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)


def _rows(random: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A matrix whose rows are weights of a few columns each, like SMPL's."""
    matrix = np.zeros((rows, columns))
    for row in matrix:
        row[random.choice(columns, 4, replace=False)] = random.uniform(0.2, 1.0, 4)
    return matrix / matrix.sum(axis=1, keepdims=True)


def body(seed: int) -> BodyModel:
    """A cloud of vertices of a person's size, skinned at random, with shapes and pose correctives."""
    random = np.random.default_rng(seed)
    return BodyModel.from_arrays(
        {
            "format": np.array(FORMAT),
            "name": np.array("tiny"),
            "v_template": random.uniform(-1, 1, (VERTICES, 3)) * (0.4, 0.9, 0.2) + (0.0, 0.2, 0.05),
            "shapedirs": random.normal(0, 0.02, (VERTICES, 3, 10)),
            "posedirs": random.normal(0, 0.003, (207, VERTICES, 3)),
            "weights": _rows(random, VERTICES, 24),
            "joint_regressor": _rows(random, 24, VERTICES),
            "landmark_regressor": _rows(random, 33, VERTICES),
            "parents": np.array(SMPL_PARENTS),
            "triangles": random.integers(0, VERTICES, (20, 3)),
        }
    )


def hand(seed: int = 9) -> HandModel:
    random = np.random.default_rng(seed)
    return HandModel(
        v_template=random.uniform(-0.1, 0.1, (HAND_VERTICES, 3)),
        shapedirs=random.normal(0, 0.003, (HAND_VERTICES, 3, 10)),
        posedirs=random.normal(0, 0.001, (HAND_VERTICES, 3, 135)),
        weights=_rows(random, HAND_VERTICES, 16),
        joint_regressor=_rows(random, 16, HAND_VERTICES),
        parents=np.array(HAND_PARENTS),
        hands_mean=random.normal(0, 0.3, 45),
        triangles=random.integers(0, HAND_VERTICES, (10, 3)),
        tips=(20, 21, 22, 23, 24),
        regressor_tips=(20, 21, 25, 23, 24),
    )


def bodies() -> Bodies:
    random = np.random.default_rng(4)
    return Bodies(
        {"neutral": body(1), "male": body(2), "female": body(3)},
        _rows(random, 17, VERTICES),
        _rows(random, 17, VERTICES),
        hand(),
    )


def _skinned(
    template: np.ndarray,
    weights: np.ndarray,
    regressor: np.ndarray,
    parents: Any,
    shapes: np.ndarray,
    correctives: np.ndarray,
    pose: np.ndarray,
    betas: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Homogeneous 4 x 4 matrices, joint by joint and vertex by vertex: the paper's equations 2 to 10."""
    local = Rotation.from_rotvec(np.reshape(pose, (-1, 3))).as_matrix()
    shaped = template + np.einsum("vck,k->vc", shapes, betas)
    centres = regressor @ shaped
    rest = shaped + np.einsum("vck,k->vc", correctives, (local[1:] - np.eye(3)).reshape(-1))
    world: list[np.ndarray] = []
    for j in range(len(local)):
        step = np.eye(4)
        step[:3, :3] = local[j]
        step[:3, 3] = centres[j] - (centres[parents[j]] if j else 0)
        world.append(world[parents[j]] @ step if j else step)
    vertices = np.zeros_like(rest)
    for v, point in enumerate(rest):
        for j, matrix in enumerate(world):
            vertices[v] += weights[v, j] * (matrix @ np.append(point - centres[j], 1.0))[:3]
    return vertices, np.stack([matrix[:3, 3] for matrix in world])


def smpl(model: BodyModel, pose: Any, betas: Any, trans: Any = (0, 0, 0)) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints in metres, as the published layer gives them."""
    assert model.posedirs is not None
    vertices, joints = _skinned(
        model.v_template.astype(float),
        model.weights.astype(float),
        model.joint_regressor.astype(float),
        model.parents,
        model.shapedirs.astype(float),
        model.posedirs.transpose(1, 2, 0).astype(float),
        np.asarray(pose, float),
        np.asarray(betas, float),
    )
    return vertices + np.asarray(trans, float), joints + np.asarray(trans, float)


def mano(model: HandModel, pose: Any, betas: Any) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and the 21 joints in metres, in the published order."""
    full = np.asarray(pose, float) + np.concatenate((np.zeros(3), model.hands_mean))
    vertices, joints = _skinned(
        model.v_template,
        model.weights,
        model.joint_regressor,
        model.parents,
        model.shapedirs,
        model.posedirs,
        full,
        np.asarray(betas, float),
    )
    thumb, index, middle, ring, pinky = (
        np.concatenate((joints[base : base + 3], vertices[[tip]]))
        for base, tip in zip((13, 1, 4, 10, 7), model.tips, strict=True)
    )
    return vertices, np.concatenate((joints[:1], thumb, index, middle, ring, pinky))


def turned_pose(pose: Any, rotation: np.ndarray) -> np.ndarray:
    """The pose with its root turned by a rotation, as the published loaders do it."""
    turned = np.array(pose, float)
    turned[:3] = Rotation.from_matrix(rotation @ Rotation.from_rotvec(turned[:3]).as_matrix()).as_rotvec()
    return turned


def pinhole(points: np.ndarray, focal: Any, centre: Any) -> np.ndarray:
    return np.array([[x / z * focal[0] + centre[0], y / z * focal[1] + centre[1]] for x, y, z in points])


def coco19(regressor: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    joints = regressor @ mesh
    return np.vstack((joints, (joints[11] + joints[12]) / 2, (joints[5] + joints[6]) / 2))


def fit(random: np.random.Generator, **more: Any) -> dict[str, Any]:
    """SMPL parameters as the annotation files hold them."""
    return {
        "pose": random.normal(0, 0.4, 72).tolist(),
        "shape": random.normal(0, 0.8, 10).tolist(),
        "trans": [0.2, -0.1, 4.0],
        **more,
    }


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def samples(dataset: Dataset) -> list[Sample]:
    return [dataset[index] for index in range(len(dataset))]
