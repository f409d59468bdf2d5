"""Identities hold when people appear, cross, hide, leave and return."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.pose2d.figure import Figure
from engine.pose2d.landmarker import Landmarker
from engine.pose2d.tracking import Tracker, Tracks, Window
from engine.video.decode import VideoFile

Points = NDArray[np.float32]
SIZE = (480, 640)  # H, W
RED, BLUE = (200, 40, 40), (40, 60, 200)

# A standing figure 1 high, centred on its hips; MediaPipe's order, the rest at the hips.
FIGURE = np.zeros((33, 2), np.float32)
FIGURE[[0, 11, 12, 13, 14, 15, 16]] = [
    (0, -0.5),
    (0.1, -0.35),
    (-0.1, -0.35),
    (0.15, -0.2),
    (-0.15, -0.2),
    (0.18, 0),
    (-0.18, 0),
]
FIGURE[[23, 24, 25, 26, 27, 28]] = [
    (0.06, 0),
    (-0.06, 0),
    (0.07, 0.25),
    (-0.07, 0.25),
    (0.07, 0.5),
    (-0.07, 0.5),
]


def person(x: float, y: float = 240, height: float = 200, confidence: float = 0.9) -> Points:
    points = np.full((33, 3), confidence, np.float32)
    points[:, :2] = FIGURE * height + (x, y)
    return points


def paint(people: list[tuple[Points, tuple[int, int, int]]]) -> NDArray[np.uint8]:
    image = np.full((*SIZE, 3), 128, np.uint8)
    for points, colour in people:
        (left, top), (right, bottom) = points[:, :2].min(0).astype(int), points[:, :2].max(0).astype(int)
        image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = colour
    return image


def jittered(points: Points, rng: np.random.Generator, amount: float = 2.0) -> Points:
    noise = np.zeros_like(points)
    noise[:, :2] = rng.normal(0, amount, (33, 2))
    return points + noise


def x_of(tracks: Tracks, who: int) -> NDArray[np.float32]:
    """Hip position of a person in every frame."""
    return np.asarray(tracks.keypoints2d[who, :, 23, 0] - 12)


def run(
    frames: int,
    scene: Callable[[int], list[tuple[Points, tuple[int, int, int]]]],
    people: int = 1,
    colours: bool = True,
) -> Tracks:
    """Track what `scene` says is seen in every frame, in an order that changes."""
    rng = np.random.default_rng(0)
    tracker = Tracker(people)
    for frame in range(frames):
        seen = scene(frame)
        detections = [jittered(points, rng) for points, _ in seen]
        rng.shuffle(detections)
        tracker.add(np.array(detections, np.float32).reshape(-1, 33, 3), paint(seen) if colours else None)
    return tracker.tracks()


def test_one_person() -> None:
    tracks = run(20, lambda f: [(person(200 + 5 * f), RED)])
    assert tracks.person_id.tolist() == [0]
    assert tracks.visible.all()
    np.testing.assert_allclose(x_of(tracks, 0), 200 + 5 * np.arange(20), atol=10)
    assert tracks.keypoints2d.dtype == np.float32
    assert tracks.visible.dtype == bool


def test_nobody() -> None:
    tracks = run(5, lambda f: [])
    assert tracks.keypoints2d.shape == (0, 5, 33, 3)
    assert tracks.visible.shape == (0, 5)


def test_one_frame_is_enough() -> None:
    tracks = run(1, lambda f: [(person(200), RED)])
    assert tracks.visible.tolist() == [[True]]


def test_a_ghost_of_two_frames_is_nobody() -> None:
    tracks = run(
        20, lambda f: [(person(300), RED)] + ([(person(100), BLUE)] if f in (7, 8) else []), people=2
    )
    assert len(tracks.person_id) == 1


@pytest.mark.parametrize("colours", [True, False])
def test_a_bystander_does_not_steal_the_identity(colours: bool) -> None:
    """The bystander comes nearer to the detector's taste: surer, and alone for a while."""

    def scene(frame: int) -> list[tuple[Points, tuple[int, int, int]]]:
        main, other = (person(300 + frame), RED), (person(480 - frame, confidence=0.99, height=150), BLUE)
        return [other] if 20 <= frame < 30 else [main, other] if frame >= 10 else [main]

    tracks = run(60, scene, colours=colours)
    assert tracks.visible[0].sum() == 50
    np.testing.assert_allclose(
        x_of(tracks, 0)[tracks.visible[0]], 300 + np.flatnonzero(tracks.visible[0]), atol=10
    )


@pytest.mark.parametrize("colours", [True, False])
def test_people_who_cross_keep_their_identities(colours: bool) -> None:
    def scene(frame: int) -> list[tuple[Points, tuple[int, int, int]]]:
        left, right = (person(100 + 7 * frame, 235), RED), (person(520 - 7 * frame, 245), BLUE)
        return [left] if 27 <= frame <= 33 else [left, right]  # the other is hidden behind

    tracks = run(60, scene, people=2, colours=colours)
    slopes = sorted(
        np.polyfit(np.flatnonzero(v), x_of(tracks, p)[v], 1)[0] for p, v in enumerate(tracks.visible)
    )
    np.testing.assert_allclose(slopes, [-7, 7], atol=0.3)
    assert sorted(tracks.visible.sum(1)) == [53, 60]


