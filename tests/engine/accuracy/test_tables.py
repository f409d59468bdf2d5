"""Planted errors appear where they belong: in one joint's row, in one side's, in the worst list."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from planted import Disturb

from engine.accuracy.baselines import baselines
from engine.accuracy.collect import PIECE, Collected, pieces
from engine.accuracy.markdown import tables
from engine.accuracy.summary import spread, summary
from engine.accuracy.views import SIDES, View
from engine.accuracy.worst import worst_moments
from engine.body.model import JOINT_NAMES
from engine.train.evaluate import CASES, Sight
from engine.train.evaluate_weights import Points
from engine.train.motions import MotionSet

Collect = Callable[[Disturb], Collected]
KINDS = ["walking", "fighting", "other"]


def off(truth: Points, joints: slice | int, offset: np.ndarray) -> Points:
    """Joints moved by an offset (3,) or (F,1,3), metres."""
    moved = truth.joints.copy()
    moved[:, joints] += offset
    return truth._replace(joints=moved)


def test_one_joint_off_by_ten_millimetres(collected_with: Collect) -> None:
    wrist = JOINT_NAMES.index("left_wrist")
    collected = collected_with(lambda truth, *_: off(truth, wrist, np.array([0, 0, 0.01])))
    report = summary(collected, KINDS)
    for name, row in report["joints"].items():
        expected = 10.0 if name == "left_wrist" else 0.0
        for case in CASES:
            assert row[case]["fit"]["mpjpe"]["mean"] == pytest.approx(expected, abs=0.01), name
            assert row[case]["network"]["mpjpe"]["p99"] < 0.01
    overall = report["overall"]["clean"]["fit"]
    assert overall["mpjpe"]["mean"] == pytest.approx(10 / 22, abs=0.01)
    assert overall["mpvpe"]["mean"] < 0.01 and overall["landmarks"]["mean"] < 0.01
    assert 0.3 < overall["pa_mpjpe"]["mean"] < 2.0  # the alignment spreads it over the others
    assert collected.errors["clean"]["fit"].along == pytest.approx(1.0)


def test_a_landmark_and_the_mesh_have_rows_of_their_own(collected_with: Collect) -> None:
    def disturb(truth: Points, *_: object) -> Points:
        landmarks = truth.landmarks.copy()
        landmarks[:, 0] += [0.02, 0, 0]
        return truth._replace(landmarks=landmarks, vertices=1.1 * truth.vertices)

    report = summary(collected_with(disturb), KINDS)
    assert report["landmarks"]["nose"]["clean"]["fit"]["median"] == pytest.approx(20, abs=0.01)
    assert report["landmarks"]["left_ear"]["clean"]["fit"]["p99"] < 0.01
    assert report["overall"]["clean"]["fit"]["mpvpe"]["mean"] > 20
    assert report["overall"]["clean"]["fit"]["pa_mpvpe"]["mean"] < 0.01


def test_an_error_on_one_side_lands_in_its_row(collected_with: Collect) -> None:
    """Joints are 22 mm off where the camera sees the left side, and only there."""

    def disturb(truth: Points, sight: Sight, view: View, *_: object) -> Points:
        left = (np.abs(view.azimuth - 90) < 22.5)[:, None, None]
        return off(truth, slice(1, None), left * np.array([0, 0.022, 0]))

    rows = summary(collected_with(disturb), KINDS)["groups"]["side of the body seen"]
    assert set(rows) == set(SIDES)
    for name, row in rows.items():
        expected = 21.0 if name == "left" else 0.0  # 22 mm on 21 of 22 joints
        assert row["clean"]["fit"]["mpjpe"]["mean"] == pytest.approx(expected, abs=0.01), name
    assert sum(row["frames"] for row in rows.values()) == 9 * PIECE


def test_an_error_in_one_action_or_case_stays_there(collected_with: Collect) -> None:
    def disturb(truth: Points, sight: Sight, view: View, case: str, piece: int) -> Points:
        here = case == "detector_noise" and piece in (3, 4, 5)  # the second clip's
        return off(truth, slice(1, None), np.array([0.022 * here, 0, 0]))

    actions = summary(collected_with(disturb), KINDS)["groups"]["action"]
    figures = {
        (name, case): row[case]["fit"]["mpjpe"]["mean"] for name, row in actions.items() for case in CASES
    }
    assert figures.pop(("fighting", "detector_noise")) == pytest.approx(21, abs=0.01)
    assert max(figures.values()) < 0.01


def test_hidden_points_are_told_from_seen_ones(collected_with: Collect) -> None:
    """The left wrist is 30 mm off exactly where its own detection is doubted."""
    wrist, landmark = JOINT_NAMES.index("left_wrist"), 15

    def disturb(truth: Points, sight: Sight, view: View, *_: object) -> Points:
        return off(truth, wrist, 0.03 * view.doubted[:, landmark, None] * np.array([1.0, 0, 0]))

    report = summary(collected_with(disturb), KINDS)
    row = report["seen and hidden"]["wrist"]
    assert 5 < row["hidden_percent"] < 60
    assert row["network"] == {"seen": pytest.approx(0, abs=0.01), "hidden": pytest.approx(0, abs=0.01)}
    assert row["fit"]["seen"] < 0.01 < 5 < row["fit"]["hidden"] <= 30
    assert set(report["groups"]["hidden points"]) <= {"none", "1-5", "6-10", "11 or more"}


def test_the_worst_list_finds_planted_moments(collected_with: Collect, motions: MotionSet) -> None:
    """One clip has four bad moments, two of which are neighbours: the two worst of them are kept."""
    planted = {(0, 10): 0.5, (0, 12): 0.45, (0, 35): 0.2, (1, 15): 0.4, (5, 7): 0.3}

    def disturb(truth: Points, sight: Sight, view: View, case: str, piece: int) -> Points:
        size = np.zeros((len(truth.joints), 1, 1))
        for (number, frame), metres in planted.items():
            if number == piece and case == "clean":
                size[frame] = metres
        return off(truth, slice(1, None), size * np.array([0, 0, 1.0]))

    collected = collected_with(disturb)
    moments = worst_moments(collected, "clean", 3)
    assert [(m.piece, m.offset) for m in moments] == [(0, 10), (1, 15), (5, 7)]
    assert [(m.clip, m.frame) for m in moments] == [(0, 10), (0, PIECE + 15), (1, 2 * PIECE + 7)]
    report = summary(collected, KINDS)["worst percent"]["clean"]
    in_depth = report["circumstances"]["four fifths of the error along the line of sight"]
    assert in_depth["worst"] == 100.0


def test_a_body_that_stands_wrong_is_called_turned(collected_with: Collect) -> None:
    def disturb(truth: Points, *_: object) -> Points:
        return truth._replace(joints=truth.joints * np.array([-1, 1, -1], np.float32))  # half a turn

    collected = collected_with(disturb)
    assert collected.errors["clean"]["fit"].turned == pytest.approx(180, abs=0.1)
    assert collected.errors["clean"]["fit"].pa_mpjpe.max() < 0.01
    shares = summary(collected, KINDS)["worst percent"]["clean"]["circumstances"]
    assert shares["whole body turned wrong by over 45°"] == {"worst": 100.0, "all": 100.0}


def test_the_tables_are_whole(collected_with: Collect) -> None:
    report = summary(collected_with(lambda truth, *_: truth), KINDS)
    one = {"mpjpe": 1.0, "pa_mpjpe": 1.0, "mpvpe": 1.0, "pa_mpvpe": 1.0, "accel": 1.0}
    moment = {
        "number": 1,
        "case": "clean",
        "clip": "a",
        "frame": 3,
        "description": "walk",
        "side": "left",
        "mpjpe": 100.0,
        "pa_mpjpe": 50.0,
        "turned": 3.0,
        "along_percent": 90.0,
        "hidden": 0,
        "worst_joint": "left_wrist",
        "worst_joint_mm": 300.0,
    }
    names = {"weights": "w", "sha256": "0" * 64, "motions": "m", "headline_frames": 3, "headline_clips": 1}
    text = tables({**report, **names, "headline": dict.fromkeys(CASES, one), "worst": [moment]})
    width = 0
    for line in text.splitlines():
        if line.startswith("|"):
            assert width in (0, line.count("|")), line
            width = line.count("|")
        else:
            width = 0
    assert text.count("### ") == 15
    assert "left wrist 300" in text


def test_figures_of_a_spread() -> None:
    assert spread(np.arange(101.0)) == {"mean": 50, "median": 50, "p90": 90, "p99": 99}


def test_the_baseline_that_knows_the_facing_has_only_the_poses_left() -> None:
    """A rigid body that turns: a constant is far off, the turned constant is right."""
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 0.4, (22, 3))
    angle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    turn = np.zeros((50, 3, 3))
    turn[:, 0, 0] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 0, 2], turn[:, 2, 0], turn[:, 1, 1] = np.sin(angle), -np.sin(angle), 1
    figures = baselines(pose @ turn.transpose(0, 2, 1), turn)
    assert figures["average pose"]["mpjpe"] > 100
    assert figures["average pose, facing known"]["mpjpe"] < 1e-6


def test_pieces_cover_a_clip_and_never_cross_two(motions: MotionSet) -> None:
    all_pieces = pieces(motions, every=1)
    assert sum(p.stop - p.start for p in all_pieces) == len(motions.clip)
    assert all(len(motions.clip[p.start : p.stop].unique()) == 1 for p in all_pieces)
    thinned = pieces(motions)
    assert [p.start - p.first for p in thinned] == [0, 0, 0]
    assert len({p.seed for p in all_pieces}) == len(all_pieces)
