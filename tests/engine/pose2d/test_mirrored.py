"""A frame and its mirror image are one detection of each person."""

from pathlib import Path

import numpy as np

from engine.pose2d.landmarker import Landmarker
from engine.pose2d.mirrored import MIRRORED_LANDMARK, merged, unmirrored
from engine.video.decode import VideoFile

SAMPLE = Path(__file__).parents[3] / "engine" / "assets" / "sample" / "balance_cam01.mp4"


def someone(seed: int, x: float = 200.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = np.empty((33, 3), np.float32)
    points[:, :2] = rng.uniform(0, 400, (33, 2)) + np.array([x, 50])
    points[:, 2] = 0.9
    return points


def test_a_mirrored_person_comes_back() -> None:
    person = someone(0)
    seen = person[MIRRORED_LANDMARK].copy()
    seen[:, 0] = 1000 - seen[:, 0]
    np.testing.assert_allclose(unmirrored(seen[None], 1000)[0], person, rtol=1e-4)
    assert unmirrored(np.zeros((0, 33, 3), np.float32), 1000).shape == (0, 33, 3)


def test_the_mean_of_both_looks() -> None:
    one = someone(1)
    other = one + np.array([6, -4, 0.08], np.float32)
    np.testing.assert_allclose(merged(one[None], other[None])[0], one + np.array([3, -2, 0.04]), rtol=1e-5)


def test_where_they_contradict_each_other_the_straight_look_counts() -> None:
    one = someone(2)
    other = one.copy()
    other[[15, 16]] = one[[16, 15]]  # the mirror exchanged the wrists
    other[:11, 0] += 2
    result = merged(one[None], other[None])[0]
    np.testing.assert_allclose(result[11:], one[11:])
    np.testing.assert_allclose(result[:11, 0], one[:11, 0] + 1, rtol=1e-5)


def test_somebody_else_or_another_pose_in_the_mirror_changes_nothing() -> None:
    first, second, third = someone(3), someone(4, x=700), someone(5, x=1200)
    straight = np.stack([first, second])
    np.testing.assert_array_equal(merged(straight, np.stack([third, first])), straight)
    np.testing.assert_array_equal(merged(straight, someone(6)[None]), straight)
    nobody = np.zeros((0, 33, 3), np.float32)
    assert merged(nobody, nobody).shape == merged(nobody, straight).shape == (0, 33, 3)
    np.testing.assert_array_equal(merged(straight, nobody), straight)


def test_the_man_in_the_sample_is_found_once() -> None:
    with Landmarker() as plain, Landmarker(mirrored=True) as both:
        for frame in VideoFile(SAMPLE, 0, 2):
            alone, found = plain.detect(frame), both.detect(frame)
            assert found.shape == alone.shape == (1, 33, 3)
            assert 0 < np.median(np.linalg.norm(found[0, :, :2] - alone[0, :, :2], axis=-1)) < 15
