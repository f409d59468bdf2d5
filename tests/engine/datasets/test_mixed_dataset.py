"""Mixing: equal shares whatever the sizes, and draws that depend on seed, epoch and index alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from engine.datasets.mixed import MixedDataset
from engine.datasets.sample import Dataset
from engine.errors import EngineError


@dataclass
class Numbers:
    """Its samples are (length, number)."""

    length: int
    joint_set: str = "coco19"
    name: str = "numbers"

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[int, int]:
        return self.length, range(self.length)[index]


def mixed(*lengths: int, **options: int) -> MixedDataset:
    datasets: list[Dataset] = [Numbers(length) for length in lengths]  # type: ignore[list-item]
    return MixedDataset(datasets, **options)


def test_an_epoch_is_k_times_the_longest() -> None:
    mixture = mixed(500, 70, 3)
    assert len(mixture) == 1500 and (mixture.name, mixture.joint_set) == ("mixed", "coco19")
    shares = Counter(mixture.source(index)[0] for index in range(1500))
    assert all(abs(share - 500) < 5 * np.sqrt(500) for share in shares.values())


def test_numbers_go_round_shorter_datasets_and_are_drawn_past_the_last_whole_round() -> None:
    mixture = mixed(550, 70)
    drawn = []
    for index in range(len(mixture)):
        chosen, number = mixture.source(index)
        if chosen == 0:
            assert number == index % 550
        elif index % 550 < 490:  # seven rounds of 70
            assert number == index % 550 % 70
        else:
            assert 0 <= number < 70
            drawn.append(number == index % 550 % 70)
    assert len(drawn) > 5 and not all(drawn)


def test_draws_follow_from_seed_epoch_and_index() -> None:
    def draws(mixture: MixedDataset) -> list[tuple[int, int]]:
        return [mixture.source(index) for index in range(len(mixture))]

    first = draws(mixed(40, 30))
    assert first == draws(mixed(40, 30)) and first == draws(mixed(40, 30, seed=123).at_epoch(0))
    assert first[::-1] == [mixed(40, 30).source(index) for index in reversed(range(80))]
    assert first != draws(mixed(40, 30).at_epoch(1)) and first != draws(mixed(40, 30, seed=4))


def test_samples_are_the_datasets_own() -> None:
    mixture = mixed(10, 4)
    for index in range(-20, 20):
        chosen, number = mixture.source(index)
        assert mixture[index] == ((10, 4)[chosen], number)
    with pytest.raises(IndexError):
        mixture[20]


def test_what_cannot_be_mixed() -> None:
    with pytest.raises(EngineError, match="at least one"):
        MixedDataset([])
    with pytest.raises(EngineError, match=r"different joint sets \(coco19, smpl24\)"):
        MixedDataset([Numbers(2), Numbers(3, "smpl24")])  # type: ignore[list-item]
