"""3DPW's people, frame by frame, from either kind of file: the published annotations or the official ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..body import unpickle
from ..errors import EngineError
from .annotations import has_extent, read_annotations
from .camera import Pinhole
from .files import REMEDY, no_samples, numbers, reading

Array = npt.NDArray[Any]

GENDERS = {"f": "female", "m": "male"}


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """A person in a picture; the body's parameters are in a frame that ``rotation`` and ``offset`` take to
    the camera's.
    """

    mark: int
    person: int
    video: str
    image: str
    camera: Pinhole
    pose: Array  # (72,)
    betas: Array  # (10,)
    trans: Array  # (3,) m
    gender: str
    rotation: Array = field(default_factory=lambda: np.eye(3))
    offset: Array = field(default_factory=lambda: np.zeros(3))  # m


def annotated_rows(path: Path) -> list[Row]:
    """The people of ``3DPW_latest_SPLIT.json``, whose parameters are in the camera's axes.

    Raises:
        EngineError: the file is missing, damaged, empty or of another layout.
    """
    annotations = read_annotations(path)
    rows = []
    for mark in annotations.marks:
        with reading(path):
            if not has_extent(mark["bbox"]):
                continue
            image, fit, key = annotations.images[mark["image_id"]], mark["smpl_param"], mark["id"]
            camera = Pinhole(
                numbers(image["cam_param"]["focal"], f"the focal length of annotation {key}", 2),
                numbers(image["cam_param"]["princpt"], f"the principal point of annotation {key}", 2),
            )
            rows.append(
                Row(
                    int(key),
                    int(mark["person_id"]),
                    str(image["sequence"]),
                    str(image["file_name"]),
                    camera,
                    numbers(fit["pose"], f"the pose of annotation {key}", 72),
                    numbers(fit["shape"], f"the shape of annotation {key}", 10),
                    numbers(fit["trans"], f"the translation of annotation {key}", 3),
                    str(fit["gender"]),
                )
            )
    if not rows:
        raise no_samples(path)
    return rows


def sequence_rows(folder: Path) -> list[Row]:
    """The people of every official sequence file (`.pkl`) of a folder, read without running it.

    As in the published conversion, frames whose camera is marked invalid are left out, and people none of
    whose joints is in the picture; the picture is taken to be twice the principal point in size.

    Raises:
        EngineError: there is no file, or one is damaged, holds code or is of another layout.
    """
    paths = sorted(folder.glob("*.pkl"))
    rows = [row for path in paths for row in _sequence(path)]
    if not rows:
        raise EngineError(f"The folder {folder} holds no usable sequence file; {REMEDY}.")
    return rows


def _sequence(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        content = unpickle.load(file, str(path))
    with reading(path):
        if not isinstance(content, dict):
            raise ValueError(f"{type(content).__name__} instead of dict")
        video = str(content["sequence"])
        lens = numbers(content["cam_intrinsics"], "cam_intrinsics", 3, 3)
        camera = Pinhole(lens[[0, 1], [0, 1]], lens[:2, 2])
        views = np.asarray(content["cam_poses"], np.float64)
        views = numbers(views, "cam_poses", len(views), 4, 4).astype(np.float64)
        frames = len(views)
        for person, letter in enumerate(content["genders"]):
            who = f"of person {person}"
            poses = numbers(content["poses"][person], f"poses {who}", frames, 72)
            places = numbers(content["trans"][person], f"trans {who}", frames, 3)
            joints = numbers(content["jointPositions"][person], f"jointPositions {who}", frames, 24, 3)
            betas = np.asarray(content["betas"][person], np.float32).reshape(-1)[:10]
            betas = numbers(betas, f"betas {who}", 10)
            valid = numbers(content["campose_valid"][person], f"campose_valid {who}", frames) != 0
            for frame in np.flatnonzero(valid):
                rotation, offset = views[frame, :3, :3], views[frame, :3, 3]
                if _in_picture(joints[frame] @ rotation.T + offset, camera):
                    yield Row(
                        mark=-1,
                        person=person,
                        video=video,
                        image=f"image_{frame:05d}.jpg",
                        camera=camera,
                        pose=poses[frame],
                        betas=betas,
                        trans=places[frame],
                        gender=GENDERS[str(letter)],
                        rotation=rotation,
                        offset=offset,
                    )


def _in_picture(joints: Array, camera: Pinhole) -> bool:
    found = camera.project(joints)
    return bool(((found >= 0) & (found < 2 * camera.centre)).all(axis=1).any())
