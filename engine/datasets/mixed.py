"""Several datasets as one: each sample comes from one of them, all equally likely, whatever their sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import EngineError
from .sample import Dataset, Sample


class MixedDataset:
    """An epoch of k datasets: k times the length of the longest.

    Every index draws a dataset, and in it the sample of that number; numbers past the last whole round of a
    shorter dataset are drawn at random. What an index gives follows from the seed, the epoch and the index
    alone, whoever asks and in whatever order: workers need no state, and a resumed training sees the same.
    """

    name = "mixed"

    def __init__(self, datasets: Sequence[Dataset], seed: int = 123, epoch: int = 0) -> None:
        """Mix datasets.

        Raises:
            EngineError: there is none, or they have different joints.
        """
        if not datasets:
            raise EngineError("No dataset was given; name at least one.")
        sets = {dataset.joint_set for dataset in datasets}
        if len(sets) > 1:
            raise EngineError(
                f"Datasets with different joint sets ({', '.join(sorted(sets))}) cannot be mixed; choose one."
            )
        self.datasets = tuple(datasets)
        self.joint_set = sets.pop()
        self._seed, self._epoch = seed, epoch
        self._longest = max(len(dataset) for dataset in datasets)

    def at_epoch(self, epoch: int) -> MixedDataset:
        """The same mixture with the draws of another epoch."""
        return MixedDataset(self.datasets, self._seed, epoch)

    def __len__(self) -> int:
        return len(self.datasets) * self._longest

    def source(self, index: int) -> tuple[int, int]:
        """Which dataset, and which of its samples, an index gives."""
        index = range(len(self))[index]
        random = np.random.default_rng((self._seed, self._epoch, index))
        chosen = int(random.integers(len(self.datasets)))
        length, number = len(self.datasets[chosen]), index % self._longest
        if number >= length * (self._longest // length):
            return chosen, int(random.integers(length))
        return chosen, number % length

    def __getitem__(self, index: int) -> Sample:
        chosen, number = self.source(index)
        return self.datasets[chosen][number]
