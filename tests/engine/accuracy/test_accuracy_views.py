"""Sides, heights and rolls, against cameras placed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.accuracy.actions import categories, category
from engine.accuracy.views import SIDES, View, classes, side, view_of
from engine.pose2mesh.observation import Observation
from engine.train.evaluate import Sight
from engine.train.synthesis import Pairs


def look(place: list[float], roll: float = 0.0) -> np.ndarray:
    """World (y up) → camera axes of a camera at `place` that looks at the origin, rolled clockwise."""
    z = -np.array(place) / np.linalg.norm(place)
    x = np.cross(z, [0, 1, 0])
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z])
    c, s = np.cos(roll), np.sin(roll)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ rotation


def seen_from(place: list[float], roll: float = 0.0, root: np.ndarray | None = None) -> View:
    nothing = torch.zeros(1, 33, 3)
    observation = Observation(nothing, torch.ones(1, 1), torch.eye(3)[None])
    camera = torch.from_numpy(look(place, roll)).float()
    sight = Sight(Pairs(observation, nothing, nothing, nothing), camera, 3.0)
    return view_of(sight, (np.eye(3) if root is None else root)[None].astype(np.float32))


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ([0, 0, 3], "front"),
        ([0, 0, -3], "back"),
        ([3, 0, 0], "left"),
        ([-3, 0, 0], "right"),
        ([2, 0, 2], "front left"),
        ([-2, 0, -2], "back right"),
    ],
)
def test_the_side_that_is_seen(place: list[float], name: str) -> None:
    """The body at rest faces +z and has its left on +x."""
    assert SIDES[int(side(seen_from(place).azimuth)[0])] == name


def test_the_person_may_turn_instead() -> None:
    quarter = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])  # faces +x
    assert SIDES[int(side(seen_from([0, 0, 3], root=quarter).azimuth)[0])] == "right"


def test_height_roll_and_tilt() -> None:
    view = seen_from([0, 3, 3])
    assert view.elevation[0] == pytest.approx(45) and view.roll[0] == pytest.approx(0, abs=1e-4)
    view = seen_from([0, -1, 3])
    assert view.elevation[0] == pytest.approx(-18.43, abs=0.01)
    view = seen_from([0, 0, 3], roll=np.deg2rad(30))
    assert view.roll[0] == pytest.approx(30, abs=1e-3) and view.tilt[0] == pytest.approx(30, abs=1e-3)
    upside_down = np.diag([-1.0, -1, 1])
    view = seen_from([0, 0, 3], root=upside_down)
    assert abs(view.tilt[0]) == pytest.approx(180) and view.roll[0] == pytest.approx(0, abs=1e-4)
    assert SIDES[int(side(view.azimuth)[0])] == "front"


def test_every_frame_has_a_row_in_every_table() -> None:
    rng = np.random.default_rng(1)
    angles = rng.uniform(-180, 180, (4, 500))
    distance, doubted = rng.uniform(1.6, 12, 500), np.zeros((500, 33), bool)
    view = View(angles[0], angles[1], angles[2], angles[3], distance, doubted)
    for names, index in classes(view).values():
        assert index.min() == 0 and index.max() == len(names) - 1
    assert set(np.unique(side(angles[0]))) == set(range(8))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("playground - climb, hang, lean over, jump down", "climbing, acrobatics"),
        ("dance - coupe dessous, grand jete en tourant", "dance"),
        ("basketball_signal", "gestures"),
        ("basketball - forward dribble", "ball games"),
        ("UpRightSequence", "climbing, acrobatics"),
        ("washwindow", "everyday"),
        ("run/jog", "running"),
        ("Walk_Loop", "walking"),
        ("walking_extra", "walking"),
        ("Levitate", "other"),
    ],
)
def test_actions(text: str, expected: str) -> None:
    assert category(text) == expected


def test_a_silent_description_leaves_it_to_the_name() -> None:
    assert categories(["Jump_Full_Short", "x"], ["?", "punch"]) == ["jumping", "fighting"]
