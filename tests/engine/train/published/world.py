"""A tiny body on a real (hand-shaped, synthetic) surface, and datasets of it in the published formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from engine.body.model import FORMAT, SMPL_PARENTS, BodyModel
from engine.datasets.bodies import Bodies, posed
from tests.engine.datasets import tiny
from tests.engine.pose2mesh.golden import golden

FACES = golden("mano")["faces"].astype(np.int64)
VERTICES = int(FACES.max()) + 1
_LATENT = 3

NARROW = """
[network]
hidden = 256
joint_widths = [8, 16, 16]
level_widths = [[16, 16], [16, 16], [16, 16], [16, 16], [16, 16], [16, 16], [16, 16], [16, 16]]
output_widths = [16]
"""


def _near(points: np.ndarray, places: np.ndarray, reach: float) -> np.ndarray:
    """(N, V) weights of the points around each place, rows sum to 1."""
    weights = np.exp(-(((places[:, None] - points[None]) / reach) ** 2).sum(axis=-1))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _body() -> BodyModel:
    random = np.random.default_rng(2)
    template = golden("mano")["template_vertices"].astype(np.float64)
    template = (template - template.mean(axis=0)) / np.ptp(template, axis=0).max() * 1.7
    anchors = template[np.linspace(0, VERTICES - 1, 24).astype(int)]
    skinning = _near(anchors, template, 0.25)
    return BodyModel.from_arrays(
        {
            "format": np.array(FORMAT),
            "name": np.array("tiny"),
            "v_template": template,
            "shapedirs": random.normal(0, 0.003, (VERTICES, 3, 10)),
            "posedirs": np.zeros((207, VERTICES, 3)),
            "weights": skinning,
            "joint_regressor": _near(template, anchors, 0.1),
            "landmark_regressor": _near(template, random.choice(template, 33), 0.1),
            "parents": np.array(SMPL_PARENTS),
            "triangles": FACES,
        }
    )


def bodies() -> Bodies:
    """The body as all three genders, and regressors of 17 places spread over it."""
    body = _body()
    places = body.v_template[np.linspace(3, VERTICES - 4, 17).astype(int)].astype(np.float64)
    regressor = _near(body.v_template.astype(np.float64), places, 0.06)
    return Bodies(dict.fromkeys(("neutral", "male", "female"), body), regressor, regressor)


def save_bodies(data: Path, folder: Path) -> Path:
    """The same as a user has them: a body file, and both regressors in their published places."""
    world = bodies()
    for part, matrix in (
        ("Human36M/J_regressor_h36m_correct", world.human36m),
        ("COCO/J_regressor_coco", world.coco),
    ):
        (data / part).parent.mkdir(parents=True, exist_ok=True)
        np.save(data / f"{part}.npy", matrix)
    body = world.body("neutral")
    arrays = {
        name: getattr(body, name)
        for name in (
            "v_template",
            "shapedirs",
            "posedirs",
            "weights",
            "joint_regressor",
            "landmark_regressor",
            "parents",
        )
    }
    path = folder / "tiny.npz"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(path, format=np.array(FORMAT), name=np.array("tiny"), triangles=FACES, **arrays)
    return path


def save_hand(folder: Path) -> Path:
    """A hand on the same surface, in MANO's arrays."""
    random = np.random.default_rng(5)
    template = golden("mano")["template_vertices"].astype(np.float64)
    template = (template - template.mean(axis=0)) / np.ptp(template, axis=0).max() * 0.2
    anchors = template[np.linspace(0, VERTICES - 1, 16).astype(int)]
    parents = [-1, *(0 if joint % 3 == 1 else joint - 1 for joint in range(1, 16))]
    path = folder / "MANO_RIGHT.npz"
    np.savez(
        path,
        v_template=template,
        shapedirs=random.normal(0, 3e-4, (VERTICES, 3, 10)),
        posedirs=np.zeros((VERTICES, 3, 135)),
        weights=_near(anchors, template, 0.03),
        J_regressor=_near(template, anchors, 0.01),
        hands_mean=np.zeros(45),
        f=FACES,
        kintree_table=np.array([parents, range(16)]),
    )
    return path


def fits(count: int, seed: int) -> list[dict[str, Any]]:
    """Poses that a few numbers describe, so that a small network can learn them."""
    directions = np.random.default_rng(0).normal(0, 0.15, (_LATENT, 72))
    random = np.random.default_rng(seed)
    return [
        {
            "pose": (random.normal(0, 1, _LATENT) @ directions).tolist(),
            "shape": random.normal(0, 0.5, 10).tolist(),
            "trans": [0.0, 0.0, 0.0],
        }
        for _ in range(count)
    ]


def write_human36m(data: Path, train: int, test: int, people: Bodies) -> None:
    """Human3.6M with `train` frames of S1, `test` of S9 and one of the others, before one camera."""
    body = people.body("neutral")
    upright = Rotation.from_euler("x", 180, degrees=True).as_matrix()
    detections = {}
    for subject in (1, 5, 6, 7, 8, 9, 11):
        every = 50 if subject in (9, 11) else 5
        count = {1: train, 9: test}.get(subject, 1)
        camera = {"R": upright.tolist(), "t": [0.0, 0.0, 5000.0], "f": [1145.0, 1144.0], "c": [512.0, 515.0]}
        images, marks, params, joints = [], [], {}, {}
        for number, fit in enumerate(fits(count, subject)):
            frame = every * number
            vertices = posed(body, *(np.asarray(fit[part]) for part in ("pose", "shape", "trans"))).vertices
            world = 1000.0 * people.human36m @ vertices
            image = 10000 * subject + frame
            name = f"s_{subject:02d}_act_02_subact_01_ca_01_{frame:06d}.jpg"
            params[str(frame)], joints[str(frame)] = fit, world.tolist()
            images.append(
                {
                    "id": image,
                    "file_name": name,
                    "width": 1000,
                    "height": 1002,
                    "subject": subject,
                    "action_idx": 2,
                    "subaction_idx": 1,
                    "frame_idx": frame,
                    "cam_idx": 1,
                }
            )
            marks.append({"id": image, "image_id": image, "bbox": [10.0, 10.0, 300.0, 500.0]})
            if every == 50:
                seen = world @ upright.T + camera["t"]
                detections[name] = tiny.pinhole(seen, camera["f"], camera["c"]).tolist()
        path = data / "Human36M" / "annotations" / f"Human36M_subject{subject}"
        tiny.write(path.with_name(f"{path.name}_data.json"), {"images": images, "annotations": marks})
        tiny.write(path.with_name(f"{path.name}_camera.json"), {"1": camera})
        tiny.write(path.with_name(f"{path.name}_joint_3d.json"), {"2": {"1": joints}})
        tiny.write(path.with_name(f"{path.name}_smpl_param.json"), {"2": {"1": params}})
    tiny.write(data / "Human36M" / "absnet_output_on_testset.json", detections)


def write_config(folder: Path, name: str, shipped: str, changes: Sequence[tuple[str, str]]) -> Path:
    """A shipped configuration as a file, narrow, with some of its lines changed."""
    from engine.train.published.config import CONFIGS

    lines = (CONFIGS / f"{shipped}.toml").read_text().splitlines()
    for key, value in changes:
        where = next(i for i, line in enumerate(lines) if line.startswith(f"{key} ="))
        lines[where] = f"{key} = {value}"
    path = folder / f"{name}.toml"
    path.write_text("\n".join(lines) + NARROW)
    return path
