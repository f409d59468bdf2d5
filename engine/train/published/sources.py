"""Where an experiment's data and bodies are, all of them the user's own, and how they are opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...datasets.bodies import Bodies
from ...datasets.library import open_dataset
from ...datasets.mixed import MixedDataset
from ...datasets.sample import Dataset
from ...errors import EngineError
from .config import Experiment

HUMAN36M_REGRESSOR: Final = Path("Human36M") / "J_regressor_h36m_correct.npy"
COCO_REGRESSOR: Final = Path("COCO") / "J_regressor_coco.npy"


@dataclass(frozen=True)
class Sources:
    """What the user has.

    Attributes:
        data: a folder laid out like the published code's `data`, with both joint regressors where they are
            there.
        body: the neutral SMPL body, by imported name or file; None for hands.
        male, female: the same, for datasets with bodies of those genders.
        hand: MANO's file; None for bodies.
    """

    data: Path
    body: str | None = None
    male: str | None = None
    female: str | None = None
    hand: Path | None = None


def load_bodies(experiment: Experiment, sources: Sources) -> Bodies:
    """The bodies and regressors that the experiment's joint set calls for.

    Raises:
        EngineError: one is missing, damaged, or does not belong to the others.
    """
    if experiment.joint_set == "mano21":
        if sources.hand is None:
            raise EngineError(f"{experiment.name} is about hands: give your MANO_RIGHT.pkl with --hand.")
        return Bodies.load(hand=sources.hand)
    if sources.body is None:
        raise EngineError(
            f"{experiment.name} is about bodies: import your SMPL file (import-smpl) and name it with --body."
        )
    regressors: dict[str, Path] = {}
    if experiment.joint_set != "smpl24":
        regressors["human36m_regressor"] = sources.data / HUMAN36M_REGRESSOR
    if experiment.joint_set == "coco19":
        regressors["coco_regressor"] = sources.data / COCO_REGRESSOR
    return Bodies.load(sources.body, sources.male, sources.female, **regressors)


def open_training(experiment: Experiment, data: Path, bodies: Bodies) -> MixedDataset:
    """The training sets, mixed.

    Raises:
        EngineError: one is missing or unusable.
    """
    datasets = [
        open_dataset(
            name, data, bodies, "train", experiment.joint_set, experiment.stage, experiment.muco_slip
        )
        for name in experiment.train
    ]
    return MixedDataset(datasets, experiment.seed)


def open_test(experiment: Experiment, data: Path, bodies: Bodies, split: str = "test") -> Dataset:
    """The test set.

    Raises:
        EngineError: it is missing or unusable.
    """
    return open_dataset(experiment.test, data, bodies, split, experiment.joint_set)
