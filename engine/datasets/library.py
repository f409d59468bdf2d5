"""A dataset by its name, from a folder laid out like the published code's `data`."""

from __future__ import annotations

from pathlib import Path

from ..errors import EngineError
from .amass import Amass
from .bodies import Bodies
from .coco import Coco
from .freihand import FreiHand
from .human36m import Human36M
from .muco import MuCo
from .pw3d import Pw3d
from .sample import Dataset
from .surreal import Surreal

FOLDERS = {
    "human36m": "Human36M",
    "coco": "COCO",
    "muco": "MuCo",
    "amass": "AMASS",
    "pw3d": "PW3D",
    "surreal": "SURREAL",
    "freihand": "FreiHAND",
}
STAGES = ("posenet", "pose2mesh")
_TRAIN_ONLY = ("coco", "muco", "amass")


def open_dataset(
    name: str,
    data: Path | str,
    bodies: Bodies,
    split: str = "train",
    joint_set: str | None = None,
    stage: str = "pose2mesh",
    as_published: bool = False,
) -> Dataset:
    """Open a dataset in ``data``, the folder that holds ``Human36M``, ``COCO`` and the others.

    Args:
        name: one of ``FOLDERS``.
        split: "train" or "test"; COCO, MuCo and AMASS have the first only, 3DPW "validation" too.
        joint_set: the input's, where the dataset has two; its usual one otherwise.
        stage: "posenet" for PoseNet's own training, "pose2mesh" for the whole network and for tests.
        as_published: repeat the published slip that voids MuCo (see ``muco``).

    Raises:
        EngineError: no such dataset, split or joint set, or its files cannot be used.
    """
    if name not in FOLDERS:
        raise EngineError(f"There is no dataset {name!r}; choose one of {', '.join(FOLDERS)}.")
    if stage not in STAGES:
        raise EngineError(f"There is no training stage {stage!r}; choose {' or '.join(STAGES)}.")
    root = Path(data) / FOLDERS[name]
    if not root.is_dir():
        raise EngineError(f"The dataset folder {root} does not exist; docs/datasets.md shows the layout.")
    if name in _TRAIN_ONLY and split != "train":
        raise EngineError(f"{FOLDERS[name]} has no split {split!r}; it is for training only.")
    dataset = _open(name, root, bodies, split, joint_set, stage, as_published)
    if joint_set is not None and dataset.joint_set != joint_set:
        raise EngineError(f"{FOLDERS[name]} has no joint set {joint_set!r}; choose {dataset.joint_set}.")
    return dataset


def _open(
    name: str, root: Path, bodies: Bodies, split: str, joint_set: str | None, stage: str, as_published: bool
) -> Dataset:
    match name:
        case "human36m":
            return Human36M(root, bodies, split, joint_set or "human36m17")
        case "coco":
            return Coco(root, bodies, joint_set or "coco19")
        case "muco":
            return MuCo(root, bodies, joint_set or "coco19", stage, as_published)
        case "amass":
            return Amass(root, bodies, joint_set or "coco19", stage)
        case "pw3d":
            return Pw3d(root, bodies, split)
        case "surreal":
            return Surreal(root, bodies, split)
        case _:
            return FreiHand(root, bodies, split)
