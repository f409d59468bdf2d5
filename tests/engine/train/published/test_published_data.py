"""Which samples make an epoch and its batches; the same ones whenever and by whomever they are asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.datasets.mixed import MixedDataset
from engine.datasets.sample import Sample
from engine.train.published.config import Experiment, load_experiment
from engine.train.published.data import TrainingSet, evaluation_batches, training_batches

POSENET = load_experiment("published_coco_muco_posenet")
FULL = load_experiment("published_coco_muco_full")


class Numbered:
    """A dataset whose samples say in their first vertex whose and which they are."""

    joint_set = "coco19"

    def __init__(self, name: str, mark: int, length: int) -> None:
        self.name, self._mark, self._length = name, mark, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        pose = np.random.default_rng(index).uniform(0, 500, (19, 2)).astype(np.float32)
        points = np.zeros((19, 3), np.float32)
        points[0] = (self._mark, index, 0)
        mask = np.ones((19, 1), np.float32)
        return Sample(pose, np.array([0, 0, 500, 500], np.float32), points, points, points, mask, mask, mask)


def three() -> MixedDataset:
    return MixedDataset([Numbered("human36m", 0, 90), Numbered("coco", 1, 40), Numbered("muco", 2, 7)], 123)


def seen(
    mixture: MixedDataset, experiment: Experiment, epoch: int, workers: int = 0
) -> list[dict[str, torch.Tensor]]:
    return list(training_batches(mixture, experiment, epoch, workers))


def test_three_datasets_share_batches_of_63_for_three_times_the_longest() -> None:
    batches = seen(three(), FULL, 1)
    assert [len(batch["pose2d"]) for batch in batches] == [63] * 4 + [270 - 4 * 63]
    marks = torch.cat([batch["vertices"][:, 0, 0] for batch in batches])
    counts = torch.bincount(marks.long(), minlength=3)
    assert all(60 < int(count) < 120 for count in counts)  # each a third of 270


def test_one_dataset_is_gone_through_once_in_another_order_every_epoch() -> None:
    mixture = MixedDataset([Numbered("human36m", 0, 130)], 123)
    orders = [
        torch.cat([batch["vertices"][:, 0, 1] for batch in seen(mixture, FULL, epoch)]) for epoch in (1, 2)
    ]
    for order in orders:
        assert sorted(order.tolist()) == list(range(130))
    assert orders[0].tolist() != orders[1].tolist()


def test_an_epoch_is_the_same_whoever_prepares_it() -> None:
    first, again, helped = (
        seen(three(), POSENET, 3),
        seen(three(), POSENET, 3),
        seen(three(), POSENET, 3, workers=1),
    )
    for a, b, c in zip(first, again, helped, strict=True):
        assert torch.equal(a["pose2d"], b["pose2d"]) and torch.equal(a["pose2d"], c["pose2d"])
        assert torch.equal(a["lifted_joints"], c["lifted_joints"])
    other = seen(three(), POSENET, 4)
    assert not torch.equal(first[0]["pose2d"], other[0]["pose2d"])
    another_seed = seen(MixedDataset(three().datasets, 5), replace(POSENET, seed=5), 3)
    assert not torch.equal(first[0]["pose2d"], another_seed[0]["pose2d"])


def test_the_same_sample_gets_new_errors_every_epoch() -> None:
    mixture = MixedDataset([Numbered("coco", 1, 3)], 123)
    poses = []
    for epoch in (1, 2):
        samples = TrainingSet(mixture, FULL, epoch)
        by_number = {
            int(item["vertices"][0, 1]): item["pose2d"] for item in map(samples.__getitem__, range(3))
        }
        poses.append(by_number[0])
    assert np.abs(poses[0] - poses[1]).max() > 1e-3


def test_a_last_batch_of_one_is_left_out() -> None:
    mixture = MixedDataset([Numbered("coco", 1, 65)], 123)
    assert [len(batch["pose2d"]) for batch in seen(mixture, FULL, 1)] == [64]
    mixture = MixedDataset([Numbered("coco", 1, 66)], 123)
    assert [len(batch["pose2d"]) for batch in seen(mixture, FULL, 1)] == [64, 2]


@pytest.mark.parametrize("experiment", [POSENET, FULL])
def test_test_batches_keep_the_order_and_add_nothing(experiment: Experiment) -> None:
    dataset = Numbered("pw3d", 3, 70)
    batches = list(evaluation_batches(dataset, experiment))
    assert [len(batch["pose2d"]) for batch in batches] == [64, 6]
    numbers = torch.cat([batch["lifted_joints"][:, 0, 1] for batch in batches])
    assert numbers.tolist() == list(range(70))
    assert ("vertices" in batches[0]) == (experiment is FULL)
    pose = batches[0]["pose2d"]
    torch.testing.assert_close(pose.std(dim=1, unbiased=False), torch.ones(64, 2))