def test_a_gap_is_bridged_with_lines_of_no_confidence() -> None:
    tracks = run(30, lambda f: [] if 10 <= f < 20 else [(person(100 + 8 * f), RED)])
    assert tracks.visible[0].tolist() == [not 10 <= f < 20 for f in range(30)]
    np.testing.assert_allclose(x_of(tracks, 0), 100 + 8 * np.arange(30), atol=10)
    assert (tracks.keypoints2d[0, 10:20, :, 2] == 0).all()
    assert (tracks.keypoints2d[0, :10, :, 2] > 0.8).all()


def test_before_and_after_the_nearest_pose_is_held() -> None:
    tracks = run(30, lambda f: [(person(100 + f), RED)] if 10 <= f < 20 else [])
    assert np.ptp(tracks.keypoints2d[0, :11], axis=0)[:, :2].max() == 0
    assert np.ptp(tracks.keypoints2d[0, 19:], axis=0)[:, :2].max() == 0


def test_a_person_who_left_for_long_and_returned_is_the_same() -> None:
    def scene(frame: int) -> list[tuple[Points, tuple[int, int, int]]]:
        bystander = [(person(560, 300, 150), BLUE)] if frame % 3 else []
        return bystander + ([(person(100 + 3 * frame), RED)] if not 30 <= frame < 120 else [])

    tracks = run(150, scene, people=2)
    assert sorted(tracks.visible.sum(1)) == [60, 100]


def test_somebody_else_who_comes_later_is_not_the_same() -> None:
    tracks = run(
        150, lambda f: [(person(200), RED)] if f < 40 else [(person(420), BLUE)] if f >= 110 else [], people=2
    )
    assert tracks.visible.sum(1).tolist() == [40, 40]


def test_a_bad_end_does_not_keep_the_pieces_of_one_person_apart() -> None:
    """His figure drifts off, then he is found again where he is; she walks by all the while."""

    def scene(frame: int) -> list[tuple[Points, tuple[int, int, int]]]:
        woman = [(person(560 - 2 * frame, 380, 150), BLUE)] if frame >= 10 else []
        astray = max(frame - 32, 0) if frame < 40 else 0
        return [(person(140 + frame + 20 * astray, 240 - 30 * astray), RED), *woman]

    tracks = run(80, scene, people=2)
    assert sorted(tracks.visible.sum(1)) == [70, 80]


def test_the_prominent_come_first() -> None:
    def scene(frame: int) -> list[tuple[Points, tuple[int, int, int]]]:
        short = [(person(320), BLUE)] if frame < 8 else []
        return [*short, (person(600, 240, 100), (60, 200, 60)), (person(150), RED)]

    tracks = run(40, scene, people=2)
    assert len(tracks.person_id) == 2
    assert abs(np.median(x_of(tracks, 0)) - 150) < 10
    assert tracks.person_id.tolist() == [0, 1]


def test_a_second_detection_of_one_person_is_not_somebody_new() -> None:
    rng = np.random.default_rng(1)
    tracks = run(20, lambda f: [(person(300), RED), (jittered(person(304), rng), RED)], people=2)
    assert len(tracks.person_id) == 1


def test_the_leader_is_the_one_on_screen() -> None:
    tracker = Tracker(1)
    assert tracker.leader() is None
    for frame in range(5):
        tracker.add(np.stack([person(100, height=80), person(300 + frame)]))
    leader = tracker.leader()
    assert leader is not None
    np.testing.assert_array_equal(leader, person(304))
    tracker.add(np.zeros((0, 33, 3), np.float32))
    assert tracker.leader() is None


def test_a_lost_person_is_looked_for_nearby() -> None:
    asked: list[Window] = []

    def look(window: Window) -> Points:
        asked.append(window)
        return person(100 + 6 * frame)[None]

    tracker = Tracker(1)
    for frame in range(20):
        points = person(100 + 6 * frame)
        image = paint([(points, RED)])
        tracker.add(points[None] if frame < 10 else np.zeros((0, 33, 3), np.float32), image, look)
    tracks = tracker.tracks()
    assert tracks.visible.all()
    assert len(asked) == 10
    for frame, (left, top, right, bottom) in zip(range(10, 20), asked, strict=True):
        assert left < 100 + 6 * frame < right
        assert top < 240 < bottom
        assert 200 < right - left < 500


def test_nobody_is_looked_for_behind_somebody_the_detector_sees() -> None:
    """The second of two people left; where they were, a look only finds the first once more."""
    looks: list[int] = []

    def look(window: Window) -> Points:
        looks.append(frame)
        return jittered(person(300), rng)[None]

    rng = np.random.default_rng(2)
    tracker = Tracker(2)
    for frame in range(90):
        people = [person(300), person(380)] if frame < 30 else [person(300)]
        image = paint([(points, RED) for points in people])
        tracker.add(np.stack(people), image, look)
    assert looks[0] == 30
    assert len(looks) <= 15
    assert (tracker.tracks().visible.sum(1) == [90, 30]).all()


