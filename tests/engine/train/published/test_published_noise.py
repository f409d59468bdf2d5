"""The two error models of the published training: their statistics, and the second against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from engine.pose2mesh.preprocess import NETWORK_SIZE
from engine.pose2mesh.skeletons import joint_set
from engine.train.published.noise import (
    COCO_SIGMAS,
    HUMAN36M_ERRORS,
    INVERSION_SHARE,
    JITTER_SHARE,
    MISS_SHARE,
    coco_errors,
    human36m_errors,
    similarity_radius,
)

NAMES = joint_set("coco19").joints
AREA = 200.0 * 330.0
PAIRS = joint_set("coco19").flip_pairs
APART = np.stack((1000.0 * np.arange(17), np.zeros(17)), axis=1)  # no two joints anywhere near each other


def within(found: float, expected: float, draws: int) -> bool:
    """Five standard deviations of a binomial share."""
    return abs(found - expected) < 5 * np.sqrt(max(expected * (1 - expected), 1e-9) / draws)


def test_human36m_errors_have_the_measured_moments() -> None:
    rng = np.random.default_rng(0)
    draws = np.stack([human36m_errors(rng) for _ in range(5000)]) * 256.0 / NETWORK_SIZE
    share = HUMAN36M_ERRORS[:, 4]
    for j, name in enumerate(joint_set("human36m17").joints):
        there = (draws[:, j] != 0).any(axis=1)
        assert within(float(there.mean()), share[j], len(draws)), name
        errors = draws[there, j]
        spread = HUMAN36M_ERRORS[j, 2:4]
        np.testing.assert_allclose(errors.mean(axis=0), HUMAN36M_ERRORS[j, :2], atol=6 * spread.max() / 65)
        np.testing.assert_allclose(errors.std(axis=0), spread, rtol=0.06)


def test_the_measured_errors_belong_to_their_joints() -> None:
    """Hips err most, the nose least; heads and noses are not exchanged (the published table has them so)."""
    names = joint_set("human36m17").joints
    by_spread = np.argsort(HUMAN36M_ERRORS[:, 2])
    assert names[by_spread[0]] == "nose"
    assert {names[j] for j in by_spread[-2:]} == {"left_hip", "right_hip"}
    assert HUMAN36M_ERRORS[:, 4].min() == HUMAN36M_ERRORS[names.index("right_wrist"), 4] == 0.90


def test_radii_follow_from_the_similarity() -> None:
    """Object keypoint similarity is exp(-d^2 / (2 area (2 sigma)^2))."""
    for level in (0.85, 0.5, 0.1):
        radius = similarity_radius(level, AREA)
        np.testing.assert_allclose(np.exp(-(radius**2) / (2 * AREA * (2 * COCO_SIGMAS) ** 2)), level)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        (JITTER_SHARE, {"nose": 0.10, "left_eye": 0.15, "right_wrist": 0.15, "left_hip": 0.20,
                         "left_knee": 0.10}),
        (MISS_SHARE, {"nose": 0.02, "right_ear": 0.02, "left_shoulder": 0.05, "left_wrist": 0.10,
                      "right_hip": 0.10, "right_knee": 0.10, "left_ankle": 0.05}),
        (INVERSION_SHARE, {"left_ear": 0.01, "left_shoulder": 0.03, "right_wrist": 0.03, "left_hip": 0.06,
                           "right_ankle": 0.06}),
    ],
)  # fmt: skip
def test_published_shares(shares: np.ndarray, expected: dict[str, float]) -> None:
    assert {name: shares[NAMES.index(name)] for name in expected} == expected


def test_coco_error_kinds_come_as_often_and_as_far_as_published() -> None:
    """With joints far apart distances tell the kinds; the first of a pair sees the other in its place."""
    rng = np.random.default_rng(1)
    draws = np.stack([coco_errors(APART, AREA, rng) for _ in range(3000)])
    good, half, far = (similarity_radius(level, AREA) for level in (0.85, 0.5, 0.1))
    own = np.linalg.norm(draws - APART, axis=-1)
    for j in (0, *(pair[0] for pair in PAIRS)):
        distance = own[:, j]
        pair = dict(PAIRS).get(j)
        shares = np.array([JITTER_SHARE[j], MISS_SHARE[j], INVERSION_SHARE[j]])
        left = 1 - shares.sum()
        if pair is None:
            left, shares = left / (1 - shares[2]), shares / (1 - shares[2])
        jittered = (distance >= good[j]) & (distance < half[j])
        missed = (distance >= half[j]) & (distance < far[j])
        assert within(float((distance < good[j]).mean()), left, 3000)
        assert within(float(jittered.mean()), shares[0], 3000)
        assert within(float(missed.mean()), shares[1] * (1.0 if pair is None else 0.8), 3000)
        if pair is not None:
            beside = np.linalg.norm(draws[:, j] - APART[pair], axis=-1)
            assert within(float((beside < half[j]).mean()), shares[2], 3000)
            assert within(float(((beside >= half[j]) & (beside < far[j])).mean()), shares[1] * 0.2, 3000)
        radius = distance[jittered]
        middle = (half[j] + good[j]) / 2
        assert radius.mean() == pytest.approx(middle, abs=5 * (half[j] - good[j]) / np.sqrt(12 * len(radius)))
        turn = (draws[jittered, j] - APART[j]) / radius[:, None]
        assert np.abs(turn.mean(axis=0)).max() < 5 / np.sqrt(2 * len(turn))


def test_the_second_of_a_pair_meets_the_first_where_that_has_gone() -> None:
    rng = np.random.default_rng(2)
    draws = np.stack([coco_errors(APART, AREA, rng) for _ in range(4000)])
    half = similarity_radius(0.5, AREA)
    first, second = 11, 12  # hips
    far_away = np.linalg.norm(draws[:, second] - APART[second], axis=-1) > 500
    beside = np.linalg.norm(draws[:, second] - draws[:, first], axis=-1)
    assert within(float((far_away & (beside < half[second])).mean()), INVERSION_SHARE[second], 4000)


def test_no_error_lies_nearer_to_the_wrong_joint() -> None:
    joints = APART.copy()
    for a, b in PAIRS:
        joints[b] = joints[a] + (8.0, 3.0)  # a person from the side
    rng = np.random.default_rng(3)
    half = similarity_radius(0.5, AREA)
    for _ in range(200):
        moved = coco_errors(joints, AREA, rng)
        for a, b in PAIRS:
            own, other = np.linalg.norm(moved[a] - joints[a]), np.linalg.norm(moved[a] - joints[b])
            assert own < other or other < half[a] or min(own, other) > half[a]
            if min(own, other) > half[a]:  # a miss keeps clear of both
                assert own > half[a] and other > half[a]


def _by_candidates(joints: np.ndarray, area: float, rng: np.random.Generator) -> np.ndarray:
    """The errors as PoseFix describes them: clouds of candidates, those in the wrong place struck out."""
    moved = joints.astype(float).copy()
    pairs = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
    for j in range(17):
        good, half, far = (similarity_radius(level, area)[j] for level in (0.85, 0.5, 0.1))
        places = [moved[j].copy()] + ([moved[pairs[j]].copy()] if j in pairs else [])

        def cloud(
            place: int,
            inner: float,
            outer: float,
            count: int,
            clear: float | None,
            at: list[np.ndarray] = places,
        ) -> np.ndarray:
            angle, radius = rng.uniform(0, 2 * np.pi, count), rng.uniform(inner, outer, count)
            points = at[place] + radius[:, None] * np.stack((np.cos(angle), np.sin(angle)), axis=1)
            keep = np.ones(count, bool)
            for other in range(len(at)):
                if other != place:
                    distance = np.linalg.norm(points - at[other], axis=1)
                    keep &= distance > (radius if clear is None else clear)
            return points[keep]

        misses = [cloud(0, half, far, 200, half)]
        if len(places) == 2:
            beside = cloud(1, half, far, 200, half)
            misses.append(beside[rng.integers(len(beside), size=len(beside) // 4)])
        clouds = [cloud(0, 0, good, 50, None), cloud(0, good, half, 50, None), np.concatenate(misses)]
        shares = np.array([0, JITTER_SHARE[j], MISS_SHARE[j], INVERSION_SHARE[j]])
        shares[0] = 1 - shares.sum()
        if len(places) == 2:
            clouds.append(cloud(1, 0, half, 50, None))
        shares = shares[: len(clouds)] / shares[: len(clouds)].sum()
        chosen = clouds[rng.choice(len(clouds), p=shares)]
        moved[j] = chosen[rng.integers(len(chosen))]
    return moved


def test_drawing_again_is_the_same_as_striking_out_candidates() -> None:
    """Both ways give the same distribution on a pose with joints near each other."""
    pose = np.array(
        [(144, 40), (150, 32), (138, 32), (160, 36), (128, 36), (175, 90), (112, 90), (190, 150), (100, 150),
         (150, 160), (140, 165), (160, 200), (128, 200), (150, 280), (142, 282), (146, 350), (144, 352)],
        float,
    )  # fmt: skip
    rng = np.random.default_rng(4)
    ours = np.stack([coco_errors(pose, AREA, rng) for _ in range(400)])
    theirs = np.stack([_by_candidates(pose, AREA, rng) for _ in range(400)])
    chances = [
        ks_2samp(a, b).pvalue
        for j in range(17)
        for a, b in (
            (np.linalg.norm(ours[:, j] - pose[j], axis=1), np.linalg.norm(theirs[:, j] - pose[j], axis=1)),
            (ours[:, j, 0], theirs[:, j, 0]),
        )
    ]
    assert min(chances) > 1e-3 / len(chances)
    assert np.median(chances) > 0.1


def test_joints_in_one_place_and_joints_that_are_no_numbers_end() -> None:
    rng = np.random.default_rng(5)
    assert np.isfinite(coco_errors(np.zeros((17, 2)), AREA, rng)).all()
    assert np.isnan(coco_errors(np.full((17, 2), np.nan), AREA, rng)).all()
