"""Human3.6M with SMPL fits: five subjects to train on, two to test on, four cameras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .annotations import has_extent, read_annotations
from .bodies import Bodies, credible, posed
from .camera import Pinhole
from .files import no_samples, numbers, points, read_json, reading, without
from .sample import Sample
from .targets import BODY_SETS, aligned_distance, body_sample, checked_set, checked_split, masked

Array = npt.NDArray[Any]

SUBJECTS = {"train": (1, 5, 6, 7, 8), "test": (9, 11)}
EVERY = {"train": 5, "test": 50}
LARGEST_FIT_ERROR = 25.0  # mm
DETECTIONS = "absnet_output_on_testset.json"


@dataclass(frozen=True, eq=False)
class _Camera:
    rotation: Array  # (3, 3), world to camera
    translation: Array  # (3,) mm
    lens: Pinhole


@dataclass(frozen=True, eq=False)
class _Frame:
    pose: Array  # (72,)
    betas: Array  # (10,)
    trans: Array  # (3,) m
    joints: Array  # (17, 3) mm, world


@dataclass(frozen=True, eq=False, slots=True)
class _Row:
    image: str
    camera: _Camera
    frame: _Frame


class Human36M:
    """Annotations under ``annotations/``, detections for the test split beside it.

    The measured joints are the targets; the fit gives the vertices. Where the fit is more than 25 mm from
    the measured joints (mean, after their means coincide) the vertices are not valid, and with COCO's
    joints, which come from the fit, neither are the lifted joints. Every body is the neutral one, and shapes
    with a coefficient beyond 3 are the mean shape.
    """

    name = "human36m"

    def __init__(
        self, root: Path | str, bodies: Bodies, split: str = "train", joint_set: str = "human36m17"
    ) -> None:
        """Read one split.

        Args:
            root: the folder ``Human36M`` of the published layout.
            bodies: the neutral body and the Human3.6M regressor; for "coco19" COCO's too.
            split: "train" (S1, 5, 6, 7, 8, every 5th frame) or "test" (S9, 11, every 50th).
            joint_set: "human36m17" or "coco19".

        Raises:
            EngineError: a file is missing, damaged, empty or of another layout.
        """
        self.joint_set = checked_set(joint_set, BODY_SETS, "Human3.6M")
        self.split = checked_split(split, tuple(SUBJECTS), "Human3.6M")
        self._bodies, self._body = bodies, bodies.body("neutral")
        self._check_regressors()
        folder = Path(root) / "annotations"
        rows = [row for subject in SUBJECTS[split] for row in _subject(folder, subject, EVERY[split])]
        self._rows = sorted(rows, key=lambda row: row.image)
        self._detected: dict[str, Array] = {}
        if split == "test" and joint_set == "human36m17":
            self._detected = self._detections(Path(root) / DETECTIONS)

    def _check_regressors(self) -> None:
        _ = self._bodies.human36m
        if self.joint_set == "coco19":
            _ = self._bodies.coco

    def _detections(self, path: Path) -> dict[str, Array]:
        with reading(path):
            content = read_json(path)
            found = {
                row.image: points(content[row.image], f"the pose of {row.image}", 17, 2)
                for row in self._rows
                if row.image in content
            }
        if missing := [row.image for row in self._rows if row.image not in found]:
            raise without(missing, path, "the 2D pose")
        return found

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        row = self._rows[index]
        frame, camera = row.frame, row.camera
        body = posed(self._body, frame.pose, credible(frame.betas), frame.trans)
        mesh = 1000.0 * body.vertices @ camera.rotation.T + camera.translation
        measured = frame.joints @ camera.rotation.T + camera.translation
        sample = body_sample(
            self._bodies, self.joint_set, mesh, camera.lens, measured, self._detected.get(row.image)
        )
        if aligned_distance(measured, self._bodies.human36m @ mesh) <= LARGEST_FIT_ERROR:
            return sample
        if self.joint_set == "coco19":
            return masked(sample, "vertices_valid", "lifted_valid")
        return masked(sample, "vertices_valid")


def _subject(folder: Path, subject: int, every: int) -> list[_Row]:
    paths = {
        part: folder / f"Human36M_subject{subject}_{part}.json"
        for part in ("data", "camera", "joint_3d", "smpl_param")
    }
    annotations = read_annotations(paths["data"])
    cameras = _cameras(paths["camera"])
    fits, joints = read_json(paths["smpl_param"]), read_json(paths["joint_3d"])
    frames: dict[tuple[str, str, str], _Frame] = {}
    rows = []
    for mark in annotations.marks:
        with reading(paths["data"]):
            image = annotations.images[mark["image_id"]]
            if int(image["frame_idx"]) % every != 0 or not has_extent(mark["bbox"]):
                continue
            key = (str(image["action_idx"]), str(image["subaction_idx"]), str(image["frame_idx"]))
            name = str(image["file_name"]).rsplit("/", 1)[-1]
            camera_name = str(image["cam_idx"])
        if key not in frames:
            with reading(paths["smpl_param"]):
                fit = fits.get(key[0], {}).get(key[1], {}).get(key[2])
            if fit is None:  # frames without a fit are left out, as published
                continue
            what = f"action {key[0]}, {key[1]}, frame {key[2]}"
            with reading(paths["joint_3d"]):
                world = points(joints[key[0]][key[1]][key[2]], what, 17, 3)
            with reading(paths["smpl_param"]):
                frames[key] = _Frame(
                    numbers(fit["pose"], f"the pose of {what}", 72),
                    numbers(fit["shape"], f"the shape of {what}", 10),
                    numbers(fit["trans"], f"the translation of {what}", 3),
                    world,
                )
        with reading(paths["camera"]):
            rows.append(_Row(name, cameras[camera_name], frames[key]))
    if not rows:
        raise no_samples(paths["smpl_param"])
    return rows


def _cameras(path: Path) -> dict[str, _Camera]:
    with reading(path):
        return {
            name: _Camera(
                numbers(camera["R"], f"R of camera {name}", 3, 3).astype(np.float64),
                numbers(camera["t"], f"t of camera {name}", 3).astype(np.float64),
                Pinhole(
                    numbers(camera["f"], f"f of camera {name}", 2),
                    numbers(camera["c"], f"c of camera {name}", 2),
                ),
            )
            for name, camera in read_json(path).items()
        }