def test_a_ghost_is_not_looked_for_long() -> None:
    asked: list[Window] = []

    def look(window: Window) -> Points:
        asked.append(window)
        return np.zeros((0, 33, 3), np.float32)

    tracker = Tracker(1)
    for frame in range(40):
        tracker.add(person(300)[None] if frame == 0 else np.zeros((0, 33, 3), np.float32), paint([]), look)
    near = [right - left for left, _, right, _ in asked if left < 300 < right and right - left > 300]
    assert len(near) <= 2


def test_who_was_found_near_a_lost_person_is_followed_closely() -> None:
    """Somebody lost in the middle of a leap is found again further off, and from then on looked at there."""
    windows: dict[int, Window] = {}

    def look(window: Window) -> Points:
        windows[frame] = window
        left, _, right, _ = window
        where = 420 + 4 * frame
        return person(where, height=90)[None] if left < where < right else np.zeros((0, 33, 3), np.float32)

    tracker = Tracker(1)
    nobody = np.zeros((0, 33, 3), np.float32)
    for frame in range(30):
        tracker.add(person(250)[None] if frame < 10 else nobody, np.full((480, 1000, 3), 128, np.uint8), look)
    found = min(frame for frame, (left, _, right, _) in windows.items() if left < 420 + 4 * frame < right)
    assert set(range(found, 30)) <= set(windows)
    for frame in range(found + 1, 30):
        left, _, right, _ = windows[frame]
        assert left < 420 + 4 * frame < right
        assert right - left < 250


def test_the_picture_is_searched_part_by_part_while_somebody_lacks() -> None:
    covered = np.zeros(SIZE, bool)
    looks = 0

    def look(window: Window) -> Points:
        left, top, right, bottom = window
        assert 0 <= left < right <= SIZE[1]
        assert 0 <= top < bottom <= SIZE[0]
        covered[top:bottom, left:right] = True
        nonlocal looks
        looks += 1
        return np.zeros((0, 33, 3), np.float32)

    tracker = Tracker(1)
    for _ in range(12):
        tracker.add(np.zeros((0, 33, 3), np.float32), paint([]), look)
    assert covered.all()
    looks = 0
    for _ in range(80):
        tracker.add(np.zeros((0, 33, 3), np.float32), paint([]), look)
    assert looks <= 15


def test_a_figure_is_measured_and_compared() -> None:
    figure, beside = Figure(person(300)), Figure(person(340))
    assert figure.low == (264, 140)
    assert figure.high == (336, 340)
    assert figure.size == pytest.approx(np.hypot(72, 200))
    assert figure.likeness(figure, 1) == pytest.approx(1.0, abs=1e-6)
    assert figure.covered(figure) == pytest.approx(1.0)
    assert figure.covered(beside) == pytest.approx(32 / 72)
    assert figure.away(beside) == pytest.approx(40)
    assert 0.2 < figure.likeness(beside, 1) < 0.8
    assert figure.moved(40, 0).likeness(beside, 1) == pytest.approx(1.0, abs=1e-6)
    assert figure.likeness(Figure(person(600)), 1) < 0.01 < figure.likeness(Figure(person(600)), 40)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (200, 3, 3)])
def test_odd_pictures_have_windows_too(shape: tuple[int, int, int]) -> None:
    def look(window: Window) -> Points:
        left, top, right, bottom = window
        assert image[top:bottom, left:right].size > 0
        return np.zeros((0, 33, 3), np.float32)

    image = np.zeros(shape, np.uint8)
    tracker = Tracker(1)
    tracker.add(np.zeros((0, 33, 3), np.float32), image, look)
    tracker.add(person(-5000, 9000)[None], image, look)
    tracker.add(np.zeros((0, 33, 3), np.float32), image, look)


def test_the_man_on_one_leg_is_not_mixed_up(balance_video: Path) -> None:
    tracks = follow(balance_video, 1, 0, 19)
    assert tracks.visible.all()
    hips = tracks.keypoints2d[0, :, [23, 24], 0].mean(0)
    assert hips.min() > 300  # the bystander stands at the left edge
    assert (tracks.keypoints2d[0, :, 0, 1] < tracks.keypoints2d[0, :, 27, 1]).all()


def test_two_people_outdoors_keep_apart(outdoor_video: Path) -> None:
    """He stands on the roof, she walks below from right to left."""
    tracks = follow(outdoor_video, 2, 60, 84)
    man, woman = sorted(tracks.keypoints2d[..., [23, 24], :2].mean(2), key=lambda hips: hips[0, 1])
    assert tracks.visible.mean() > 0.95
    assert man[:, 1].max() < 500 < woman[:, 1].min()
    assert abs(man[-1, 0] - man[0, 0]) < 100 < woman[0, 0] - woman[-1, 0]


def follow(path: Path, people: int, first: int, last: int) -> Tracks:
    tracker = Tracker(people)
    with Landmarker(people) as landmarker:
        for frame in VideoFile(path, first, last):
            tracker.add(
                landmarker.detect(frame), frame.image, lambda window, f=frame: landmarker.look(f, window)
            )
    return tracker.tracks()
