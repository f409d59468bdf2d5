"""Samples in batches: which sample of which dataset comes when, ready for the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ...datasets.mixed import MixedDataset
from ...datasets.sample import Dataset, Sample
from ...pose2mesh.skeletons import joint_set
from .config import Experiment
from .inputs import Augmentation, evaluation_input, training_input

EVALUATION_BATCH = 64
Batch = dict[str, Tensor]
"""`pose2d` (B, J, 2), and by the names of `Sample`: `lifted_joints`, `lifted_valid`; for "pose2mesh"
also `mesh_joints`, `vertices` and their masks."""


class TrainingSet(TorchDataset[dict[str, npt.NDArray[np.float32]]]):
    """One epoch's samples, shuffled and augmented; what is drawn depends on seed, epoch and place only."""

    def __init__(self, mixture: MixedDataset, experiment: Experiment, epoch: int) -> None:
        self._mixture = mixture.at_epoch(epoch)
        self._experiment = experiment
        self._joints = joint_set(experiment.joint_set)
        self._augmentation = Augmentation(noise=experiment.detected, mirror=experiment.mirror)
        self._seed = (experiment.seed, epoch)
        self._order = np.random.default_rng(self._seed).permutation(len(mixture))

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int) -> dict[str, npt.NDArray[np.float32]]:
        chosen, number = self._mixture.source(int(self._order[place]))
        dataset = self._mixture.datasets[chosen]
        sample = dataset[number]
        rng = np.random.default_rng((*self._seed, 1, place))
        pose2d, lifted = training_input(sample, dataset.name, self._joints, self._augmentation, rng)
        return _fields(sample, pose2d, lifted, self._experiment.stage == "pose2mesh")


class EvaluationSet(TorchDataset[dict[str, npt.NDArray[np.float32]]]):
    """A dataset in its order, as it is."""

    def __init__(self, dataset: Dataset, experiment: Experiment) -> None:
        self._dataset = dataset
        self._experiment = experiment

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> dict[str, npt.NDArray[np.float32]]:
        sample = self._dataset[index]
        pose2d = evaluation_input(sample, self._experiment.detected)
        return _fields(sample, pose2d, sample.lifted_joints, self._experiment.stage == "pose2mesh")


def training_batches(
    mixture: MixedDataset, experiment: Experiment, epoch: int, workers: int = 0, pinned: bool = False
) -> DataLoader[Any]:
    """An epoch in batches: an equal whole number of samples per dataset, 63 in all for three datasets.

    As published an epoch is as long as the longest dataset times their number, whatever their shares.
    `pinned` batches lie in page-locked memory, from which a GPU fetches them while it works.
    """
    samples = TrainingSet(mixture, experiment, epoch)
    batch = experiment.batch // len(mixture.datasets) * len(mixture.datasets)
    # A last batch of one sample has no batch statistics.
    return _loader(samples, batch, workers, pinned, drop_last=len(samples) % batch == 1)


def evaluation_batches(
    dataset: Dataset, experiment: Experiment, workers: int = 0, pinned: bool = False
) -> DataLoader[Any]:
    """The test dataset in batches of 64, in order."""
    return _loader(EvaluationSet(dataset, experiment), EVALUATION_BATCH, workers, pinned)


def on_device(batches: DataLoader[Any], device: torch.device) -> Iterator[Batch]:
    """The batches, each moved to the device while the one before is computed."""
    for batch in batches:
        yield {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def _loader(samples: Any, batch: int, workers: int, pinned: bool, drop_last: bool = False) -> DataLoader[Any]:
    return DataLoader(
        samples,
        batch_size=batch,
        shuffle=False,  # the order is the dataset's own
        num_workers=workers,
        pin_memory=pinned,
        drop_last=drop_last,
    )


def _fields(
    sample: Sample, pose2d: npt.NDArray[np.float32], lifted: npt.NDArray[np.float32], mesh: bool
) -> dict[str, npt.NDArray[np.float32]]:
    fields = {"pose2d": pose2d, "lifted_joints": lifted, "lifted_valid": sample.lifted_valid}
    if mesh:
        names = ("mesh_joints", "mesh_joints_valid", "vertices", "vertices_valid")
        fields |= {name: getattr(sample, name) for name in names}
    return fields
